/**
 * Reading a socket in large pieces. By Node's `data` event every system call brings at most 64 KiB, in a buffer of its
 * own; with the `onread` option of `net.Socket` it brings as much as a buffer holds, always into the same memory.
 * `onread` is documented for sockets that dial, but `net.Server` does not offer it, so an accepted socket is wrapped anew
 * around its handle. That uses two things that Node does not document (the `handle` option and `_handle`), so it happens
 * only here, and where they are missing the `data` event serves: slower, and otherwise the same.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { giveBack, isShared, readable, takeMemory } from './memory.js'

/** Takes bytes; what it needs after it has returned it must `keep`. */
type Sink = (bytes: Buffer) => void | Promise<void>

/** The bytes after which others have their turn: what is digested and written in a few milliseconds. */
const TURN = 2 * 1024 * 1024

/** The bytes of one read while the memory is in use. */
const ASIDE = 64 * 1024

/** Takes bytes; `isTurnOver` lets others read first. False pauses the socket. */
type Take = (bytes: Buffer, isTurnOver: boolean) => boolean

const readers = new WeakMap<Duplex, Reader>()

/** What a socket reads into, and what takes the bytes. */
class Reader {
  /** For the socket's options. */
  readonly onread: OnReadOpts
  readonly #memory: Buffer
  /** What comes while the sink still works with the memory. */
  #aside: Buffer | null = null
  /** Which of the two the next read goes to, and the part of it that may be filled. Node asks for it after each read. */
  #base: Buffer
  #place: Buffer
  #take: Take | null = null
  /** The bytes of the full reads since others had their turn. */
  #inARow = 0
  /** What came before: a socket that dialled reads from the moment it is connected. */
  #early: Buffer | null = null
  /** Which of them the sink works with behind a promise; for ever, if that is broken: a pipe may still take from it. */
  #lent: Buffer | null = null
  #isWorking = false
  #isClosed = false

  constructor() {
    this.#memory = takeMemory()
    this.#base = this.#memory
    this.#place = this.#memory
    this.onread = { buffer: () => this.#nextPlace(), callback: (length) => this.#onBytes(length) }
  }

  /** `socket` was made with this reader's `onread`. */
  attach(socket: Socket): void {
    readers.set(socket, this)
    socket.once('close', () => this.close())
  }

  close(): void {
    this.#isClosed = true
    this.#release()
  }

  /** Returns false if the socket is to stay paused. */
  start(take: Take): boolean {
    this.#take = take
    return this.#early === null || take(this.#early, true)
  }

  /** The sink works until `working` has settled with what it was given. */
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

  /** Called after each read, when it is known whether the sink works on with what was read. */
  #nextPlace(): Buffer {
    if (this.#lent === this.#memory && !isShared(this.#memory)) {
      this.#aside ??= Buffer.allocUnsafeSlow(ASIDE)
      this.#base = this.#aside
      this.#place = this.#aside
    } else {
      this.#base = this.#memory
      this.#place = readable(this.#memory)
    }
    return this.#place
  }

  /** libuv goes on reading, up to 32 times, while each read fills its buffer. */
  #onBytes(length: number): boolean {
    const bytes = this.#place.subarray(0, length)
    this.#inARow = length === this.#place.length ? this.#inARow + length : 0
    const isTurnOver = this.#inARow >= TURN
    if (isTurnOver) this.#inARow = 0
    if (this.#take) return this.#take(bytes, isTurnOver)
    this.#early = Buffer.from(bytes)
    return false
  }

  #release(): void {
    if (this.#isClosed && !this.#isWorking) giveBack(this.#memory, this.#lent !== this.#memory)
  }
}

/** A socket with large reads, made by `connect` with the option that it is given. `feed` must be called on it. */
export function connectWithLargeReads(connect: (options: { onread: OnReadOpts }) => Socket): Socket {
  const reader = new Reader()
  const socket = connect({ onread: reader.onread })
  reader.attach(socket)
  return socket
}

/** `accepted` (from a server with `pauseOnConnect`) as a socket with large reads; or itself where that cannot be had. */
export function withLargeReads(accepted: Socket): Socket {
  const { _handle: handle } = accepted as unknown as { _handle?: { reading?: boolean } | null }
  if (!handle) return accepted
  const reader = new Reader()
  try {
    const options = { handle, allowHalfOpen: true, pauseOnCreate: true, onread: reader.onread }
    const socket = new Socket(options as SocketConstructorOpts)
    // The first wrapper lets go of the handle, so that nothing that happens to it can touch the connection.
    Object.assign(accepted, { _handle: null })
    reader.attach(socket)
    return socket
  } catch {
    reader.close()
    return accepted
  }
}

/**
 * Feeds what `socket` reads to `sink`, piece by piece; a promise pauses the socket until it has settled.
 *
 * With `careful` the end that is seen is a true one. Where the last bytes and a reset come together, libuv takes the
 * hang-up for an end without asking the system (`uv__stream_io`, POLLHUP after a partial read), unless reading was
 * stopped in between; the next read then meets the reset. It costs a little for each read, and serves `--plain`, where
 * the end of the stream is all there is.
 */
export function feed(socket: Duplex, sink: Sink, careful = false): void {
  const reader = readers.get(socket)
  const resume = () => void socket.resume()
  // A promise may be kept before libuv looks whether reading was stopped.
  const goOn = careful ? () => void setImmediate(resume) : resume
  const take = (bytes: Buffer, isTurnOver = false): boolean => {
    const working = sink(bytes)
    if (!working && !isTurnOver && !careful) return true
    socket.pause()
    if (working) {
      reader?.lend(working)
      working.then(goOn, goOn)
    } else {
      setImmediate(resume)
    }
    return false
  }
  socket.on('data', (bytes: Buffer) => take(bytes))
  if (!reader || reader.start(take)) socket.resume()
}
