/** Pieces of data, compressed and inflated: what went in comes out, and what is damaged takes no memory. */
import { brotliCompressSync, constants } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { compress, compressors, inflate } from '../../dist/net/compress.js'
import { ProtocolError } from '../../dist/protocol/protocol-error.js'
import { breach } from '../fixtures/fields.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { memoryInUse } from '../fixtures/memory.ts'

const MIB = 1024 * 1024
const damaged = breach(/damaged, or does not hold/)

t.test('has brotli everywhere, and zstd first where there is one', async (t) => {
  t.strictSame(compressors, process.versions.zstd ? ['zstd', 'brotli'] : ['brotli'])
})

for (const compressor of compressors) {
  t.test(`gives back what went in: ${compressor}`, async (t) => {
    const text = Buffer.from('all work and no play makes jack a dull boy\n'.repeat(30_000)).subarray(0, MIB)
    for (const content of [text, bytesOf(MIB), Buffer.alloc(MIB), Buffer.from('x'), bytesOf(1023)]) {
      const piece = await compress(content, compressor)
      t.match(piece, { compressor, length: content.length })
      t.ok((await inflate(piece)).equals(content))
    }
    const { bytes } = await compress(text, compressor)
    t.ok(bytes.length < text.length / 10, 'and text becomes smaller')
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 5000 }), async (some) => {
        const content = Buffer.from(some)
        return (await inflate(await compress(content, compressor))).equals(content)
      }),
      { numRuns: 30 },
    )
  })

  t.test(`refuses what is damaged: ${compressor}`, async (t) => {
    const content = Buffer.from('a text that becomes smaller '.repeat(100))
    const piece = await compress(content, compressor)
    const { bytes, length } = piece
    const wrong = {
      'the length is too small': { ...piece, length: length - 1 },
      'the length is too large': { ...piece, length: length + 1 },
      'bytes are behind it': { ...piece, bytes: Buffer.concat([bytes, Buffer.from('x')]) },
      'half of it is there': { ...piece, bytes: bytes.subarray(0, bytes.length >> 1) },
      'it is something else': { ...piece, bytes: content },
    }
    for (const [what, changed] of Object.entries(wrong)) await t.rejects(inflate(changed), damaged, what)
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (place, change) => {
        const other = Buffer.from(bytes)
        other[place] = (other[place] as number) ^ change
        // It may still be a piece, of as many bytes: the digest of the entry shows that they are others.
        const result = await inflate({ ...piece, bytes: other }).catch((error) => error)
        return result instanceof Error ? result instanceof ProtocolError : result.length === length
      }),
    )
  })

  t.test(`takes no more memory than a piece has announced: ${compressor}`, async (t) => {
    const { bytes } = await compress(Buffer.alloc(256 * MIB), compressor)
    const before = await memoryInUse()
    let most = 0
    const look = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers)
    }, 1)
    await t.rejects(inflate({ compressor, length: MIB, bytes }), damaged)
    clearInterval(look)
    t.ok(Math.max(most, await memoryInUse()) < before + 4 * MIB)
  })
}

t.test('inflates brotli of every quality and window', async (t) => {
  const content = Buffer.from('another sender may take more time '.repeat(20_000))
  for (const window of [10, 16, 22, 24]) {
    const params = { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: window }
    const bytes = brotliCompressSync(content, { params })
    t.ok((await inflate({ compressor: 'brotli', length: content.length, bytes })).equals(content))
  }
})
