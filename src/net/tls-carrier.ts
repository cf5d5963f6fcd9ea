/**
 * What TLS runs over on the side that receives. Over a TCP socket, TLS of Node.js reads with two system calls for 17 KB.
 * Here it gets what one large read has brought, and everything in it is decrypted at once.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { limitReads, readLarge, withLargeReads } from './feed.js'

/** The size of one read, in bytes. The decrypted bytes of a larger one would have to be kept while the first are stored. */
const READ = 1024 * 1024

type Callback = (error?: Error | null) => void

export class TlsCarrier extends Duplex {
  readonly #socket: Socket
  /** Called with a function that passes on the bytes of one read, and returns when TLS has decrypted them. */
  onRead: (passOn: () => void) => void = (passOn) => passOn()
  /** Called with the error of the connection. As an event of this stream, Node.js would pass it to nobody. Set at once. */
  onError!: (error: Error) => void

  /** @param socket a connected socket, maybe with bytes that were read and put back. It must not be used any more */
  constructor(socket: Socket) {
    super({ allowHalfOpen: true })
    const early = socket.read() as Buffer | null
    this.#socket = withLargeReads(socket, READ)
    readLarge(this.#socket, (bytes) => this.onRead(() => this.emit('data', bytes)))
    this.#socket.once('end', () => this.push(null))
    // The event `close` follows.
    this.#socket.on('error', (error) => this.onError(error))
    this.#socket.once('close', () => this.destroy())
    // TLS listens as soon as it has this stream, in this very turn.
    if (early) process.nextTick(() => this.emit('data', early))
  }

  /** After the next read, no read brings more than `most` bytes. */
  limitReads(most: number): void {
    limitReads(this.#socket, most)
  }

  /** Nothing: the socket reads by itself until it is paused. */
  override _read(): void {}

  override pause(): this {
    this.#socket.pause()
    return super.pause()
  }

  override resume(): this {
    this.#socket.resume()
    return super.resume()
  }

  override _write(bytes: Uint8Array, _encoding: string, done: Callback): void {
    this.#socket.write(bytes, unlessFailed(done))
  }

  override _final(done: Callback): void {
    this.#socket.end(unlessFailed(done))
  }

  override _destroy(error: Error | null, done: Callback): void {
    this.#socket.destroy()
    done(error)
  }

  /** Breaks the connection with a TCP reset. */
  resetAndDestroy(): this {
    this.#socket.resetAndDestroy()
    return this.destroy()
  }
}

/** After a failure, nothing is done any more: `onError` gets it. */
function unlessFailed(done: Callback): Callback {
  return (error) => {
    if (!error) done()
  }
}
