/**
 * What a receiver has of a file whose sender asks, and what it wants: by the bytes that are there, by the digests of
 * segments, or by those of chunks that it may have in the file that will be replaced.
 */
import type { AtHand } from '../at-hand.js'
import { refusal } from '../errors.js'
import type { HeaderMessage } from '../links/link.js'
import { MAX_CUT } from '../protocol/cut.js'
import { MAX_RANGES, SEGMENT } from '../protocol/limits.js'
import { bytesIn, type Digests, type Wanted } from '../protocol/messages.js'
import type { Sink } from '../stores/store.js'
import { DeltaFile } from './delta-file.js'
import { createDigest, type Digest } from './digest.js'
import { digestOfPart, type FileDigest, LateDigest } from './late-digest.js'

export class ResumedFile {
  readonly #sink: Sink
  readonly #size: number
  readonly #isCompared: boolean
  readonly #digest: FileDigest
  readonly #delta: DeltaFile | null
  /** The digest of one segment after the other. */
  readonly #segmentDigest: Digest
  /** The number of segments compared. */
  #segments = 0
  /** The beginning and the end of each range that has still to come. */
  #left: number[] = []
  /** Where the next bytes belong. */
  #offset = 0
  #isOver = false
  /** The number of bytes that need not come. */
  have = 0

  private constructor(sink: Sink, header: HeaderMessage, digests: [Digest, Digest], delta: DeltaFile | null) {
    this.#sink = sink
    this.#size = header.size as number
    this.#isCompared = header.resume === 'compare'
    this.#delta = delta
    this.#digest = delta ?? new LateDigest(digests[0], (buffer, position) => sink.readAt(buffer, position))
    this.#segmentDigest = digests[1]
  }

  /** Aborting `signal` ends the search for chunks. */
  static async create(sink: Sink, header: HeaderMessage, signal: AbortSignal): Promise<ResumedFile> {
    const digests: [Digest, Digest] = [await createDigest(), await createDigest()]
    const isDelta = header.resume === 'delta' && (header.size as number) <= MAX_CUT
    const replaced = isDelta ? await sink.openReplaced?.() : null
    const delta = replaced ? new DeltaFile({ sink, header, digest: digests[0], replaced, signal }) : null
    return new ResumedFile(sink, header, digests, delta)
  }

  /** True if `want` needs no digests of the sender. */
  get isKnown(): boolean {
    return !this.#isCompared && !this.#delta
  }

  /** True if what was there has been taken as it was. */
  get mayBeDamaged(): boolean {
    return !this.#isCompared && this.have > 0
  }

  /** Returns what has to come. */
  want(): Pick<Wanted, 'ranges' | 'changed'> {
    const { have, hasChanged } = this.#sink
    if (this.#delta) this.#left = this.#delta.want()
    else if (!this.#isCompared && have < this.#size) this.#left = [have, this.#size]
    const ranges = [...this.#left]
    this.have = this.#size - bytesIn(ranges)
    return { ranges, ...(hasChanged ? { changed: true } : {}) }
  }

  /** Compares the next segments or chunks with what is there. Returns true after the last one. */
  async compare(list: Digests): Promise<boolean> {
    // The sender may have sent chunks before it heard that none are needed.
    if (list.lengths) return this.#delta ? await this.#delta.find(list, list.lengths) : false
    for (const digest of list.digests) {
      const start = this.#segments * SEGMENT
      if (start >= this.#size) throw breach('digests of more segments than the file has')
      const end = Math.min(start + SEGMENT, this.#size)
      this.#segments++
      if (end > this.#sink.have || (await this.#digestOf(start, end)) !== digest) this.#addRange(start, end)
    }
    return this.#segments * SEGMENT >= this.#size
  }

  async #digestOf(start: number, end: number): Promise<string> {
    const readAt = (buffer: Buffer, position: number) => this.#sink.readAt(buffer, position)
    return await digestOfPart(this.#segmentDigest, readAt, [start, end], () => this.#isOver)
  }

  /** Ranges that touch each other are one. The last one allowed reaches over what is right behind it. */
  #addRange(start: number, end: number): void {
    const left = this.#left
    if (left.at(-1) === start || left.length >= 2 * MAX_RANGES) left[left.length - 1] = end
    else left.push(start, end)
  }

  /** The next bytes belong at `offset`. Throws if they were not asked for. */
  place(offset: number): void {
    if (offset !== this.#left[0]) throw notWanted(offset)
    this.#offset = offset
    this.#digest.seek(offset)
  }

  /** Takes the next bytes, which may be written afterwards. They must not change until a promise settles. */
  update(bytes: Buffer): AtHand<void> {
    const [start, end = 0] = this.#left
    if (this.#offset !== start || start + bytes.length > end) throw notWanted(this.#offset)
    this.#offset += bytes.length
    if (this.#offset === end) this.#left.splice(0, 2)
    else this.#left[0] = this.#offset
    return this.#digest.update(bytes)
  }

  /** The digest of the whole file. */
  async hex(bytes: number): Promise<string> {
    return bytes === this.#size ? await this.#digest.hex(bytes) : ''
  }

  /** Reads no more. Resolves when the sink may be closed. Never rejects. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#digest.stop()
  }
}

function notWanted(offset: number) {
  return breach(`bytes at ${offset}, which were not asked for`)
}

function breach(what: string) {
  return refusal('protocol', `the sender sent ${what}`)
}
