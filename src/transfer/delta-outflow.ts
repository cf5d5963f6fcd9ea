/** The list of the chunks of a file, for a receiver that may have some of them in the file that it replaces. */
import { TransferError } from '../errors.js'
import type { SenderLink } from '../links/link.js'
import { chunkLengths } from '../protocol/cut.js'
import { MAX_LENGTHS } from '../protocol/limits.js'
import type { Pending } from './answers.js'
import { chunksOf } from './cutter.js'
import { createDigest } from './digest.js'
import type { FileDigest, ReadAt } from './late-digest.js'
import { samplesOf } from './samples.js'

/**
 * Sends the list. Returns the digest of the whole file, which is known after it. Null if the receiver has said before its
 * end what it wants.
 */
export async function sendChunks(link: SenderLink, readAt: ReadAt, pending: Pending): Promise<FileDigest | null> {
  const { header, stop } = pending
  const size = header.size as number
  const whole = await createDigest()
  let samples = await samplesOf(readAt, size)
  let [digests, lengths, listed]: [string[], number[], number] = [[], [], 0]
  for await (const { digest, length } of chunksOf(readAt, size, chunkLengths(size), whole)) {
    stop.signal.throwIfAborted()
    if (!pending.onWanted) return null
    listed += length
    digests.push(digest)
    lengths.push(length)
    if (digests.length < MAX_LENGTHS && listed < size) continue
    await link.compare?.({ digests, lengths, ...(samples ? { samples } : {}) })
    samples = undefined
    digests = []
    lengths = []
  }
  // The receiver would wait for the rest of the list.
  if (listed < size) throw new TransferError('incomplete', 'the file became shorter', { reason: 'size' })
  return { seek: () => {}, update: () => {}, hex: async () => whole.hex(), stop: async () => {} }
}
