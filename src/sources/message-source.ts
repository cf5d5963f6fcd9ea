/** A message as a source (`--text`). Its size is limited, so both ends hold it in memory. */
import { isUtf8 } from 'node:buffer'
import { localError } from '../disk/local-error.js'
import { type Reason, TransferError } from '../errors.js'
import { MAX_MESSAGE } from '../protocol/limits.js'
import type { ByteStream } from './byte-stream.js'
import { openBytes } from './bytes-source.js'
import { type OpenEntry, SingleSource } from './source.js'

const NEWLINE = 10

/** A message, from a string or a stream. */
export class MessageSource extends SingleSource {
  readonly label = 'the message'
  readonly path = '-'
  readonly name = 'message'
  /** `inspect` reads a stream and keeps its bytes. */
  readonly isOnce = false
  readonly #text: string | ByteStream
  #bytes: Buffer = Buffer.alloc(0)

  constructor(text: string | ByteStream) {
    super()
    this.#text = text
  }

  /** Reads the whole message: one that is too long or not UTF-8 fails before the connection is made. */
  async inspect(): Promise<number> {
    this.#bytes = typeof this.#text === 'string' ? Buffer.from(this.#text) : await this.#collect(this.#text)
    if (this.#bytes.length > MAX_MESSAGE) throw this.#unfit('too-large', `is longer than ${MAX_MESSAGE} bytes`)
    if (!isUtf8(this.#bytes)) throw this.#unfit('policy', 'is not UTF-8')
    return this.#bytes.length
  }

  /** Reads the stream, without the final newline that most programs write. */
  async #collect(stream: ByteStream): Promise<Buffer> {
    const pieces: Buffer[] = []
    let length = 0
    try {
      for await (const piece of stream) {
        const bytes = Buffer.from(piece)
        pieces.push(bytes)
        length += bytes.length
        if (length > MAX_MESSAGE + 1) break
      }
    } catch (error) {
      throw localError('cannot read', this.label, error)
    }
    const bytes = Buffer.concat(pieces)
    return bytes.at(-1) === NEWLINE ? bytes.subarray(0, -1) : bytes
  }

  /** `reason` is the one that a receiver would give. */
  #unfit(reason: Reason, why: string): TransferError {
    return new TransferError('local-file', `${this.label} ${why}; send it as a file`, { reason })
  }

  async open(): Promise<OpenEntry> {
    const facts = { size: this.#bytes.length, type: 'text/plain', mtime: null, mode: null }
    return openBytes({ kind: 'message', name: this.name, ...facts }, this.#bytes)
  }
}
