/**
 * A connection behind TLS, as a link uses any connection. It differs from a TLS socket of Node.js in that bytes come in
 * large pieces, in that the end never overtakes them while the link holds them back, and in that every error ends it.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { limitReads } from './feed.js'
import { Gatherer } from './gather.js'
import { TlsCarrier } from './tls-carrier.js'

type Callback = (error?: Error | null) => void

export class SecureStream extends Duplex {
  /** The TLS socket. Its handle counts the bytes of both the plain text and the connection (delivered.ts). */
  readonly tls: TLSSocket
  readonly #socket: Socket | TlsCarrier
  /** True once the other side has ended its direction. */
  #hasEnded = false

  /** @param socket what the TLS socket runs over */
  constructor(tls: TLSSocket, socket: Socket | TlsCarrier) {
    super({ allowHalfOpen: true })
    this.tls = tls
    this.#socket = socket
    const take = (bytes: Buffer) => this.#onBytes(bytes)
    if (socket instanceof TlsCarrier) {
      const gatherer = new Gatherer(tls, take)
      socket.onRead = (passOn) => gatherer.read(passOn)
    } else {
      tls.on('data', take)
    }
    tls.once('end', () => {
      this.#hasEnded = true
      this.#endIfDrained()
    })
    // A later turn: who waits for the handshake may not listen to this stream yet.
    const destroy = (error?: Error) => void setImmediate(() => this.destroy(error && asBreak(error)))
    tls.on('error', destroy)
    // Node.js reports some errors after the handshake only so, unless a tls.Server has made the socket.
    tls.on('_tlsError', destroy)
    tls.once('close', () => destroy())
  }

  #onBytes(bytes: Buffer): void {
    // A piece that is taken at once is not copied.
    if (this.readableFlowing && this.readableLength === 0) this.emit('data', bytes)
    else this.push(Buffer.from(bytes))
    if (!this.readableFlowing) this.tls.pause()
  }

  /** After the next read, no read brings more than `most` bytes, on the side that receives. */
  limitReads(most: number): void {
    limitReads(this.#socket, most)
  }

  /** Nothing: the TLS socket reads by itself until it is paused. */
  override _read(): void {}

  override pause(): this {
    this.tls.pause()
    return super.pause()
  }

  override resume(): this {
    this.tls.resume()
    super.resume()
    // The stream reads what it holds in the next tick, before this.
    if (this.#hasEnded) process.nextTick(() => this.#endIfDrained())
    return this
  }

  /** Node.js would say that the stream has ended as soon as the last piece is handed over, even if it is held back then. */
  #endIfDrained(): void {
    if (this.readableFlowing && this.readableLength === 0) this.push(null)
  }

  override _write(bytes: Uint8Array, _encoding: string, done: Callback): void {
    this.tls.write(bytes, done)
  }

  /** Small frames that wait for each other go out in one record. */
  override _writev(pieces: { chunk: Uint8Array }[], done: Callback): void {
    this.tls.cork()
    for (const { chunk } of pieces.slice(0, -1)) this.tls.write(chunk)
    this.tls.write((pieces.at(-1) as { chunk: Uint8Array }).chunk, done)
    this.tls.uncork()
  }

  override _final(done: Callback): void {
    this.tls.end(done)
  }

  override _destroy(error: Error | null, done: Callback): void {
    this.tls.destroy()
    this.#socket.destroy()
    done(error)
  }

  /** Breaks the connection with a TCP reset. */
  resetAndDestroy(): void {
    this.#socket.resetAndDestroy()
    this.destroy()
  }
}

/** An error of OpenSSL here means that somebody without the key has changed or added bytes. */
function asBreak(error: NodeJS.ErrnoException): Error {
  if (!error.code?.startsWith('ERR_SSL')) return error
  return new Error(`what came is not what the other side has sent (${error.code})`)
}
