/** The memory for blocks that have come out of order, of all bundles of this process together. */

/** The room of one bundle, in bytes: what its connections have on their way at 1 Gbit/s and 100 ms, and its delays. */
export const LARGEST_WINDOW = 64 * 1024 * 1024

/** The room of a bundle beside many others, and of every bundle before the other side has heard of more. In bytes. */
export const SMALLEST_WINDOW = 1024 * 1024

/** The room of all bundles, in bytes. Beyond it, each one has the smallest. */
const ALL = 256 * 1024 * 1024

let reserved = 0

/** Reserves room for one bundle: at most `wanted`, and at most half of what is left. */
export function reserve(wanted: number): { bytes: number; release(): void } {
  const bytes = Math.max(SMALLEST_WINDOW, Math.min(wanted, Math.floor((ALL - reserved) / 2)))
  reserved += bytes
  const release = () => {
    reserved -= bytes
  }
  return { bytes, release }
}
