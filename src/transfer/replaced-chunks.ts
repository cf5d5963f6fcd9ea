/** The chunks of the file that will be replaced, found while the sender finds those of the new one. */
import type { ChunkLengths } from '../protocol/cut.js'
import type { ReplacedFile } from '../stores/replaced-file.js'
import { chunksOf } from './cutter.js'

export class ReplacedChunks {
  readonly #file: ReplacedFile
  readonly #lengths: ChunkLengths
  /** Where each chunk begins, by its length and digest. A wrong length could reveal what is behind a known chunk. */
  readonly #offsets = new Map<string, number>()
  readonly #search: Promise<void>
  #isSearching = true

  /** @param size that of the new file, which bounds the work */
  constructor(file: ReplacedFile, size: number, lengths: ChunkLengths) {
    this.#file = file
    this.#lengths = lengths
    // What cannot be read is not found.
    this.#search = this.#findAll(Math.min(file.size, 2 * size)).catch(() => {})
  }

  async #findAll(size: number): Promise<void> {
    const readAt = (buffer: Buffer, position: number) => this.#file.readAt(buffer, position)
    for await (const { offset, length, digest } of chunksOf(readAt, size, this.#lengths)) {
      if (!this.#isSearching) return
      // The last chunk may be a few bytes that somebody could guess.
      if (length >= this.#lengths.least) this.#offsets.set(`${length} ${digest}`, offset)
    }
  }

  /** Where a chunk begins. Undefined if it is not there. Waits for the end of the search before it says so. */
  async offsetOf(length: number, digest: string): Promise<number | undefined> {
    const key = `${length} ${digest}`
    const offset = this.#offsets.get(key)
    if (offset !== undefined) return offset
    await this.#search
    return this.#offsets.get(key)
  }

  /** Resolves when the file is not read any more. Never rejects. */
  async stop(): Promise<void> {
    this.#isSearching = false
    await this.#search
  }
}
