/** The way in of an entry that was stored over an earlier connection, whose sender has not heard of that. */
import { TransferError } from '../errors.js'
import type { HeaderMessage } from '../links/link.js'
import { SEGMENT } from '../protocol/limits.js'
import type { Digests, End, Stored, Wanted } from '../protocol/messages.js'
import type { Taken } from './intake.js'

export class Repeat {
  readonly entry: number
  readonly header: HeaderMessage
  bytes = 0
  readonly #answer: Stored
  /** The number of segments whose digests have come. */
  #segments = 0

  /** @param answer what was answered when it was stored */
  constructor(entry: number, header: HeaderMessage, answer: Stored) {
    this.entry = entry
    this.header = header
    this.#answer = answer
  }

  /** Nothing. */
  want(): Pick<Wanted, 'ranges' | 'changed'> {
    return { ranges: [] }
  }

  get isKnown(): boolean {
    return this.header.resume !== 'compare'
  }

  /** Compares nothing. Returns true after the digest of the last segment. */
  async compare({ digests, lengths }: Digests): Promise<boolean> {
    if (lengths) return false
    this.#segments += digests.length
    return this.#segments === Math.ceil((this.header.size as number) / SEGMENT)
  }

  /** Nothing. */
  async *list(): AsyncGenerator<string> {
    yield* []
  }

  place(): void {}

  /** Drops the bytes: the digest in the end of the entry shows whether they are those that were stored. */
  take(bytes: Buffer): void {
    this.bytes += bytes.length
  }

  async finish(end: End): Promise<Taken> {
    const { name, blake3, sha256 = null, reused = false } = this.#answer
    // A directory has other bytes if files were there that need not come.
    const bytes = this.header.kind === 'directory' ? this.bytes : this.#answer.bytes
    if (end.bytes !== bytes || (end.sha256 ? end.sha256 !== sha256 : end.blake3 !== blake3)) {
      const text = 'it was stored before, with another content'
      throw new TransferError('digest-mismatch', text, { reason: 'digest', peerMessage: text })
    }
    return { name, path: '', bytes, blake3: blake3 ?? '', sha256, reused, isVerified: true, isRepeated: true }
  }

  async keep(): Promise<null> {
    return null
  }

  async discard(): Promise<void> {}
}
