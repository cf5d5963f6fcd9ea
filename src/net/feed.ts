/**
 * Reading a socket in large pieces. By Node's `data` event every system call brings at most 64 KiB, in a buffer of its
 * own; with the `onread` option of `net.Socket` it brings as much as a buffer holds, always into the same memory.
 * `onread` is documented for sockets that dial, but `net.Server` does not offer it, so an accepted socket is wrapped anew
 * around its handle. That uses two things that Node does not document (the `handle` option and `_handle`), so it happens
 * only here, and where they are missing the `data` event serves: slower, and otherwise the same.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { giveBack, keep, readable, takeMemory } from '../memory.js'

/** Takes bytes; what it needs after it has returned it must `keep`. */
type Sink = (bytes: Buffer) => void | Promise<void>

/** The bytes after which others have their turn: what is digested and written in a few milliseconds. */
const TURN = 2 * 1024 * 1024

/** Takes bytes; `isTurnOver` lets others read first. False pauses the socket. */
type Take = (bytes: Buffer, isTurnOver: boolean) => boolean

const readers = new WeakMap<Duplex, Reader>()

/** What a socket reads into, and what takes the bytes. */
class Reader {
  /** For the socket's options. */
  readonly onread: OnReadOpts
  readonly #memory: Buffer
  /** Where the next read goes: Node asks for it after each. */
  #place: Buffer = Buffer.alloc(0)
  #take: Take | null = null
  /** The bytes of the full reads since others had their turn. */
  #inARow = 0
  /** What came before: a socket that dialled reads from the moment it is connected. */
  #early: Buffer | null = null
  /** True while the sink works with the memory behind a promise. */
  #isInUse = false
  #isReusable = true
  #isClosed = false

  constructor() {
    this.#memory = takeMemory()
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

  /** The memory is in use until `working` has settled; and perhaps for ever after, if it failed. */
  lend(working: Promise<void>): void {
    this.#isInUse = true
    const onSettled = (isReusable: boolean) => {
      this.#isInUse = false
      this.#isReusable = isReusable
      this.#release()
    }
    working.then(
      () => onSettled(true),
      () => onSettled(false),
    )
  }

  #nextPlace(): Buffer {
    this.#place = readable(this.#memory)
    return this.#place
  }

  /** libuv goes on reading, up to 32 times, while each read fills its buffer. */
  #onBytes(length: number): boolean {
    const bytes = this.#place.subarray(0, length)
    this.#inARow = length === this.#place.length ? this.#inARow + length : 0
    const isTurnOver = this.#inARow >= TURN
    if (isTurnOver) this.#inARow = 0
    if (this.#take) return this.#take(bytes, isTurnOver)
    this.#early = keep(bytes)
    return false
  }

  #release(): void {
    if (this.#isClosed && !this.#isInUse) giveBack(this.#memory, this.#isReusable)
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
