/**
 * The entrance for a side with a code. Both sides prove to each other that they know the code, and agree on a key (CPace).
 * The TLS handshake with that key follows over the same connection, and later connections come with the key alone.
 *
 * A listener learns from the first message of that handshake whether a peer knows the code. To look at it is a guess of
 * the peer: whoever looks at fewer than all of them loses nothing, and after three wrong ones the code is burnt. Between
 * the look at the count and the change of it nothing waits, so a thousand peers at once have no more guesses than one.
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { newCode, parseCode } from '../codes.js'
import { interruption, TransferError } from '../errors.js'
import { agreedKey, type Key, type KeyRole, partnerOf } from '../keys.js'
import type { DialOptions } from '../net/dial.js'
import { judge, judgeNextBytes, turnAway } from '../net/first-bytes.js'
import { provedKey } from '../net/hello.js'
import { checkNode, secureAccepted, secureDialled } from '../net/secure.js'
import { BUSY_ALERT, KEY_ALERT, keyError } from '../net/tls-errors.js'
import { nextTurn } from '../net/turn.js'
import {
  associatedData,
  type CodeStatus,
  encodeAnswer,
  encodeOpening,
  isOpening,
  type Opening,
  parseAnswer,
  parseOpening,
  SID,
} from '../protocol/code-exchange.js'
import { HEADER_DEADLINE } from '../protocol/limits.js'
import { NO_KEY_ALERT } from '../protocol/strangers.js'
import { brokenOff, diallerError, forgotten, noCodeError, openingError, wrongCode } from './code-errors.js'
import { makeShare, sharedSecret } from './cpace.js'
import type { Entered, Entrance } from './entrance-types.js'
import { silenceOf, turnAwayOutsider } from './outsiders.js'

/** How many peers may be wrong about a code. */
const GUESSES = 3

/**
 * How many peers may have an answer and prove nothing. None of them has guessed. But the time of the answer depends a
 * little on the code, and who could measure it a million times might learn something.
 */
const UNPROVED = 1_024

const NOTHING = Buffer.alloc(0)

/** @param count how many peers may come in with the code */
export function codeEntrance(code: string | boolean, role: KeyRole, count = 1): Entrance {
  checkNode(process.versions.node)
  return new CodeEntrance(code, role, count)
}

interface Proved {
  key: Key
  /** False for a key that was proved with the code before. */
  isNew: boolean
}

class CodeEntrance implements Entrance {
  /** Only the side that has made it shows it. */
  readonly code: string | undefined
  burnt: TransferError | null = null
  readonly #secret: Buffer
  readonly #role: KeyRole
  readonly #partner: KeyRole
  readonly #keys: Key[] = []
  /** How many wrong guesses are left, and how many peers may still come in. */
  #guesses = GUESSES
  #places: number
  /** How many have got an answer, without those who have proved the code then. */
  #unproved = 0
  /** Why this side does not try its code again. */
  #failure: TransferError | null = null

  constructor(code: string | boolean, role: KeyRole, count: number) {
    this.code = typeof code === 'string' ? undefined : newCode()
    this.#secret = parseCode(this.code ?? String(code))
    this.#role = role
    this.#partner = partnerOf[role]
    this.#places = count
  }

  keys(): readonly Key[] {
    return this.#keys
  }

  turnAway(socket: Socket): void {
    turnAway(socket, BUSY_ALERT)
  }

  async accept(socket: Socket, signal: AbortSignal): Promise<Entered | null> {
    const end = performance.now() + HEADER_DEADLINE
    const stop = () => void socket.destroy()
    signal.addEventListener('abort', stop)
    const proved = await this.#identify(socket, end).finally(() => signal.removeEventListener('abort', stop))
    if (proved === null) return null
    const { key, isNew } = proved
    const handshake = { dialler: this.#partner, deadline: end - performance.now(), signal }
    const { stream } = await secureAccepted(socket, key, handshake).catch((error) => {
      // The peer may not know that it has come so far, and then it has nothing but the code.
      if (isNew) this.#places++
      throw error
    })
    return { socket: stream, key }
  }

  /** The key that a peer has proved, or the code; null for a peer that has come and gone without a word. */
  async #identify(socket: Socket, end: number): Promise<Proved | null> {
    const judged = await judgeNextBytes(socket, silenceOf(this.#role), judgeFirst).catch(() => null)
    if (judged === null) return null
    if (judged instanceof TransferError) {
      const error = turnAwayOutsider(socket, this.#role, judged, noCodeError())
      if (error === null) return null
      throw error
    }
    if (!Buffer.isBuffer(judged)) return await this.#exchange(socket, judged, end)
    const key = provedKey(judged, this.#keys, this.#partner)
    if (!(key instanceof TransferError)) return { key, isNew: false }
    turnAway(socket, NO_KEY_ALERT)
    throw keyError('the other side has a key, and this side has a code; give it the code (--code there)')
  }

  /** Answers an opening, and looks at what the peer makes of the answer. */
  async #exchange(socket: Socket, opening: Opening | 'version' | 'invalid', end: number): Promise<Proved> {
    socket.on('error', () => {})
    // The curve takes some milliseconds, and other connections have their turns in between.
    await nextTurn()
    if (socket.destroyed) throw brokenOff()
    const answered = this.#answer(opening)
    if (!('key' in answered)) {
      turnAway(socket, encodeAnswer(answered.status))
      throw openingError(answered.status, opening, this.#role)
    }
    socket.write(encodeAnswer('share', answered.share))
    const hello = await judgeNextBytes(socket, end - performance.now(), judgeHello)
    const key = hello instanceof TransferError ? hello : this.#guess(hello, answered.key)
    if (!(key instanceof TransferError)) return { key, isNew: true }
    turnAway(socket, KEY_ALERT)
    throw key
  }

  #answer(opening: Opening | 'version' | 'invalid'): { status: CodeStatus } | { key: Key; share: Buffer } {
    if (typeof opening === 'string') return { status: opening }
    if (opening.role !== this.#partner) return { status: 'role' }
    if (this.burnt) return { status: 'burnt' }
    if (this.#places === 0) return { status: 'used' }
    if (this.#unproved === UNPROVED) {
      this.burnt = keyError(
        `the code is burnt: ${UNPROVED} peers have asked and not proved it; start again for a new one`,
      )
      return { status: 'burnt' }
    }
    this.#unproved++
    const { sid, share } = opening
    const own = makeShare({ PRS: this.#secret, CI: NOTHING, sid })
    const A = { Y: share, AD: associatedData(this.#partner) }
    const B = { Y: own.Y, AD: associatedData(this.#role) }
    const secret = sharedSecret(sid, own.scalar, share, { A, B })
    return secret ? { key: agreedKey(secret), share: own.Y } : { status: 'invalid' }
  }

  /** Looks at a guess, unless the code has been used or burnt since the answer. */
  #guess(hello: Buffer, agreed: Key): Key | TransferError {
    if (this.burnt) return keyError('the code was burnt before the other side has proved it')
    if (this.#places === 0) return keyError('the code was used before the other side has proved it')
    const key = provedKey(hello, [agreed], this.#partner)
    if (!(key instanceof TransferError)) {
      this.#places--
      this.#unproved--
      this.#keys.push(key)
      return key
    }
    this.#guesses--
    const left = this.#guesses === 1 ? '1 guess is left' : `${this.#guesses} guesses are left`
    if (this.#guesses === 0)
      this.burnt = keyError(`the code is burnt: ${GUESSES} guesses at it were wrong; start again for a new one`)
    return keyError(`the other side has another code; ${left}`)
  }

  async dialled(socket: Socket, { signal }: DialOptions): Promise<Entered> {
    // A false listener has one guess at the code, however often this side connects.
    if (this.#failure) throw this.#failure
    const end = performance.now() + HEADER_DEADLINE
    const [known] = this.#keys
    const key = known ?? (await this.#open(socket, signal))
    const handshake = { dialler: this.#role, deadline: end - performance.now(), signal }
    const { stream } = await secureDialled(socket, key, handshake).catch((error: TransferError) => {
      if (error.code !== 'key') throw error
      this.#failure = known ? forgotten(error) : wrongCode(error)
      throw this.#failure
    })
    if (!known) this.#keys.push(key)
    return { socket: stream, key }
  }

  /** Agrees on a key with the listener. Neither side knows yet whether it is the same. */
  async #open(socket: Socket, signal: AbortSignal): Promise<Key> {
    const [sid, role] = [randomBytes(SID), this.#role]
    const own = makeShare({ PRS: this.#secret, CI: NOTHING, sid })
    const stop = () => void socket.destroy()
    signal.addEventListener('abort', stop)
    socket.write(encodeOpening({ role, sid, share: own.Y }))
    const share = await judgeNextBytes(socket, HEADER_DEADLINE, parseAnswer)
      .catch((error: TransferError) => {
        throw signal.aborted ? interruption(signal) : error
      })
      .finally(() => signal.removeEventListener('abort', stop))
    const A = { Y: own.Y, AD: associatedData(role) }
    const failure = (error: TransferError) => {
      socket.destroy()
      return error
    }
    if (share instanceof TransferError) throw failure(share)
    if (typeof share === 'string') throw failure(diallerError(share, role))
    const secret = sharedSecret(sid, own.scalar, share, { A, B: { Y: share, AD: associatedData(this.#partner) } })
    if (secret === null) throw failure(diallerError('stranger', role))
    return agreedKey(secret)
  }
}

type Judged<Outcome> = Outcome | Buffer | TransferError | undefined

function judgeFirst(bytes: Buffer): Judged<Opening | 'version' | 'invalid'> {
  return isOpening(bytes) ? parseOpening(bytes) : judgeHello(bytes)
}

function judgeHello(bytes: Buffer): Judged<never> {
  return judge(bytes, noCodeError())
}
