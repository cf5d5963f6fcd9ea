/** Chunks by content: what the protocol document says of them, and what they are for. */
import fc from 'fast-check'
import t from 'tap'
import { type ChunkLengths, chunkLengths, cut, MAX_CUT } from '../../dist/protocol/cut.js'
import { bytesOf } from '../fixtures/folder.ts'

/** The ends of all chunks. */
function endsOf(bytes: Uint8Array, lengths: ChunkLengths): number[] {
  const ends: number[] = []
  for (let end = 0; end < bytes.length; ) {
    end += cut(bytes, end, lengths)
    ends.push(end)
  }
  return ends
}

/** The numbers of the bytes, as the document has them. */
function* numbers(): Generator<bigint> {
  const only32 = 0xffffffffn
  let state = 0x9e3779b9n
  for (let byte = 0; byte < 256; byte++) {
    state ^= (state << 13n) & only32
    state ^= state >> 17n
    state ^= (state << 5n) & only32
    yield state
  }
}
const gear = [...numbers()]

/** The length of the first chunk, word for word as the document has it. */
function documented(bytes: Uint8Array, { least, usual, most }: ChunkLengths): number {
  const bits = Math.log2(usual)
  let hash = 0n
  for (let at = least; at < Math.min(most, bytes.length); at++) {
    hash = (hash * 2n + (gear[bytes[at] as number] as bigint)) % 2n ** 32n
    const zeros = at < usual ? bits + 2 : bits - 2
    if (hash < 2n ** BigInt(32 - zeros)) return at + 1
  }
  return Math.min(most, bytes.length)
}

const small = { least: 64, usual: 256, most: 1024 }

t.test('cuts as the document says, wherever the file begins in the memory', async (t) => {
  const bytes = fc.uint8Array({ maxLength: 3_000 })
  await fc.assert(
    fc.asyncProperty(bytes, fc.nat(50), async (bytes, before) => {
      const shifted = Buffer.concat([Buffer.alloc(before, 'x'), bytes])
      t.equal(cut(shifted, before, small), documented(bytes, small))
    }),
    { numRuns: 300 },
  )
  const content = bytesOf(600_000, 7)
  const lengths = chunkLengths(content.length)
  t.equal(cut(content, 0, lengths), documented(content, lengths))
})

t.test('has chunks of about the usual length, within the limits', async (t) => {
  const content = bytesOf(32 * 1024 * 1024, 3)
  const lengths = chunkLengths(content.length)
  const ends = endsOf(content, lengths)
  const sizes = ends.map((end, index) => end - (ends[index - 1] ?? 0))
  t.equal(ends.at(-1), content.length)
  t.ok(sizes.every((size) => size <= lengths.most))
  t.ok(sizes.slice(0, -1).every((size) => size >= lengths.least))
  const average = content.length / sizes.length
  t.ok(average > lengths.usual / 1.5 && average < lengths.usual * 1.5, `${average} bytes on average`)
})

t.test('changes only the chunks around what is inserted or removed', async (t) => {
  const content = bytesOf(4 * 1024 * 1024, 5)
  const lengths = chunkLengths(content.length)
  const before = new Set(endsOf(content, lengths).map((end) => content.length - end))
  const place = fc.nat(content.length)
  await fc.assert(
    fc.asyncProperty(place, fc.uint8Array({ maxLength: 100 }), fc.nat(100), async (at, inserted, removed) => {
      const changed = Buffer.concat([content.subarray(0, at), inserted, content.subarray(at + removed)])
      const ends = endsOf(changed, lengths).map((end) => changed.length - end)
      const behind = changed.length - at - inserted.length
      // The cuts meet again soon: the hash knows only the last 32 bytes.
      const others = ends.filter((end) => end < behind - 16 * lengths.usual && !before.has(end))
      t.strictSame(others, [])
    }),
    { numRuns: 20 },
  )
})

t.test('has chunks of a length that keeps their number small', async (t) => {
  const GIB = 1024 ** 3
  t.strictSame(chunkLengths(0), { least: 16_384, usual: 65_536, most: 262_144 })
  t.strictSame(chunkLengths(8 * GIB), chunkLengths(0))
  t.strictSame(chunkLengths(8 * GIB + 1), { least: 32_768, usual: 131_072, most: 524_288 })
  t.strictSame(chunkLengths(MAX_CUT), { least: 1_048_576, usual: 4_194_304, most: 16_777_216 })
  t.strictSame(chunkLengths(Number.MAX_SAFE_INTEGER), chunkLengths(MAX_CUT))
})
