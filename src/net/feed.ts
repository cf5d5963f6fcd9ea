/**
 * Reads a socket in large pieces. With the `data` event of Node.js, every system call reads at most 64 KiB into a new
 * buffer. With the `onread` option of `net.Socket`, a call reads as much as a buffer holds, always into the same
 * memory. Node.js documents `onread` for sockets that dial, but `net.Server` does not offer it. So an accepted socket
 * is wrapped anew around its handle. That needs two features that Node.js does not document (the `handle` option and
 * `_handle`), so only this file uses them. If they are missing, the `data` event does the same, only slower.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { giveBack, isShared, readable, takeMemory } from './memory.js'
import type { Turn } from './turn.js'

/** Takes bytes, by the rule of memory.ts. */
export type Consumer = (bytes: Buffer) => void | Promise<void>

/** The size of one read while the large memory is lent to the consumer, in bytes. */
const ASIDE = 64 * 1024

/** The most bytes that are dropped of a connection that comes to its end, in bytes. */
const DROPPED = 1024 * 1024

/** Takes bytes. Returns false if the socket must pause. */
type Take = (bytes: Buffer) => boolean

const readers = new WeakMap<Duplex, Reader>()

/** The memory that a socket reads into, and the function that takes the bytes. */
class Reader {
  /** An option for the constructor of the socket. */
  readonly onread: OnReadOpts
  readonly #memory: Buffer
  #most: number | undefined
  /** The buffer for a read that comes while the consumer still uses the memory. */
  #aside: Buffer | null = null
  /** The one of these two buffers that the next read fills. */
  #base: Buffer
  /** The part of `#base` that the next read may fill. Node.js asks for it after each read. */
  #place: Buffer
  #take: Take | null = null
  /** The bytes that were read before `start`: a socket that dials reads from the moment it is connected. */
  #early: Buffer | null
  /** The memory that the consumer uses behind a promise. It stays lent if the promise rejects: a write may still use it. */
  #lent: Buffer | null = null
  #isWorking = false
  #isClosed = false

  /**
   * @param most the most bytes of one read
   * @param early the bytes that were read before
   */
  constructor(most?: number, early: Buffer | null = null) {
    this.#early = early
    this.#memory = takeMemory()
    this.#most = most
    this.#base = this.#memory
    this.#place = this.#memory
    this.onread = { buffer: () => this.#nextPlace(), callback: (length) => this.#onBytes(length) }
  }

  /** `socket` was created with the `onread` of this reader. */
  attach(socket: Socket): void {
    readers.set(socket, this)
    socket.once('close', () => this.close())
  }

  close(): void {
    this.#isClosed = true
    this.#release()
  }

  /** After the next read, no read brings more than `most` bytes. */
  limit(most: number): void {
    this.#most = Math.min(most, this.#most ?? most)
  }

  /** Passes the bytes to `take` from now on. Returns false if the socket must stay paused. */
  start(take: Take): boolean {
    this.#take = take
    return this.#early === null || take(this.#early)
  }

  /** Called if the consumer uses its bytes until `working` settles. */
  lend(working: Promise<void>): void {
    this.#lent = this.#base
    this.#isWorking = true
    const onSettled = (lent: Buffer | null) => {
      this.#lent = lent
      this.#isWorking = false
      this.#release()
    }
    working.then(
      () => onSettled(null),
      () => onSettled(this.#lent),
    )
  }

  /** Called after each read, when it is known whether the consumer still uses its bytes. */
  #nextPlace(): Buffer {
    if (this.#lent === this.#memory && !isShared(this.#memory)) {
      this.#aside ??= Buffer.allocUnsafeSlow(ASIDE)
      this.#base = this.#aside
      this.#place = readable(this.#aside, this.#most)
    } else {
      this.#base = this.#memory
      this.#place = readable(this.#memory, this.#most)
    }
    return this.#place
  }

  /** libuv continues to read, up to 32 times, as long as each read fills its buffer. */
  #onBytes(length: number): boolean {
    const bytes = this.#place.subarray(0, length)
    if (this.#take) return this.#take(bytes)
    this.#early = Buffer.from(bytes)
    return false
  }

  #release(): void {
    if (this.#isClosed && !this.#isWorking) giveBack(this.#memory, this.#lent !== this.#memory)
  }
}

/** Creates a socket with large reads. `connect` must use the given options. `feed` must be called on the socket. */
export function connectWithLargeReads(connect: (options: { onread: OnReadOpts }) => Socket): Socket {
  const reader = new Reader()
  const socket = connect({ onread: reader.onread })
  reader.attach(socket)
  return socket
}

/**
 * Turns a socket of a server with `pauseOnConnect` into one with large reads, of at most `most` bytes each. Returns it
 * unchanged if it cannot. What was put back into it comes first.
 */
export function withLargeReads(accepted: Socket, most?: number): Socket {
  const { _handle: handle } = accepted as unknown as { _handle?: { reading?: boolean } | null }
  if (!handle) return accepted
  const early: Buffer | null = accepted.readableLength > 0 ? accepted.read() : null
  const reader = new Reader(most, early)
  try {
    const options = { handle, allowHalfOpen: true, pauseOnCreate: true, onread: reader.onread }
    const socket = new Socket(options as SocketConstructorOpts)
    // The accepted socket loses the handle, so that it can no longer affect the connection.
    Object.assign(accepted, { _handle: null })
    reader.attach(socket)
    return socket
  } catch {
    reader.close()
    if (early) accepted.unshift(early)
    return accepted
  }
}

/**
 * Feeds the bytes of `socket` to `consume`, piece by piece. If `consume` returns a promise, the socket pauses until the
 * promise has settled. If the `turn` of the connection is over, the socket pauses until the next one.
 *
 * With `careful`, a reset is never mistaken for the end of the stream. If the last bytes and a reset come together,
 * libuv takes the hang-up for an end without asking the system (`uv__stream_io`, POLLHUP after a partial read). But if
 * reading was stopped in between, the next read meets the reset. So with `careful` the socket pauses after every read,
 * which costs a little. `--plain` needs this, because there the end of the stream is the only sign of a complete file.
 */
export function feed(socket: Duplex, consume: Consumer, turn: Turn, careful = false): void {
  const reader = readers.get(socket)
  const resume = () => void socket.resume()
  // The promise may settle before libuv checks whether reading was stopped.
  const goOn = careful ? () => void setImmediate(resume) : resume
  const take = (bytes: Buffer): boolean => {
    turn.begin(bytes.length)
    const working = consume(bytes)
    const waiting = working ?? turn.check()
    if (!waiting && !careful) return true
    socket.pause()
    if (working) reader?.lend(working)
    if (waiting) waiting.then(goOn, goOn)
    else setImmediate(resume)
    return false
  }
  socket.on('data', take)
  if (!reader || reader.start(take)) socket.resume()
}

/** After the first read, no read of `socket` brings more than `most` bytes. */
export function limitReads(socket: Duplex & { limitReads?(most: number): void }, most: number): void {
  socket.limitReads?.(most)
  readers.get(socket)?.limit(most)
}

/** Passes all bytes of `socket` to `take`, which is done with them when it returns. The caller pauses and resumes. */
export function readLarge(socket: Socket, take: (bytes: Buffer) => void): void {
  socket.on('data', take)
  readers.get(socket)?.start((bytes) => {
    take(bytes)
    return true
  })
}

/** Drops bytes. Of a flood, what comes after the first ones is not even read until `closed` resolves. */
export function dropUntil(closed: Promise<void>): Consumer {
  let left = DROPPED
  return ({ length }) => {
    left -= length
    return left < 0 ? closed : undefined
  }
}
