/** The way out of a file that the receiver may have in part: it says what it wants, and only that is sent. */
import type { SenderLink } from '../links/link.js'
import { MAX_DIGESTS, SEGMENT } from '../protocol/limits.js'
import { bytesIn, type Wanted } from '../protocol/messages.js'
import type { OpenEntry } from '../sources/source.js'
import type { Pending } from './answers.js'
import { sendChunks } from './delta-outflow.js'
import { createDigest } from './digest.js'
import { digestOfPart, LateDigest, type ReadAt } from './late-digest.js'
import type { Pump, Totals } from './pump.js'

interface ResumedFlow {
  link: SenderLink
  pump: Pump
  wanted(pending: Pending): Promise<Wanted>
  /** Called once it is known how many bytes the receiver has. Returns what is called with the bytes that it has so far. */
  begin(have: number): (bytes: number) => void
}

/** Sends what the receiver wants of the file. Returns the digest of the whole file. */
export async function sendWanted(
  { link, pump, begin, wanted }: ResumedFlow,
  pending: Pending,
  opened: OpenEntry,
): Promise<Totals> {
  const { header, stop } = pending
  const size = header.size as number
  const readAt = opened.readAt?.bind(opened) as ReadAt
  if (header.resume === 'compare') await sendDigests(link, readAt, size, stop.signal)
  const known = header.resume === 'delta' ? await sendChunks(link, readAt, pending) : null
  const { ranges } = await wanted(pending)
  const digest = known ?? new LateDigest(await createDigest(), readAt)
  stop.signal.addEventListener('abort', () => void digest.stop())
  try {
    let have = size - bytesIn(ranges)
    const onProgress = begin(have)
    for (let index = 0; index < ranges.length; index += 2) {
      const [start, end] = ranges.slice(index, index + 2) as [number, number]
      if (start > 0) await link.place?.(start)
      opened.seek?.(start)
      digest.seek(start)
      const before = have
      await pump.move(opened, stop.signal, (bytes) => onProgress(before + bytes), {
        algorithm: null,
        length: end - start,
        onPiece: (bytes) => digest.update(bytes),
      })
      have += end - start
    }
    const blake3 = await digest.hex(size)
    stop.signal.throwIfAborted()
    return { bytes: size, blake3, sha256: null }
  } finally {
    await digest.stop()
  }
}

/** Sends the digest of each segment of the file. */
async function sendDigests(link: SenderLink, readAt: ReadAt, size: number, signal: AbortSignal): Promise<void> {
  const digest = await createDigest()
  let digests: string[] = []
  for (let start = 0; start < size; start += SEGMENT) {
    const end = Math.min(start + SEGMENT, size)
    // A segment of which less is there is another one, and so it is sent.
    digests.push(await digestOfPart(digest, readAt, [start, end], () => signal.aborted))
    signal.throwIfAborted()
    if (digests.length < MAX_DIGESTS && end < size) continue
    await link.compare?.({ digests })
    digests = []
  }
}
