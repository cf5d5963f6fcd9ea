/** Samples of a file, which tell whether another one is like it. */
import fc from 'fast-check'
import t from 'tap'
import type { ReplacedFile } from '../../dist/stores/replaced-file.js'
import { isAlike, samplesOf } from '../../dist/transfer/samples.js'
import { bytesOf } from '../fixtures/folder.ts'
import { digest } from '../fixtures/peer-frames.ts'

const SAMPLE = 16_384
const content = bytesOf(1_200_001, 3)

function readerOf(bytes: Buffer) {
  return async (buffer: Buffer, position: number) =>
    bytes.copy(buffer, 0, Math.min(position, bytes.length), position + buffer.length)
}

function fileOf(bytes: Buffer, readAt = readerOf(bytes)): ReplacedFile {
  return { size: bytes.length, readAt } as unknown as ReplacedFile
}

/** The samples as the protocol document has them. */
function documented(bytes: Buffer, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const place = Math.floor((bytes.length * index) / count)
    return digest(bytes.subarray(place, place + SAMPLE))
  })
}

t.test('has 32 samples of a file, spread evenly', async (t) => {
  t.strictSame(await samplesOf(readerOf(content), content.length), documented(content, 32))
})

t.test('has none of a file that is shorter than it was', async (t) => {
  t.equal(await samplesOf(readerOf(content), content.length + 100_000), undefined)
})

t.test('finds two samples as far from the start or from the end, however many there are', async (t) => {
  const count = fc.integer({ min: 1, max: 32 })
  const changes = fc.array(fc.tuple(fc.nat(content.length - 1), fc.boolean()), { maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(count, changes, fc.integer({ min: -300_000, max: 300_000 }), async (count, changes, more) => {
      const samples = documented(content, count)
      const inserted = bytesOf(Math.max(0, more), 8)
      const other = Buffer.concat([inserted, content.subarray(Math.max(0, -more))])
      for (const [at] of changes) if (at < other.length) other[at] = 255 - (other[at] as number)
      const same = samples.filter((sample, index) => {
        const place = Math.floor((content.length * index) / count)
        const places = [place, place + other.length - content.length].filter((start) => start >= 0)
        return places.some((start) => digest(other.subarray(start, start + SAMPLE)) === sample)
      })
      t.equal(await isAlike(samples, content.length, fileOf(other)), same.length >= 2)
    }),
    { numRuns: 60 },
  )
})

t.test('finds nothing that is shorter than a sample, and nothing that cannot be read', async (t) => {
  const short = content.subarray(0, 100)
  const ends = Array.from({ length: 32 }, (_, index) => digest(short.subarray(2 * index)))
  t.notOk(await isAlike(ends, 64, fileOf(short)))
  const unreadable = fileOf(content, async () => {
    throw new Error('EIO')
  })
  t.notOk(await isAlike(documented(content, 32), content.length, unreadable))
})
