/**
 * Compresses and inflates the pieces of data that a connection carries (protocol/compressed.ts). node:zlib works in the
 * thread pool, so no piece holds up anything else, and is loaded only if there is a piece.
 */
import type { CompressedPiece, Compressor } from '../protocol/compressed.js'
import { MAX_DATA } from '../protocol/limits.js'
import { ProtocolError } from '../protocol/protocol-error.js'

/** What this side can compress and inflate with, the best first. Node.js has zstd since 22.15. */
export const compressors = (['zstd', 'brotli'] as const).filter((name) => name !== 'zstd' || process.versions.zstd)

/**
 * The numbers of parameters in node:zlib with their values. The level of zstd and the quality of brotli are both 1: more
 * would be slower than many a line. Without a limit of the window (its logarithm), a piece could make zstd take 128 MiB.
 */
const parameters = {
  zstd: { compress: { 100: 1 }, inflate: { 100: Math.log2(MAX_DATA) } },
  brotli: { compress: { 1: 1 }, inflate: {} },
}

/** What node:zlib returns with the option `info`. `bytesWritten` is the number of bytes that it has used. */
interface Result {
  buffer: Buffer
  engine: { bytesWritten: number }
}

type Work = (bytes: Buffer, options: object, done: (error: Error | null, result: Result) => void) => void

type Zlib = Record<`${Compressor}${'Compress' | 'Decompress'}`, Work>

function run(name: keyof Zlib, bytes: Buffer, options: { chunkSize: number; params: object }): Promise<Result> {
  const zlib = process.getBuiltinModule('node:zlib') as unknown as Zlib
  return new Promise((resolve, reject) => {
    zlib[name](bytes, { ...options, info: true }, (error, result) => (error ? reject(error) : resolve(result)))
  })
}

/** The smallest buffer of node:zlib. One that holds everything needs one step of a thread. */
const LEAST_CHUNK = 64

/** Compresses a piece. The bytes must not change until the promise settles. */
export async function compress(bytes: Buffer, compressor: Compressor): Promise<CompressedPiece> {
  const params = parameters[compressor].compress
  const { buffer } = await run(`${compressor}Compress`, bytes, {
    params,
    chunkSize: Math.max(LEAST_CHUNK, bytes.length),
  })
  return { compressor, length: bytes.length, bytes: buffer }
}

/**
 * Returns the data of a piece. Takes no more memory than the piece has announced. The bytes must not change until the
 * promise settles. Throws if the piece is damaged.
 */
export async function inflate({ compressor, length, bytes }: CompressedPiece): Promise<Buffer> {
  const params = parameters[compressor].inflate
  // One byte more than needed shows the end of the data in the same step.
  const options = { params, chunkSize: Math.max(LEAST_CHUNK, length + 1), maxOutputLength: length }
  const result = await run(`${compressor}Decompress`, bytes, options).catch(() => null)
  if (result?.buffer.length !== length || result.engine.bytesWritten !== bytes.length)
    throw new ProtocolError(`a compressed frame is damaged, or does not hold ${length} bytes of data`)
  return result.buffer
}
