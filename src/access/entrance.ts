/**
 * What comes before a session if this side has a key: the other side must prove that it has the key, too. So must this
 * side to the other one.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { asTransferError, TransferError } from '../errors.js'
import type { OnEvent } from '../events.js'
import { type Key, type KeyOption, type KeyRole, keysOf, partnerOf } from '../keys.js'
import { type DialOptions, dial } from '../net/dial.js'
import { encode } from '../protocol/encode.js'
import { HEADER_DEADLINE } from '../protocol/limits.js'
import { CHAT_LINE, STRANGER_LINE } from '../protocol/strangers.js'

/** A connection behind the entrance. */
export interface Entered {
  /** What a link uses. */
  socket: Duplex
  /** The key that both sides have proved. */
  key?: Key
}

/** The entrance for one side with a key. */
export interface Entrance {
  /** The keys that count now. */
  keys(): readonly Key[]
  /**
   * Rejects with a TransferError if the peer has not proved a key, and the connection is closed. Resolves with null for
   * a peer that has come and gone without a word.
   */
  accept(socket: Socket, signal: AbortSignal): Promise<Entered | null>
  /** The same for a connection that this side has dialled. */
  dialled(socket: Socket, options: DialOptions): Promise<Entered>
  /** Turns away a peer that has dialled, because there are too many. */
  turnAway(socket: Socket): void
}

/** The keys, or a function that returns those that count now: a listener calls it for every connection. */
export type KeySource = KeyOption | (() => KeyOption)

/** The options about keys, of `send` and `receive`. */
export interface KeyOptions {
  /**
   * The key that both sides must have: then the connection is encrypted, and nobody else can send, receive or read. Of
   * several keys with names, a side that connects uses the first, and a side that listens takes any; it calls a function
   * for every connection. Code `key` if the other side has not the same one, `usage` if the key can be guessed, and
   * with `plain`. Default: none.
   */
  key?: KeySource | undefined
}

export interface EntranceOptions extends KeyOptions {
  plain?: boolean | undefined
  /** True if every key needs a name. */
  perKeyFolder?: boolean | undefined
  onEvent?: OnEvent | undefined
}

/** Returns the entrance for a side that has a key; undefined without a key. Throws a usage error for an invalid key. */
export async function entranceFor(
  { key: source, plain = false, perKeyFolder = false, onEvent = () => {} }: EntranceOptions,
  role: KeyRole,
): Promise<Entrance | undefined> {
  if (source === undefined) return undefined
  if (plain) throw new TransferError('usage', 'a key needs the protocol, so plain does not go with it')
  // Loaded only with a key: TLS takes a tenth of the time in which a command starts.
  const [secure, { judgeFirstBytes, turnAway }, { provedKey }, alerts] = await Promise.all([
    import('../net/secure.js'),
    import('../net/first-bytes.js'),
    import('../net/hello.js'),
    import('../net/tls-errors.js'),
  ])
  const { BUSY_ALERT, KEY_ALERT, NOT_TLS, noKeyError } = alerts
  secure.checkNode(process.versions.node)
  // A receiver without a key waits for the sender to speak first. It is told before its own deadline.
  const silence = role === 'sender' ? HEADER_DEADLINE / 2 : HEADER_DEADLINE
  const partner = partnerOf[role]
  const read = typeof source === 'function' ? source : () => source
  let [option, keys]: [KeyOption | undefined, Key[]] = [undefined, []]
  const load = () => {
    const now = read()
    if (now === option) return
    const found = keysOf(now)
    if (perKeyFolder && found.some(({ name }) => name === null))
      throw new TransferError('usage', 'a folder for each key needs keys with names')
    option = now
    keys = found
  }
  load()
  let told = ''
  // A key that was removed would go on counting unnoticed, so what cannot be used is said.
  const current = () => {
    try {
      load()
    } catch (error) {
      const { message } = asTransferError(error)
      if (message === told) return keys
      told = message
      onEvent({ event: 'warning', reason: 'key', message: `${message}; the keys from before go on counting` })
    }
    return keys
  }
  return {
    keys: current,
    async accept(socket, signal) {
      const start = performance.now()
      const stop = () => void socket.destroy()
      signal.addEventListener('abort', stop)
      const judged = await judgeFirstBytes(socket, silence).catch(() => null)
      signal.removeEventListener('abort', stop)
      if (judged === null) return null
      if (judged instanceof TransferError) {
        const isWaiting = role === 'sender' && judged.reason === 'timeout'
        turnAway(socket, farewell(role, isWaiting ? noKeyError() : judged))
        if (judged.reason === 'broken') return null
        // Without a key a talk takes any bytes, so no peer of it speaks something else.
        throw role === 'chat' ? noKeyError() : judged
      }
      const key = provedKey(judged, current(), partner)
      if (key instanceof TransferError) {
        turnAway(socket, KEY_ALERT)
        throw key
      }
      const deadline = HEADER_DEADLINE - (performance.now() - start)
      const { stream } = await secure.secureAccepted(socket, key, { dialler: partner, deadline, signal })
      return { socket: stream, key }
    },
    async dialled(socket, options) {
      const { signal } = options
      const [key] = keys as [Key]
      const handshake = { dialler: role, deadline: HEADER_DEADLINE, signal }
      const { stream } = await secure.secureDialled(socket, key, handshake).catch(async (error: TransferError) => {
        // An interruption and the deadline have no cause.
        const { code } = Object(error.cause) as { code?: unknown }
        throw code === NOT_TLS && (role === 'chat' || (await speaksFirst(options))) ? noKeyError() : error
      })
      return { socket: stream, key }
    },
    turnAway: (socket) => turnAway(socket, BUSY_ALERT),
  }

  /**
   * True if a listening sender without a key answers at that address: it speaks first. TLS has taken its words for
   * an error, and has not kept them. So they are asked for again.
   */
  async function speaksFirst(options: DialOptions): Promise<boolean> {
    const dialled = await dial({ ...options, wait: 0, isSecure: true }).catch(() => null)
    if (!dialled) return false
    const { socket } = dialled
    const judged = await judgeFirstBytes(socket, SECOND_LOOK).catch((error: TransferError) => error)
    socket.destroy()
    return judged instanceof TransferError && judged.code === 'key'
  }
}

/** What a side with a key says in plain text to a peer that has not begun with TLS. */
function farewell(role: KeyRole, { reason, peerMessage: message }: TransferError): Buffer {
  if (role === 'chat') return Buffer.from(CHAT_LINE)
  if (reason === 'magic') return Buffer.from(STRANGER_LINE)
  const entry = null
  return role === 'receiver'
    ? Buffer.concat([encode.receiverOpening(), encode.refused({ entry, reason, message })])
    : Buffer.concat([encode.senderOpening(), encode.abort({ entry, reason, message })])
}

/** How long a peer may take to speak once more, in milliseconds. */
const SECOND_LOOK = 1_000
