/** The chunks of the file that will be replaced, found while the sender finds those of the new one. */
import type { ChunkLengths } from '../protocol/cut.js'
import type { ReplacedFile } from '../stores/replaced-file.js'
import { type Chunk, chunksOf } from './cutter.js'

export class ReplacedChunks {
  readonly #lengths: ChunkLengths
  /** Where each chunk begins, by its length and digest. A wrong length could reveal what is behind a known chunk. */
  readonly #offsets = new Map<string, number>()
  readonly #chunks: AsyncGenerator<Chunk>
  /** The end of what was searched. */
  #searched = 0

  /** @param size that of the new file, which bounds the work */
  constructor(file: ReplacedFile, size: number, lengths: ChunkLengths) {
    this.#lengths = lengths
    const readAt = (buffer: Buffer, position: number) => file.readAt(buffer, position)
    this.#chunks = chunksOf(readAt, Math.min(file.size, 2 * size), lengths)
  }

  /** Where a chunk begins. Undefined if it is not before `end`, as far as the file can be read. */
  async offsetOf(length: number, digest: string, end: number): Promise<number | undefined> {
    const key = `${length} ${digest}`
    while (!this.#offsets.has(key) && this.#searched < end) await this.#search()
    return this.#offsets.get(key)
  }

  /** Finds the next chunk. */
  async #search(): Promise<void> {
    // What cannot be read is not found.
    const { value } = await this.#chunks.next().catch(() => ({ value: undefined }))
    this.#searched = value ? value.offset + value.length : Number.POSITIVE_INFINITY
    // The last chunk may be a few bytes that somebody could guess.
    if (value && value.length >= this.#lengths.least) this.#offsets.set(`${value.length} ${value.digest}`, value.offset)
  }

  /** Searches no more. Resolves when the file is not read any more. Never rejects. */
  async stop(): Promise<void> {
    await this.#chunks.return(undefined)
  }
}
