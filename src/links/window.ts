/** The memory for blocks of all bundles of this process: those that have come out of order, and have not arrived. */

/** The room of one bundle, in bytes: what its connections have on their way at 1 Gbit/s and 100 ms, and its delays. */
export const LARGEST_WINDOW = 64 * 1024 * 1024

/** The room of a bundle beside many others, and of every bundle before the other side has heard of more. In bytes. */
export const SMALLEST_WINDOW = 1024 * 1024

/** The room of all bundles, in bytes. Beyond it, each one has the smallest. */
const ALL = 256 * 1024 * 1024

let reserved = 0

export interface Reserved {
  bytes: number
  release(): void
}

/** Reserves room for one direction of a bundle: at most `wanted`, and at most half of what is left. */
export function reserve(wanted: number): Reserved {
  const bytes = Math.max(SMALLEST_WINDOW, Math.min(wanted, Math.floor((ALL - reserved) / 2)))
  reserved += bytes
  const release = () => {
    reserved -= bytes
  }
  return { bytes, release }
}
