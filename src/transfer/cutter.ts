/** Reads a file once, and cuts it into chunks with their digests. */
import { type ChunkLengths, cut } from '../protocol/cut.js'
import { createDigest, type Digest } from './digest.js'
import type { ReadAt } from './late-digest.js'

/** The bytes of one read. */
const PIECE = 512 * 1024

export interface Chunk {
  offset: number
  length: number
  digest: string
}

/**
 * Yields the chunks of the first `size` bytes. What has gone from the file is missing from the last chunks.
 *
 * @param whole takes all bytes in their order
 */
export async function* chunksOf(
  readAt: ReadAt,
  size: number,
  lengths: ChunkLengths,
  whole?: Digest,
): AsyncGenerator<Chunk> {
  const digest = await createDigest()
  const buffer = Buffer.allocUnsafeSlow(lengths.most + Math.max(PIECE, lengths.most))
  /** Where the first byte of the buffer is in the file, how many bytes there are, and how many of them are cut. */
  let [base, filled, start] = [0, 0, 0]
  for (;;) {
    buffer.copyWithin(0, start, filled)
    base += start
    filled -= start
    start = 0
    const count = await readAt(
      buffer.subarray(filled, filled + Math.min(buffer.length - filled, size - base - filled)),
      base + filled,
    )
    whole?.update(buffer.subarray(filled, filled + count))
    filled += count
    const isLast = count === 0 || base + filled === size
    while (start < filled && (isLast || filled - start >= lengths.most)) {
      const length = cut(buffer.subarray(0, filled), start, lengths)
      digest.reset()
      digest.update(buffer.subarray(start, start + length))
      yield { offset: base + start, length, digest: digest.hex() }
      start += length
    }
    if (isLast) return
  }
}
