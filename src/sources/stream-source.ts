/** A stream as a source: the input of a terminal, or what is passed to the library. */
import type { Readable } from 'node:stream'
import { localError } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { CHUNK } from '../protocol/limits.js'
import type { Header } from '../protocol/messages.js'
import { printable } from '../text.js'
import { type ByteStream, readableOf } from './byte-stream.js'
import { type OpenEntry, SingleSource, streamHeader } from './source.js'

/** A stream of unknown length, read once. */
export class StreamSource extends SingleSource {
  readonly label: string
  readonly path = '-'
  readonly isOnce = true
  readonly name: string
  readonly #stream: Readable

  constructor(stream: ByteStream, name: string, label: string) {
    super()
    this.#stream = readableOf(stream)
    this.name = name
    this.label = printable(label)
    // The next read reports the error. Without a listener, an error before the first read would end the process.
    this.#stream.on('error', () => {})
  }

  async inspect(): Promise<null> {
    return null
  }

  override release(): void {
    this.#stream.destroy()
  }

  async open(signal: AbortSignal): Promise<OpenEntry> {
    return new OpenStream(this.#stream, this.name, this.label, signal)
  }
}

class OpenStream implements OpenEntry {
  readonly header: Header
  readonly #stream: Readable
  readonly #label: string
  readonly #signal: AbortSignal
  /** The bytes from the stream that no call of `read` has taken yet. */
  #rest: Buffer = Buffer.alloc(0)

  constructor(stream: Readable, name: string, label: string, signal: AbortSignal) {
    this.#stream = stream
    this.#label = label
    this.#signal = signal
    this.header = streamHeader(name)
  }

  /** Returns as soon as it has a whole chunk, so that the bytes of a slow producer are not held back. */
  async read(buffer: Buffer, offset: number, length: number): Promise<number> {
    let filled = 0
    while (filled < length) {
      if (this.#rest.length === 0) {
        const next: unknown = this.#stream.read()
        if (next !== null) this.#rest = this.#bytesOf(next)
      }
      if (this.#rest.length > 0) {
        const count = this.#rest.copy(buffer, offset + filled, 0, length - filled)
        this.#rest = this.#rest.subarray(count)
        filled += count
      } else if (filled >= CHUNK || !(await this.#wait())) {
        break
      }
    }
    return this.#keepWholeChunks(buffer, offset, filled)
  }

  /** A stream in object mode may give anything. */
  #bytesOf(piece: unknown): Buffer {
    if (Buffer.isBuffer(piece)) return piece
    if (typeof piece === 'string' || piece instanceof Uint8Array) return Buffer.from(piece)
    throw localError(
      'cannot read',
      this.#label,
      new TypeError(`it gave neither bytes nor text but this: ${typeof piece}`),
    )
  }

  /** Puts an incomplete chunk back, unless the stream has ended: then it is the last chunk. */
  #keepWholeChunks(buffer: Buffer, offset: number, filled: number): number {
    const partial = filled % CHUNK
    if (partial === 0 || this.#stream.readableEnded) return filled
    this.#rest = Buffer.concat([buffer.subarray(offset + filled - partial, offset + filled), this.#rest])
    return filled - partial
  }

  /** Waits until the stream has more bytes. Returns false if it has ended. */
  #wait(): Promise<boolean> {
    const stream = this.#stream
    return new Promise((resolve, reject) => {
      const settle = () => {
        for (const event of ['readable', 'end', 'error', 'close']) stream.removeListener(event, settle)
        this.#signal.removeEventListener('abort', settle)
        if (this.#signal.aborted) reject(this.#signal.reason)
        else if (stream.errored) reject(localError('cannot read', this.#label, stream.errored))
        else if (stream.readableEnded) resolve(false)
        else if (stream.destroyed) reject(this.#cut())
        else resolve(true)
      }
      if (this.#signal.aborted || stream.readableEnded || stream.destroyed) {
        settle()
        return
      }
      for (const event of ['readable', 'end', 'error', 'close']) stream.on(event, settle)
      this.#signal.addEventListener('abort', settle)
    })
  }

  #cut(): TransferError {
    const text = `${this.#label} was closed before its end`
    return new TransferError('local-file', text, { reason: 'disk', peerMessage: 'its input was closed before the end' })
  }

  async check(): Promise<void> {}

  /** Destroys the stream even before its end, so that a producer that still writes fails instead of waiting. */
  async close(): Promise<void> {
    this.#stream.destroy()
  }
}
