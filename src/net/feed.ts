/**
 * Reading a socket in large pieces. By Node's `data` event every system call brings at most 64 KiB, in a buffer of its
 * own; with the `onread` option of `net.Socket` it brings as much as the connection's buffer holds, and the memory is
 * used again for the next. `onread` is documented for sockets that dial, but `net.Server` does not offer it, so an
 * accepted socket is wrapped anew around its handle. That uses two things that Node does not document (the `handle`
 * option and `_handle`), so it happens only here, and where they are missing the `data` event serves: slower, and
 * otherwise the same.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * Bytes that one read of a single connection may bring; several connections divide them. While a receiver digests and
 * writes, more comes than fits into the processor's nearest cache, and taking it all at once costs less than in pieces
 * (bench/README.md); but others wait meanwhile, so there is a limit for all together.
 */
const MOST = 8 * 1024 * 1024

/** Bytes of one read however many connections there are: what Node's own reads bring. */
const LEAST = 64 * 1024

/** Owns the bytes until it returns or, if that is a promise, until it has settled. */
type Sink = (bytes: Buffer) => void | Promise<void>

const readers = new WeakMap<Duplex, Reader>()

/** How many sockets have a reader now. */
let connections = 0

/** The largest buffer of a connection that is over, for the next one: memory that was used before is cheaper. */
let spare: Buffer | null = null

function takeBuffer(): Buffer {
  const size = Math.max(LEAST, Math.floor(MOST / connections))
  if (spare === null || spare.length < size) return Buffer.allocUnsafeSlow(size)
  const buffer = spare
  spare = null
  return buffer
}

/** A socket's own memory, and what takes the bytes that come into it. */
class Reader {
  /** For the socket's options. */
  readonly onread: OnReadOpts
  readonly #buffer: Buffer
  /** What takes the bytes; false pauses the socket. */
  #take: ((bytes: Buffer) => boolean) | null = null
  /** What came before: a socket that dialled reads from the moment it is connected. */
  #early: Buffer | null = null
  #isInUse = false
  #isClosed = false

  constructor() {
    connections++
    this.#buffer = takeBuffer()
    this.onread = { buffer: this.#buffer, callback: (length) => this.#onBytes(this.#buffer.subarray(0, length)) }
  }

  /** `socket` was made with this reader's `onread`. */
  attach(socket: Socket): void {
    readers.set(socket, this)
    socket.once('close', () => this.close())
  }

  close(): void {
    connections--
    this.#isClosed = true
    this.#release()
  }

  /** Returns false if the socket is to stay paused. */
  start(take: (bytes: Buffer) => boolean): boolean {
    this.#take = take
    return this.#early === null || take(this.#early)
  }

  /** The memory is used until `working` has settled; and for all that is known for ever after, if it failed. */
  lend(working: Promise<void>): void {
    this.#isInUse = true
    const onDone = () => {
      this.#isInUse = false
      this.#release()
    }
    working.then(onDone, () => {})
  }

  #onBytes(bytes: Buffer): boolean {
    if (this.#take) return this.#take(bytes)
    this.#early = bytes
    return false
  }

  #release(): void {
    if (!this.#isClosed || this.#isInUse) return
    if (spare === null || spare.length < this.#buffer.length) spare = this.#buffer
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
  const take = (bytes: Buffer): boolean => {
    const working = sink(bytes)
    if (!working && !careful) return true
    socket.pause()
    if (working) {
      reader?.lend(working)
      const resume = () => void socket.resume()
      working.then(resume, resume)
    } else {
      setImmediate(() => socket.resume())
    }
    return false
  }
  socket.on('data', take)
  if (!reader || reader.start(take)) socket.resume()
}
