/** Compressed pieces of data: the payloads of `Z` frames. Each piece stands alone. */
import { MAX_DATA } from './limits.js'
import { ProtocolError } from './protocol-error.js'

/** The letter of each algorithm. Its name is also the feature of a receiver that inflates it. */
const letters = { zstd: 'z', brotli: 'b' } as const

export type Compressor = keyof typeof letters

/** A piece as it goes over the wire. */
export interface CompressedPiece {
  compressor: Compressor
  /** The number of bytes of data that it holds. */
  length: number
  /** The data, compressed. */
  bytes: Buffer
}

/** The bytes before the compressed ones: the letter of the algorithm, and four for the length, big-endian. */
export const PIECE_HEAD = 5

/** Writes what comes before the compressed bytes. */
export function writePieceHead(buffer: Buffer, { compressor, length }: CompressedPiece, offset: number): void {
  buffer.write(letters[compressor], offset)
  buffer.writeUInt32BE(length, offset + 1)
}

/** Reads the payload of a `Z` frame. `allowed` are the algorithms that the receiver has named. */
export function parsePiece(payload: Buffer, allowed: readonly Compressor[]): CompressedPiece {
  const compressor = allowed.find((name) => letters[name].charCodeAt(0) === payload[0])
  if (!compressor) throw new ProtocolError('a compressed frame whose algorithm was not named')
  if (payload.length <= PIECE_HEAD) throw new ProtocolError('a compressed frame without data')
  const length = payload.readUInt32BE(1)
  if (length === 0 || length > MAX_DATA) throw new ProtocolError(`a compressed frame of ${length} bytes of data`)
  return { compressor, length, bytes: payload.subarray(PIECE_HEAD) }
}
