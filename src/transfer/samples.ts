/** A few bytes at places spread over a file, which tell at once whether another file is like it. */
import { MAX_SAMPLES, SAMPLE } from '../protocol/limits.js'
import type { ReplacedFile } from '../stores/replaced-file.js'
import { createDigest } from './digest.js'
import type { ReadAt } from './late-digest.js'

/** So many samples must be the same. Files of one format may have the same beginning, and nothing else in common. */
const ENOUGH = 2

/** The place of a sample in a file of `size` bytes. */
function placeOf(index: number, count: number, size: number): number {
  return Math.floor((size * index) / count)
}

/** Reads the digests of samples. The digest of one that ends behind the file is empty: few bytes could be guessed. */
async function createSampler(readAt: ReadAt): Promise<(place: number) => Promise<string>> {
  const digest = await createDigest()
  const buffer = Buffer.allocUnsafeSlow(SAMPLE)
  return async (place) => {
    if ((await readAt(buffer, place)) < SAMPLE) return ''
    digest.reset()
    digest.update(buffer)
    return digest.hex()
  }
}

/** The digests of the samples of a file. Undefined if the file is shorter than `size` by now. */
export async function samplesOf(readAt: ReadAt, size: number): Promise<string[] | undefined> {
  const sample = await createSampler(readAt)
  const samples: string[] = []
  for (let index = 0; index < MAX_SAMPLES; index++) samples.push(await sample(placeOf(index, MAX_SAMPLES, size)))
  return samples.includes('') ? undefined : samples
}

/** True if the samples of a file of `size` bytes are in the other file, as far from its start or from its end. */
export async function isAlike(samples: readonly string[], size: number, other: ReplacedFile): Promise<boolean> {
  // What cannot be read is not the same.
  const sample = await createSampler((buffer, place) => other.readAt(buffer, place).catch(() => 0))
  const shift = other.size - size
  let same = 0
  for (const [index, digest] of samples.entries()) {
    const place = placeOf(index, samples.length, size)
    if ((await sample(place)) === digest || (place + shift >= 0 && (await sample(place + shift)) === digest)) same++
    if (same === ENOUGH) return true
  }
  return false
}
