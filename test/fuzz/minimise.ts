/** A smaller stream with the same fault (delta debugging: Zeller and Hildebrandt, 2002), first by frames, then by bytes. */
import { type Case, join, partsOf } from './corpus.ts'

/** The shortest list that was found by leaving out parts of `all`, and for which `fails` is still true. */
export async function shorten<T>(all: readonly T[], fails: (rest: T[]) => boolean | Promise<boolean>): Promise<T[]> {
  let rest = all.slice()
  for (let size = Math.ceil(rest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < rest.length; ) {
      const shorter = rest.toSpliced(at, size)
      if (shorter.length < rest.length && (await fails(shorter))) rest = shorter
      else at += size
    }
  }
  return rest
}

/** @param bytewise false where a try takes so long that single bytes are not worth it */
export async function minimise(
  tried: Case,
  fails: (smaller: Case) => boolean | Promise<boolean>,
  bytewise = true,
): Promise<Case> {
  const { grammar } = tried
  const parts = partsOf(tried)
  const frames = await shorten(parts.frames, (some) => fails({ grammar, bytes: join({ ...parts, frames: some }) }))
  const bytes = join({ ...parts, frames })
  if (!bytewise || bytes.length > 20_000) return { grammar, bytes }
  const left = await shorten([...bytes], (some) => fails({ grammar, bytes: Buffer.from(some) }))
  return { grammar, bytes: Buffer.from(left) }
}
