/** The way in of one entry, step by step: check the limits, digest, store; at the end verify and commit. */
import type { TransferError } from '../errors.js'
import type { HeaderMessage } from '../links/link.js'
import { retain } from '../net/memory.js'
import type { Digests, End, Wanted } from '../protocol/messages.js'
import type { Sink, StoredAs } from '../stores/store.js'
import { WireCount } from './compression.js'
import { type Digests as Computed, createDigest, type EntryDigest } from './digest.js'
import { checkExpected, checkGrowing, isExpecting } from './expectation.js'
import { digestOfPart } from './late-digest.js'
import { checkLimit, type Policy } from './policy.js'
import { type ProgressReport, wireField } from './progress-report.js'
import { ResumedFile } from './resumed-file.js'
import type { TreeRecord } from './tree-record.js'
import { damagedError, type Received, unverifiable, verifyEnd } from './verification.js'

/** The facts about an entry that was stored. */
export interface Taken extends StoredAs, Computed {
  bytes: number
  /** False if nothing has shown that the entry is complete. */
  isVerified: boolean
  /** The bytes that were there from an earlier transfer. */
  resumed?: number
  /** The bytes that its data have taken on the wire. Absent if nothing was compressed. */
  wire?: number
  /** True if it was stored over an earlier connection, and reported then. */
  isRepeated?: boolean
  /** What was noted of a directory. Absent for every other entry. */
  record?: TreeRecord
}

export class Intake {
  /** The number of the entry on its link. */
  readonly entry: number
  readonly header: HeaderMessage
  /** The start of the entry, as of `performance.now()`. */
  readonly start = performance.now()
  /** The number of bytes that are there. */
  bytes = 0
  readonly #policy: Policy
  readonly #sink: Sink
  readonly #digest: EntryDigest
  readonly #progress: ProgressReport
  /** Where the next bytes belong. */
  #offset = 0
  /** For a file whose sender asks: what is wanted of it. */
  #resumed: ResumedFile | null = null
  readonly #wire = new WireCount()

  constructor(
    entry: number,
    header: HeaderMessage,
    steps: { policy: Policy; sink: Sink; digest: EntryDigest; progress: ProgressReport },
  ) {
    this.entry = entry
    this.header = header
    this.#policy = steps.policy
    this.#sink = steps.sink
    this.#digest = steps.digest
    this.#progress = steps.progress
  }

  /** Called once for a file whose sender asks, before anything else. Aborting `signal` ends the search for its chunks. */
  async resume(signal: AbortSignal): Promise<void> {
    this.#resumed = await ResumedFile.create(this.#sink, this.header, signal)
  }

  /** True if what is wanted of the file is known already. */
  get isKnown(): boolean {
    return (this.#resumed as ResumedFile).isKnown
  }

  /** Returns what is wanted of the file, by what is there. */
  want(): Pick<Wanted, 'ranges' | 'changed'> {
    const resumed = this.#resumed as ResumedFile
    const wanted = resumed.want()
    this.bytes = resumed.have
    this.#progress.resume(this.bytes)
    return wanted
  }

  /** Compares the next segments or chunks with what is there. Returns true after the last one. */
  async compare(digests: Digests): Promise<boolean> {
    return await (this.#resumed as ResumedFile).compare(digests)
  }

  /** The next bytes belong at `offset`. */
  place(offset: number): void {
    this.#resumed?.place(offset)
    this.#offset = offset
  }

  /** Takes the next bytes, by the rule of net/memory.ts. They were `wire` bytes if they were compressed. */
  take(bytes: Buffer, wire?: number): void | Promise<void> {
    this.#progress.wire = this.#wire.add(bytes.length, wire)
    const offset = this.#offset
    this.#offset += bytes.length
    this.bytes += bytes.length
    this.#checkLimits()
    if (this.#resumed) return this.#takeLate(this.#resumed, retain(bytes), offset)
    this.#digest.update(bytes)
    if (!this.#sink.write(bytes, offset)) return this.#store(retain(bytes), offset)
    this.#progress.update(this.bytes)
  }

  #checkLimits(): void {
    // The sink of a message has its own limit.
    if (this.header.kind === 'file') checkLimit(this.bytes, this.#policy)
    checkGrowing(this.header.name, this.bytes, this.#policy.expect)
  }

  async #takeLate(resumed: ResumedFile, bytes: Buffer, offset: number): Promise<void> {
    await resumed.update(bytes)
    if (!this.#sink.write(bytes, offset)) await this.#sink.writeLater(bytes, offset)
    this.#progress.update(this.bytes)
  }

  async #store(bytes: Buffer, offset: number): Promise<void> {
    await this.#sink.writeLater(bytes, offset)
    this.#progress.update(this.bytes)
  }

  /** Called after the last byte. Compares the entry with its header, its end and the expectation, then commits it. */
  async finish(end: End): Promise<Taken> {
    const { bytes, header } = this
    const { expect, allowUnverified } = this.#policy
    const digests = this.#resumed ? { blake3: await this.#resumed.hex(bytes), sha256: null } : this.#digest.hex()
    checkExpected(header.name, { bytes, blake3: digests.blake3 }, expect)
    const isCompared = await this.#verify(end, { header, headerPayload: header.payload, bytes, ...digests })
    const isVerified = isCompared || isExpecting(expect)
    if (!isVerified && !allowUnverified) throw unverifiable('the sender sent')
    const resumed = this.#resumed?.have
    const moved = { ...(resumed ? { resumed } : {}), ...wireField(this.#wire.total) }
    const stored = await this.#sink.commit({
      size: bytes,
      isIn: async (readAt) =>
        (await digestOfPart(await createDigest(), readAt, [0, bytes], () => false)) === digests.blake3,
    })
    return { ...stored, ...digests, bytes, isVerified, ...moved }
  }

  async #verify(end: End, received: Received): Promise<boolean> {
    try {
      return await verifyEnd(end, received)
    } catch (error) {
      // What was there may be damaged. Then only that must be sent again, so it is kept for the next try.
      const isDamaged = (error as TransferError).reason === 'digest' && this.#resumed?.mayBeDamaged
      throw isDamaged ? damagedError(this.header.name) : error
    }
  }

  /** Reads nothing more of what was there. For an entry that will not be completed. */
  async stop(): Promise<void> {
    await this.#resumed?.stop()
  }

  /** Keeps what is there of the file. Returns its path, or null if nothing is kept. Never throws. */
  async keep(): Promise<string | null> {
    await this.stop()
    return await this.#sink.keep()
  }

  /** Removes everything that was stored of the entry. Never throws. */
  async discard(): Promise<void> {
    await this.stop()
    await this.#sink.discard()
  }
}
