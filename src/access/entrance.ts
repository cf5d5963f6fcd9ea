/**
 * What comes before a session if this side has a key: the other side must prove that it has the key, too. So must this
 * side to the other one.
 */
import { asTransferError, TransferError } from '../errors.js'
import type { OnEvent } from '../events.js'
import { type Key, type KeyOption, type KeyRole, keysOf, partnerOf } from '../keys.js'
import { type DialOptions, dial } from '../net/dial.js'
import { HEADER_DEADLINE } from '../protocol/limits.js'
import { type CodeOptions, checkCode } from './code-options.js'
import type { Entered, Entrance } from './entrance-types.js'

export type { Entered, Entrance }

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

export interface EntranceOptions extends KeyOptions, CodeOptions {
  plain?: boolean | undefined
  /** With a code: true if this side listens, and how many peers may come in. */
  listens?: boolean | undefined
  count?: number | undefined
  /** True if every key needs a name. */
  perKeyFolder?: boolean | undefined
  onEvent?: OnEvent | undefined
}

/**
 * Returns the entrance for a side that has a key or a code; undefined without both. Throws a usage error if one of them
 * is invalid.
 */
export async function entranceFor(options: EntranceOptions, role: KeyRole): Promise<Entrance | undefined> {
  const { key: source, plain = false, perKeyFolder = false, onEvent = () => {} } = options
  if (options.code !== undefined) {
    checkCode(options)
    return (await import('./code-entrance.js')).codeEntrance(options.code, role, options.count)
  }
  if (source === undefined) return undefined
  if (plain) throw new TransferError('usage', 'a key needs the protocol, so plain does not go with it')
  // Loaded only with a key: TLS takes a tenth of the time in which a command starts.
  const [secure, { judge, judgeNextBytes, turnAway }, { provedKey }, alerts, outsiders] = await Promise.all([
    import('../net/secure.js'),
    import('../net/first-bytes.js'),
    import('../net/hello.js'),
    import('../net/tls-errors.js'),
    import('./outsiders.js'),
  ])
  const { BUSY_ALERT, KEY_ALERT, NOT_TLS, noKeyError } = alerts
  secure.checkNode(process.versions.node)
  const judgeFirst = (bytes: Buffer) => judge(bytes, noKeyError())
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
      const judged = await judgeNextBytes(socket, outsiders.silenceOf(role), judgeFirst).catch(() => null)
      signal.removeEventListener('abort', stop)
      if (judged === null) return null
      if (judged instanceof TransferError) {
        const error = outsiders.turnAwayOutsider(socket, role, judged, noKeyError())
        if (error === null) return null
        throw error
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
    const judged = await judgeNextBytes(socket, SECOND_LOOK, judgeFirst).catch((error: TransferError) => error)
    socket.destroy()
    return judged instanceof TransferError && judged.code === 'key'
  }
}

/** How long a peer may take to speak once more, in milliseconds. */
const SECOND_LOOK = 1_000
