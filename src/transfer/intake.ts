/** The way in of one entry, step by step: check the limits, digest, store; at the end verify and commit. */
import type { HeaderMessage } from '../links/link.js'
import { retain } from '../net/memory.js'
import type { End } from '../protocol/messages.js'
import type { Sink, StoredAs } from '../stores/store.js'
import type { Digests, EntryDigest } from './digest.js'
import { checkExpected, checkGrowing, isExpecting } from './expectation.js'
import { checkLimit, type Policy } from './policy.js'
import type { ProgressReport } from './progress-report.js'
import type { TreeRecord } from './tree-record.js'
import { unverifiable, verifyEnd } from './verification.js'

/** The facts about an entry that was stored. */
export interface Taken extends StoredAs, Digests {
  bytes: number
  /** False if nothing has shown that the entry is complete. */
  isVerified: boolean
  /** What was noted of a directory. Absent for every other entry. */
  record?: TreeRecord
}

export class Intake {
  /** The number of the entry on its link. */
  readonly entry: number
  readonly header: HeaderMessage
  /** The start of the entry, as of `performance.now()`. */
  readonly start = performance.now()
  bytes = 0
  readonly #policy: Policy
  readonly #sink: Sink
  readonly #digest: EntryDigest
  readonly #progress: ProgressReport

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

  /** Takes the next bytes, by the rule of net/memory.ts. */
  take(bytes: Buffer): void | Promise<void> {
    const offset = this.bytes
    this.bytes += bytes.length
    this.#checkLimits()
    this.#digest.update(bytes)
    if (!this.#sink.write(bytes, offset)) return this.#store(retain(bytes), offset)
    this.#progress.update(this.bytes)
  }

  #checkLimits(): void {
    // The sink of a message has its own limit.
    if (this.header.kind === 'file') checkLimit(this.bytes, this.#policy)
    checkGrowing(this.header.name, this.bytes, this.#policy.expect)
  }

  async #store(bytes: Buffer, offset: number): Promise<void> {
    await this.#sink.writeLater(bytes, offset)
    this.#progress.update(this.bytes)
  }

  /** Called after the last byte. Compares the entry with its header, its end and the expectation, then commits it. */
  async finish(end: End): Promise<Taken> {
    const { bytes, header } = this
    const { expect, allowUnverified } = this.#policy
    const digests = this.#digest.hex()
    checkExpected(header.name, { bytes, blake3: digests.blake3 }, expect)
    const isCompared = await verifyEnd(end, { header, headerPayload: header.payload, bytes, ...digests })
    const isVerified = isCompared || isExpecting(expect)
    if (!isVerified && !allowUnverified) throw unverifiable('the sender sent')
    return { ...(await this.#sink.commit()), ...digests, bytes, isVerified }
  }

  /** Removes everything that was stored of the entry. Never throws. */
  async discard(): Promise<void> {
    await this.#sink.discard()
  }
}
