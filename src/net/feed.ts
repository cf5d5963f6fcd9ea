/**
 * Reads a socket in large pieces. With Node's `data` event every system call reads at most 64 KiB into a new buffer. With
 * the `onread` option of `net.Socket` it reads as much as a buffer holds, always into the same memory. Node documents
 * `onread` for sockets that dial, but `net.Server` does not offer it, so an accepted socket is wrapped anew around its
 * handle. That needs two things that Node does not document (the `handle` option and `_handle`), so it happens only here.
 * Where they are missing, the `data` event is used: slower, and otherwise the same.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { giveBack, isShared, readable, takeMemory } from './memory.js'

/** Takes bytes, by the rule of memory.ts. */
type Sink = (bytes: Buffer) => void | Promise<void>

/** The bytes in a row after which other connections get their turn. They take a few milliseconds to digest and write. */
const TURN = 2 * 1024 * 1024

/** The bytes of one read while the large memory is lent to the consumer. */
const ASIDE = 64 * 1024

/** Takes bytes. With `shouldYield` other connections read first. Returns false if the socket is to pause. */
type Take = (bytes: Buffer, shouldYield: boolean) => boolean

const readers = new WeakMap<Duplex, Reader>()

/** The memory that a socket reads into, and the function that takes the bytes. */
class Reader {
  /** For the socket's options. */
  readonly onread: OnReadOpts
  readonly #memory: Buffer
  /** For a read that comes while the sink still works with the memory. */
  #aside: Buffer | null = null
  /** Which of the two the next read fills, and the part of it that may be filled. Node asks for it after each read. */
  #base: Buffer
  #place: Buffer
  #take: Take | null = null
  /** The bytes of the full reads since other connections had their turn. */
  #inARow = 0
  /** What was read before `start`: a socket that dials reads from the moment it is connected. */
  #early: Buffer | null = null
  /** The memory that the sink uses behind a promise. It stays lent if the promise rejects: a pipe may still write from it. */
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

  /** The sink uses what it was given until `working` has settled. */
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

  /** Called after each read. By then it is known whether the sink goes on behind a promise. */
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

  /** libuv goes on reading, up to 32 times, as long as each read fills its buffer. */
  #onBytes(length: number): boolean {
    const bytes = this.#place.subarray(0, length)
    this.#inARow = length === this.#place.length ? this.#inARow + length : 0
    const shouldYield = this.#inARow >= TURN
    if (shouldYield) this.#inARow = 0
    if (this.#take) return this.#take(bytes, shouldYield)
    this.#early = Buffer.from(bytes)
    return false
  }

  #release(): void {
    if (this.#isClosed && !this.#isWorking) giveBack(this.#memory, this.#lent !== this.#memory)
  }
}

/** Makes a socket with large reads: `connect` must pass on the option that it is given. `feed` must be called on the socket. */
export function connectWithLargeReads(connect: (options: { onread: OnReadOpts }) => Socket): Socket {
  const reader = new Reader()
  const socket = connect({ onread: reader.onread })
  reader.attach(socket)
  return socket
}

/** Turns `accepted`, from a server with `pauseOnConnect`, into a socket with large reads, or returns it as it is. */
export function withLargeReads(accepted: Socket): Socket {
  const { _handle: handle } = accepted as unknown as { _handle?: { reading?: boolean } | null }
  if (!handle) return accepted
  const reader = new Reader()
  try {
    const options = { handle, allowHalfOpen: true, pauseOnCreate: true, onread: reader.onread }
    const socket = new Socket(options as SocketConstructorOpts)
    // The first wrapper loses the handle, so that nothing that happens to it can touch the connection.
    Object.assign(accepted, { _handle: null })
    reader.attach(socket)
    return socket
  } catch {
    reader.close()
    return accepted
  }
}

/**
 * Feeds what `socket` reads to `sink`, piece by piece. A promise pauses the socket until it has settled.
 *
 * With `careful`, an end of the stream is never a reset in disguise. If the last bytes and a reset come together, libuv
 * takes the hang-up for an end without asking the system (`uv__stream_io`, POLLHUP after a partial read), unless reading
 * was stopped in between: then the next read meets the reset. This costs a little for each read. `--plain` needs it,
 * because there the end of the stream is the only sign of a complete file.
 */
export function feed(socket: Duplex, sink: Sink, careful = false): void {
  const reader = readers.get(socket)
  const resume = () => void socket.resume()
  // A promise may settle before libuv looks whether reading was stopped.
  const goOn = careful ? () => void setImmediate(resume) : resume
  const take = (bytes: Buffer, shouldYield = false): boolean => {
    const working = sink(bytes)
    if (!working && !shouldYield && !careful) return true
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
