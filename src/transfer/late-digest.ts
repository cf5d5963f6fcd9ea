/**
 * The digest of a file of which a part was there before. That part is read again while the rest moves, so the transfer
 * does not wait for it. What moves is digested at once as soon as nothing before it is missing.
 */
import type { AtHand } from '../at-hand.js'
import { TransferError } from '../errors.js'
import type { Digest } from './digest.js'

/** The digest of a file of which a part need not move, as it is used by what moves the rest. */
export type FileDigest = Pick<LateDigest, 'seek' | 'update' | 'hex' | 'stop'>

/** Reads bytes that are there into the buffer. Returns how many. */
export type ReadAt = (buffer: Buffer, position: number) => Promise<number>

/** The bytes of one read of what was there before. */
export const PIECE = 1024 * 1024

/** If no more than this is missing before a piece, the piece waits for it. Otherwise the digest would never catch up. */
const NEAR = 4 * PIECE

/** The digest of the bytes from `start` to `end`, of those that are there. Reads no more once `isOver` returns true. */
export async function digestOfPart(
  digest: Digest,
  readAt: ReadAt,
  [start, end]: [start: number, end: number],
  isOver: () => boolean,
): Promise<string> {
  digest.reset()
  const buffer = Buffer.allocUnsafe(PIECE)
  for (let position = start; position < end && !isOver(); ) {
    const count = await readAt(buffer.subarray(0, Math.min(PIECE, end - position)), position)
    if (count === 0) break
    digest.update(buffer.subarray(0, count))
    position += count
  }
  return digest.hex()
}

export class LateDigest {
  readonly #digest: Digest
  readonly #readAt: ReadAt
  /** The number of bytes digested, from the start of the file on. */
  #done = 0
  /** Everything before this can be read. */
  #readable = 0
  /** Where the next piece belongs. */
  #offset = 0
  #reading: Promise<void> | null = null
  #isStopped = false

  constructor(digest: Digest, readAt: ReadAt) {
    this.#digest = digest
    this.#readAt = readAt
  }

  /** The next piece belongs at `offset`. What is before it is there. */
  seek(offset: number): void {
    this.#offset = offset
    this.#readable = offset
    this.#catchUp()
  }

  /**
   * Takes the next piece, which must not change until a promise settles. It may be written afterwards, but before the next
   * call.
   */
  update(bytes: Buffer): AtHand<void> {
    if (this.#isStopped) return undefined
    this.#readable = this.#offset
    if (this.#done === this.#offset) {
      this.#digest.update(bytes)
      this.#done += bytes.length
      this.#offset += bytes.length
      return undefined
    }
    const reading = this.#catchUp()
    if (this.#offset - this.#done <= NEAR) return reading.then(() => this.update(bytes))
    this.#offset += bytes.length
    return undefined
  }

  /** The digest of the whole file, which has `size` bytes. All of them are there. */
  async hex(size: number): Promise<string> {
    this.seek(size)
    // A read that was just about to end has not seen the new end.
    while (this.#done < size && !this.#isStopped) await this.#catchUp()
    return this.#digest.hex()
  }

  /** Reads no more. Resolves when the file may be closed. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#reading?.catch(() => {})
  }

  #catchUp(): Promise<void> {
    if (!this.#reading) {
      this.#reading = this.#read().finally(() => {
        this.#reading = null
      })
      // The next call that waits throws it.
      this.#reading.catch(() => {})
    }
    return this.#reading
  }

  async #read(): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(PIECE)
    while (this.#done < this.#readable && !this.#isStopped) {
      const piece = buffer.subarray(0, Math.min(PIECE, this.#readable - this.#done))
      const count = await this.#readAt(piece, this.#done)
      if (count === 0) throw new TransferError('incomplete', 'the file became shorter', { reason: 'size' })
      this.#digest.update(piece.subarray(0, count))
      this.#done += count
    }
  }
}
