/** What a receiver has of a file whose sender asks, and what it wants of it. */
import fc from 'fast-check'
import t from 'tap'
import type { HeaderMessage } from '../../dist/links/link.js'
import { MAX_RANGES, SEGMENT } from '../../dist/protocol/limits.js'
import type { Sink } from '../../dist/stores/store.js'
import { ResumedFile } from '../../dist/transfer/resumed-file.js'
import { bytesOf } from '../fixtures/folder.ts'
import { digest } from '../fixtures/peer-frames.ts'
import { settle } from '../fixtures/turns.ts'

const MIB = 1024 * 1024
const live = new AbortController().signal

/** A sink in memory, which has these bytes from an earlier transfer, of a file of `size` bytes. */
function sinkWith(had: Buffer, size: number, { have = had.length, hasChanged = false } = {}) {
  const stored = Buffer.alloc(size)
  had.copy(stored)
  const sink = {
    have,
    hasChanged,
    readAt: async (buffer: Buffer, position: number) =>
      stored.copy(buffer, 0, position, Math.min(size, position + buffer.length)),
  } as Sink
  return { stored, sink }
}

function headerOf(size: number, resume: 'offset' | 'compare'): HeaderMessage {
  return { size, resume } as HeaderMessage
}

/** The digests of the segments of a file. */
function segmentDigests(content: Buffer): string[] {
  const digests: string[] = []
  for (let at = 0; at < content.length; at += SEGMENT) digests.push(digest(content.subarray(at, at + SEGMENT)))
  return digests
}

/** Sends the ranges in pieces of that size. Each is stored after it was taken. */
async function sendRanges(
  file: ResumedFile,
  content: Buffer,
  stored: Buffer,
  ranges: readonly number[],
  piece: number,
) {
  for (let index = 0; index < ranges.length; index += 2) {
    const [start, end] = ranges.slice(index, index + 2) as [number, number]
    if (start > 0) file.place(start)
    for (let at = start; at < end; at += piece) {
      const bytes = content.subarray(at, Math.min(end, at + piece))
      await file.update(bytes)
      bytes.copy(stored, at)
    }
  }
}

const content = bytesOf(3 * SEGMENT + 5_000)

t.test('wants what comes after that which is there, and has the digest of the whole file then', async (t) => {
  const size = fc.integer({ min: 1, max: content.length })
  const part = fc.double({ min: 0, max: 1, noNaN: true })
  await fc.assert(
    fc.asyncProperty(size, part, fc.integer({ min: 1_024, max: MIB }), async (size, part, piece) => {
      const whole = content.subarray(0, size)
      const have = Math.floor(size * part)
      const { sink, stored } = sinkWith(whole.subarray(0, have), size)
      const file = await ResumedFile.create(sink, headerOf(size, 'offset'), live)
      const { ranges, changed } = file.want()
      t.strictSame([ranges, changed], [have < size ? [have, size] : [], undefined])
      t.equal(file.have, have)
      t.equal(file.mayBeDamaged, have > 0)
      await sendRanges(file, whole, stored, ranges, Math.max(piece, size >> 6))
      t.equal(await file.hex(size), digest(whole))
      t.ok(stored.equals(whole))
    }),
    { numRuns: 15 },
  )
})

t.test('wants the segments that differ or are not there, and nothing else', async (t) => {
  const size = fc.integer({ min: 1, max: content.length })
  const part = fc.double({ min: 0, max: 1, noNaN: true })
  const damage = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(size, part, damage, async (size, part, damage) => {
      const whole = content.subarray(0, size)
      const had = Buffer.from(whole.subarray(0, Math.floor(size * part)))
      const at = (place: number) => Math.floor(place * had.length)
      for (const place of damage) if (had.length > 0) had.writeUInt8(had.readUInt8(at(place)) ^ 1, at(place))
      const { sink, stored } = sinkWith(had, size)
      const file = await ResumedFile.create(sink, headerOf(size, 'compare'), live)
      const digests = segmentDigests(whole)
      for (const [index, value] of digests.entries())
        t.equal(await file.compare({ digests: [value] }), index === digests.length - 1, 'the last one is known')
      const { ranges } = file.want()
      const isWanted = (at: number) => ranges.filter((end) => end <= at).length % 2 === 1
      let wanted = 0
      for (let at = 0; at < size; at += SEGMENT) {
        const end = Math.min(size, at + SEGMENT)
        const isRight = end <= had.length && had.subarray(at, end).equals(whole.subarray(at, end))
        t.equal(isWanted(at), !isRight, `the segment at ${at}`)
        if (!isRight) wanted += end - at
      }
      t.equal(file.have, size - wanted)
      t.notOk(file.mayBeDamaged, 'all of it was compared')
      await sendRanges(file, whole, stored, ranges, MIB)
      t.equal(await file.hex(size), digest(whole))
      t.ok(stored.equals(whole))
    }),
    { numRuns: 15 },
  )
})

t.test('says that something else was there', async (t) => {
  const { sink } = sinkWith(Buffer.alloc(0), 10, { hasChanged: true })
  t.strictSame((await ResumedFile.create(sink, headerOf(10, 'offset'), live)).want(), {
    ranges: [0, 10],
    changed: true,
  })
})

t.test(
  'wants no more ranges than a frame can hold: the last one reaches to the last segment that differs',
  async (t) => {
    const size = (2 * MAX_RANGES + 7) * SEGMENT
    let reads = 0
    const readAt = async (buffer: Buffer) => {
      reads++
      return buffer.length
    }
    const file = await ResumedFile.create({ have: 0, readAt } as unknown as Sink, headerOf(size, 'compare'), live)
    // Nothing is there, so nothing is read; whether it is wanted is decided by the order alone.
    for (let at = 0; at < size; at += SEGMENT) await file.compare({ digests: ['x'] })
    t.strictSame(file.want().ranges, [0, size], 'neighbours are one range')
    t.equal(reads, 0)
  },
)

t.test('a hundred damaged places are a hundred ranges, and one more is joined to the last', async (t) => {
  const count = 2 * MAX_RANGES + 3
  // Each read is of zeros. Each second segment is announced with their digest.
  const zeros = digest(Buffer.alloc(SEGMENT))
  const sink = { have: count * SEGMENT, readAt: async (buffer: Buffer) => buffer.fill(0).length }
  const file = await ResumedFile.create(sink as unknown as Sink, headerOf(count * SEGMENT, 'compare'), live)
  for (let index = 0; index < count; index++) await file.compare({ digests: [index % 2 === 0 ? 'x' : zeros] })
  const { ranges } = file.want()
  t.equal(ranges.length, 2 * MAX_RANGES)
  t.strictSame(ranges.slice(0, 4), [0, SEGMENT, 2 * SEGMENT, 3 * SEGMENT])
  t.strictSame(ranges.slice(-2), [(count - 5) * SEGMENT, count * SEGMENT])
})

t.test('refuses bytes and digests that were not asked for', async (t) => {
  const breach = { code: 'refused', reason: 'protocol' }
  const { sink } = sinkWith(content.subarray(0, 2_048), 8_192)
  const file = await ResumedFile.create(sink, headerOf(8_192, 'offset'), live)
  t.throws(() => file.update(content.subarray(0, 1)), breach, 'before anything was wanted')
  file.want()
  t.throws(() => file.place(0), breach)
  t.throws(() => file.place(3_072), breach)
  t.throws(() => file.update(content.subarray(0, 1)), breach, 'without a place')
  file.place(2_048)
  t.throws(() => file.update(content.subarray(0, 6_145)), breach, 'more than is wanted')
  await file.update(content.subarray(2_048, 8_192))
  t.throws(() => file.update(content.subarray(0, 1)), breach, 'after the last range')
  const compared = await ResumedFile.create(sink, headerOf(8_192, 'compare'), live)
  await t.rejects(compared.compare({ digests: ['x', 'y'] }), breach)
})

t.test('has no digest if bytes are missing', async (t) => {
  const { sink } = sinkWith(content.subarray(0, 2_048), 8_192)
  const file = await ResumedFile.create(sink, headerOf(8_192, 'offset'), live)
  file.want()
  t.equal(await file.hex(2_048), '')
  await file.stop()
})

t.test('a segment that became shorter meanwhile is wanted again', async (t) => {
  const sink = { have: SEGMENT, readAt: async () => 0 } as unknown as Sink
  const file = await ResumedFile.create(sink, headerOf(SEGMENT, 'compare'), live)
  t.ok(await file.compare({ digests: [digest(content.subarray(0, SEGMENT))] }))
  t.strictSame(file.want().ranges, [0, SEGMENT])
})

t.test('stops to read what is there, whether that is compared or digested', async (t) => {
  let reads = 0
  let onRead = () => {}
  const readAt = async (buffer: Buffer) => {
    reads++
    await new Promise<void>((resolve) => {
      onRead = resolve
    })
    return buffer.length
  }
  const sink = { have: SEGMENT, readAt } as unknown as Sink
  const compared = await ResumedFile.create(sink, headerOf(SEGMENT, 'compare'), live)
  const comparing = compared.compare({ digests: ['x'] })
  await compared.stop()
  onRead()
  await comparing
  t.equal(reads, 1)
  const digested = await ResumedFile.create(sink, headerOf(SEGMENT, 'offset'), live)
  digested.want()
  const hex = digested.hex(SEGMENT)
  await settle()
  const stopping = digested.stop()
  onRead()
  await Promise.all([stopping, hex])
  t.equal(reads, 2)
})
