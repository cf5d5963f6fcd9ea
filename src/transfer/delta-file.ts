/**
 * A file of which a receiver has chunks: in the file that it will replace, and, if it has broken off before, at its own
 * beginning. They are copied before what comes behind them. So the file grows from its start, is digested as it grows,
 * and can be kept at any time.
 */
import type { AtHand } from '../at-hand.js'
import { refusal } from '../errors.js'
import { type ChunkLengths, chunkLengths } from '../protocol/cut.js'
import { CHUNK } from '../protocol/limits.js'
import type { Digests, Header } from '../protocol/messages.js'
import type { ReplacedFile } from '../stores/replaced-file.js'
import type { Sink } from '../stores/store.js'
import type { Digest } from './digest.js'
import { type FileDigest, PIECE } from './late-digest.js'
import { ReplacedChunks } from './replaced-chunks.js'
import { isAlike } from './samples.js'
import { damagedError } from './verification.js'

/**
 * If the samples of a file are not in the other one, its first bytes decide: if less than an eighth of them is in twice
 * as many of the other file, all the rest has to come, and costs no time to search for.
 */
const FIRST = 8 * 1024 * 1024
const FEW = 1 / 8

export interface DeltaFileOptions {
  sink: Sink
  header: Header
  /** For the whole file. */
  digest: Digest
  /** It is closed with this. */
  replaced: ReplacedFile
  /** Aborting it ends the search for chunks. */
  signal: AbortSignal
}

/** Bytes that are there. */
interface Copy {
  /** Where they begin and end in the new file. */
  start: number
  end: number
  /** Where they begin in the file that will be replaced. Null if they are in the new file already. */
  from: number | null
}

export class DeltaFile implements FileDigest {
  readonly #sink: Sink
  readonly #name: string
  readonly #size: number
  readonly #digest: Digest
  readonly #replaced: ReplacedFile
  readonly #lengths: ChunkLengths
  readonly #chunks: ReplacedChunks
  /** The end of the chunks that were listed. */
  #listed = 0
  /** False as long as the file may have nothing in common with the other one. */
  #isAlike = true
  /** True once the chunks that are listed do not matter any more. */
  #isRestWanted = false
  /** What is there, in ascending order. The copies and the ranges cover the file. */
  readonly #copies: Copy[] = []
  readonly #ranges: number[] = []
  /** The number of copies that are complete. */
  #copied = 0
  /** Everything before this is in the new file and digested. */
  #done = 0
  /** Where the next piece belongs. */
  #offset = 0
  #copying: Promise<void> = Promise.resolve()
  #isStopped = false
  readonly #signal: AbortSignal
  readonly #onAbort = () => void this.#chunks.stop()

  constructor({ sink, header, digest, replaced, signal }: DeltaFileOptions) {
    this.#sink = sink
    this.#name = header.name
    this.#size = header.size as number
    this.#digest = digest
    this.#replaced = replaced
    this.#signal = signal
    signal.addEventListener('abort', this.#onAbort)
    this.#lengths = chunkLengths(this.#size)
    this.#chunks = new ReplacedChunks(replaced, this.#size, this.#lengths)
  }

  /** Finds the next chunks of the file. Returns true after the last one. */
  async find({ digests, samples }: Digests, lengths: readonly number[]): Promise<boolean> {
    if (samples && this.#listed === 0) this.#isAlike = await isAlike(samples, this.#size, this.#replaced)
    for (const [index, digest] of digests.entries()) {
      const [start, length] = [this.#listed, lengths[index] as number]
      const end = start + length
      const isLast = end === this.#size
      if (end > this.#size || length > this.#lengths.most || (length < this.#lengths.least && !isLast))
        throw refusal('protocol', `the sender lists a chunk of ${length} bytes at ${start}, which cannot be`)
      this.#listed = end
      if (this.#isRestWanted) continue
      const searched = this.#isAlike ? this.#replaced.size : 2 * FIRST
      const from = end <= this.#sink.have ? null : await this.#chunks.offsetOf(length, digest, searched)
      if (from === undefined) this.#addRange(start, end)
      else this.#addCopy({ start, end, from })
    }
    if (this.#isRestWanted) return false
    if (!this.#isAlike && this.#listed >= FIRST) this.#decide()
    return this.#isRestWanted || this.#listed === this.#size
  }

  /** Decides by what was found of the first bytes whether the rest is searched. */
  #decide(): void {
    const found = this.#copies.reduce((sum, { start, end }) => sum + end - start, 0)
    this.#isAlike = found >= FEW * this.#listed
    this.#isRestWanted = !this.#isAlike
    if (this.#isRestWanted && this.#listed < this.#size) this.#addRange(this.#listed, this.#size)
  }

  /** Data move in chunks of the protocol, so a range reaches over what is around it. */
  #addRange(start: number, end: number): void {
    const ranges = this.#ranges
    const [from, to] = [start - (start % CHUNK), Math.min(this.#size, Math.ceil(end / CHUNK) * CHUNK)]
    if (from <= (ranges.at(-1) ?? -1)) ranges[ranges.length - 1] = to
    else ranges.push(from, to)
  }

  #addCopy(copy: Copy): void {
    const last = this.#copies.at(-1)
    const isNext = last?.end === copy.start && offsetBehind(last) === copy.from
    if (isNext) last.end = copy.end
    else this.#copies.push(copy)
  }

  /** Returns what has to come, after the last chunk. The first bytes are copied at once. */
  want(): number[] {
    void this.#copyTo(this.#ranges[0] ?? this.#size)
    return this.#ranges
  }

  /** The next piece belongs at `offset`. */
  seek(offset: number): void {
    this.#offset = offset
  }

  /** Takes the next piece once everything before it is there. It must not change until a promise settles. */
  update(bytes: Buffer): AtHand<void> {
    if (this.#isStopped) return undefined
    if (this.#done < this.#offset) return this.#copyTo(this.#offset).then(() => this.update(bytes))
    this.#digest.update(bytes)
    this.#done += bytes.length
    this.#offset = this.#done
    return undefined
  }

  /** The digest of the whole file, which has `size` bytes. What has not come is there. */
  async hex(size: number): Promise<string> {
    await this.#copyTo(size)
    await this.stop()
    return this.#digest.hex()
  }

  /** Copies what is there, up to `end`. */
  #copyTo(end: number): Promise<void> {
    this.#copying = this.#copying.then(() => this.#copy(end))
    // The next call that waits throws it.
    this.#copying.catch(() => {})
    return this.#copying
  }

  async #copy(end: number): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(PIECE)
    while (this.#done < end && !this.#isStopped) {
      const copy = this.#copies[this.#copied] as Copy
      const piece = buffer.subarray(0, Math.max(0, Math.min(PIECE, copy.end - this.#done, end - this.#done)))
      if (piece.length === 0) this.#copied++
      else await this.#copyPiece(copy, piece)
    }
  }

  async #copyPiece({ start, from }: Copy, piece: Buffer): Promise<void> {
    const position = this.#done
    const count =
      from === null
        ? await this.#sink.readAt(piece, position)
        : await this.#replaced.readAt(piece, from + position - start).catch(() => 0)
    // Somebody has changed the file meanwhile.
    if (count === 0) throw damagedError(this.#name)
    const bytes = piece.subarray(0, count)
    this.#digest.update(bytes)
    if (from !== null && !this.#sink.write(bytes, position)) await this.#sink.writeLater(bytes, position)
    this.#done += count
  }

  /** Reads no more, and closes the file that will be replaced. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#signal.removeEventListener('abort', this.#onAbort)
    await this.#chunks.stop()
    await this.#copying.catch(() => {})
    await this.#replaced.close()
  }
}

/** Where the bytes behind a copy would begin. */
function offsetBehind({ start, end, from }: Copy): number | null {
  return from === null ? null : from + end - start
}
