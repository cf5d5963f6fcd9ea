/**
 * Cuts a file into chunks by its content, so that bytes that were inserted or removed change only the chunks around
 * them. It is FastCDC (Xia et al., USENIX ATC 2016): a rolling hash of the last bytes, and a cut where its highest bits
 * are zero; more of them must be zero before the usual size than behind it, so that most chunks are about that long.
 */

/** The usual size of a chunk, in bytes, and the most chunks of that size. For a larger file, the size is doubled. */
const USUAL = 64 * 1024
const MOST_USUAL = 2 ** 17

/** The largest usual size. The largest file that is cut has that many chunks of it. */
const LARGEST_USUAL = 4 * 1024 * 1024
export const MAX_CUT = MOST_USUAL * LARGEST_USUAL

/** The lengths of chunks, in bytes. Only the last chunk of a file may be shorter than `least`. */
export interface ChunkLengths {
  least: number
  usual: number
  most: number
}

/** The lengths of the chunks of a file with so many bytes, and of the file that it is compared with. */
export function chunkLengths(size: number): ChunkLengths {
  let usual = USUAL
  while (size > usual * MOST_USUAL && usual < LARGEST_USUAL) usual *= 2
  return { least: usual / 4, usual, most: usual * 4 }
}

/** A number for each byte: xorshift32 (Marsaglia 2003) from a fixed start, so that all programs cut alike. */
const gear = new Int32Array(256)
let state = 0x9e3779b9
for (let byte = 0; byte < 256; byte++) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  gear[byte] = state
}

/**
 * The length of the chunk that begins at `start`. `bytes` has at least `most` more bytes, unless it ends with the file.
 */
export function cut(bytes: Uint8Array, start: number, { least, usual, most }: ChunkLengths): number {
  const end = Math.min(bytes.length, start + most)
  const middle = Math.min(end, start + usual)
  // The number of bits of `usual` is 32 - clz32 - 1. Two more of them are asked for before it, and two less behind it.
  const shift = Math.clz32(usual) + 1
  const [hard, easy] = [-1 << (shift - 2), -1 << (shift + 2)]
  let hash = 0
  let position = start + least
  for (; position < middle; position++) {
    hash = ((hash << 1) + (gear[bytes[position] as number] as number)) | 0
    if ((hash & hard) === 0) return position + 1 - start
  }
  for (; position < end; position++) {
    hash = ((hash << 1) + (gear[bytes[position] as number] as number)) | 0
    if ((hash & easy) === 0) return position + 1 - start
  }
  return end - start
}
