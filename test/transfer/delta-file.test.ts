/** A file of which a receiver has chunks in the file that it will replace. */
import fc from 'fast-check'
import t from 'tap'
import type { HeaderMessage } from '../../dist/links/link.js'
import { chunkLengths, MAX_CUT } from '../../dist/protocol/cut.js'
import type { ReplacedFile } from '../../dist/stores/replaced-file.js'
import type { Sink } from '../../dist/stores/store.js'
import { chunksOf } from '../../dist/transfer/cutter.js'
import { ResumedFile } from '../../dist/transfer/resumed-file.js'
import { bytesOf } from '../fixtures/folder.ts'
import { digest } from '../fixtures/peer-frames.ts'

const live = new AbortController().signal
const MIB = 1024 * 1024
const old = bytesOf(1_500_000, 11)

interface Faults {
  /** The bytes that were kept of the new file. */
  kept?: Buffer
  /** The error of each read of the old file behind this offset. */
  failsAt?: number
  /** Where the old file ends once its chunks were found. */
  truncatedTo?: number
  /** The old file. */
  replaced?: Buffer
  signal?: AbortSignal
}

/** A receiver that has the old file, and knows what it wants of a new one. */
async function begin(size: number, faults: Faults = {}) {
  const { kept = Buffer.alloc(0), failsAt, truncatedTo, replaced: before = old, signal = live } = faults
  const stored = Buffer.alloc(size)
  kept.copy(stored)
  let [reads, closed, isFound] = [0, 0, false]
  const replaced = {
    size: before.length,
    readAt: async (buffer: Buffer, position: number) => {
      reads++
      if (failsAt !== undefined && position + buffer.length > failsAt) throw new Error('EIO')
      const end = isFound && truncatedTo !== undefined ? truncatedTo : before.length
      return before.copy(buffer, 0, Math.min(position, end), Math.min(end, position + buffer.length))
    },
    close: async () => {
      closed++
    },
  } as unknown as ReplacedFile
  let written = 0
  const sink = {
    have: kept.length,
    hasChanged: false,
    openReplaced: async () => replaced,
    readAt: async (buffer: Buffer, position: number) => stored.copy(buffer, 0, position, position + buffer.length),
    write: (bytes: Buffer, offset: number) => {
      written += bytes.length
      // Every other write has to wait.
      return written % 2 === 0 && bytes.copy(stored, offset) === bytes.length
    },
    writeLater: async (bytes: Buffer, offset: number) => {
      bytes.copy(stored, offset)
    },
  } as unknown as Sink
  const header = { name: 'a', size, resume: 'delta' } as HeaderMessage
  const file = await ResumedFile.create(sink, header, signal)
  t.equal(file.isKnown, false)
  const state = { stored, reads: () => reads, closed: () => closed }
  const found = () => {
    isFound = true
  }
  return { file, found, ...state }
}

/** The chunks of a file as a sender lists them. */
async function listOf(content: Buffer): Promise<{ digests: string[]; lengths: number[] }> {
  const list = { digests: [] as string[], lengths: [] as number[] }
  const readAt = async (buffer: Buffer, position: number) =>
    content.copy(buffer, 0, position, Math.min(content.length, position + buffer.length))
  for await (const { digest, length } of chunksOf(readAt, content.length, chunkLengths(content.length))) {
    list.digests.push(digest)
    list.lengths.push(length)
  }
  return list
}

/** Sends what is wanted, in pieces of that size. */
async function sendRanges(
  file: ResumedFile,
  content: Buffer,
  stored: Buffer,
  ranges: readonly number[],
  piece = 9_999,
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

/** Changes of a file: at each place so many bytes are removed, and others inserted. */
const edits = fc.array(fc.tuple(fc.nat(old.length), fc.nat(30_000), fc.nat(30_000)), { maxLength: 4 })

function edited(changes: [number, number, number][]): Buffer {
  let content = old
  for (const [at, removed, inserted] of changes)
    content = Buffer.concat([content.subarray(0, at), bytesOf(inserted, at + 1), content.subarray(at + removed)])
  return content
}

t.test('has the new file of the old one, of what was kept, and of what came', async (t) => {
  await fc.assert(
    fc.asyncProperty(edits, fc.double({ min: 0, max: 1, noNaN: true }), async (changes, part) => {
      const content = edited(changes)
      const kept = content.subarray(0, part < 0.5 ? 0 : Math.floor(content.length * part))
      const { file, stored, closed } = await begin(content.length, { kept })
      const { digests, lengths } = await listOf(content)
      for (let at = 0; at < digests.length; at += 7) {
        const [these, those] = [digests.slice(at, at + 7), lengths.slice(at, at + 7)]
        t.equal(await file.compare({ digests: these, lengths: those }), at + 7 >= digests.length)
      }
      const { ranges } = file.want()
      const most = changes.reduce((sum, [, , inserted]) => sum + inserted + 600_000, 300_000)
      t.ok(content.length - file.have <= most, `${content.length - file.have} bytes of ${changes.length} changes`)
      await sendRanges(file, content, stored, ranges)
      t.equal(await file.hex(content.length), digest(content))
      t.ok(stored.equals(content))
      t.ok(closed() > 0)
      t.equal(file.mayBeDamaged, file.have > 0)
    }),
    { numRuns: 25 },
  )
})

t.test('wants everything of a file that has nothing in common', async (t) => {
  const content = bytesOf(1_200_001, 77)
  const { file, stored } = await begin(content.length)
  t.ok(await file.compare(await listOf(content)))
  const { ranges } = file.want()
  t.strictSame(ranges, [0, content.length])
  await sendRanges(file, content, stored, ranges)
  t.equal(await file.hex(content.length), digest(content))
})

t.test('wants the rest unseen if the files are not alike, and ignores what is still listed', async (t) => {
  const size = 9 * MIB
  const most = chunkLengths(size).most
  const list = (count: number) => ({ digests: Array(count).fill('x'), lengths: Array(count).fill(most) })
  const samples = ['x', 'x']
  const { file } = await begin(size)
  t.notOk(await file.compare({ ...list(31), samples }))
  t.ok(await file.compare(list(1)), 'after 8 MiB')
  t.strictSame(file.want().ranges, [0, size])
  t.notOk(await file.compare(list(4)), 'the end of the list')
  await t.rejects(file.compare(list(1)), { reason: 'protocol', message: /which cannot be$/ })
  await file.stop()
  const other = await begin(size)
  t.notOk(await other.file.compare(list(1)))
  t.notOk(await other.file.compare({ ...list(31), samples }), 'these samples are no first ones')
  t.ok(await other.file.compare(list(4)))
  await other.file.stop()
  const short = await begin(8 * MIB)
  t.ok(await short.file.compare({ ...list(32), samples }))
  t.strictSame(short.file.want().ranges, [0, 8 * MIB])
  await short.file.stop()
})

t.test('takes no list that cannot be that of the file', async (t) => {
  const { least, most } = chunkLengths(1_000_000)
  const breach = { reason: 'protocol', message: /^the sender lists a chunk of \d+ bytes at \d+, which cannot be$/ }
  const lists: Record<string, number[]> = {
    'a short chunk that is not the last': [least - 1],
    'a long chunk': [most + 1],
    'more bytes than the file has': [most, most, most, most],
    'a chunk behind the end': [most, most, most, 1_000_000 - 3 * most, 1],
  }
  for (const [what, lengths] of Object.entries(lists)) {
    const { file, closed } = await begin(1_000_000)
    await t.rejects(file.compare({ digests: lengths.map(() => 'x'), lengths }), breach, what)
    await file.stop()
    t.equal(closed(), 1)
  }
  const length = fc.integer({ min: 1, max: 2 * most })
  await fc.assert(
    fc.asyncProperty(fc.array(length, { minLength: 1, maxLength: 70 }), async (lengths) => {
      const { file } = await begin(1_000_000)
      let sum = 0
      const isRight = lengths.every((length) => {
        sum += length
        return sum <= 1_000_000 && length <= most && (length >= least || sum === 1_000_000)
      })
      const comparing = file.compare({ digests: lengths.map(() => 'x'), lengths })
      if (isRight) t.equal(await comparing, sum === 1_000_000)
      else await t.rejects(comparing, breach)
      await file.stop()
    }),
    { numRuns: 50 },
  )
})

t.test('takes no chunk by its digest alone, and not the short one at the end', async (t) => {
  const { digests, lengths } = await listOf(old)
  const [first = '', length = 0] = [digests[0], lengths[0]]
  const rest = 1_500_000 - length - 1
  const { file } = await begin(old.length)
  t.notOk(await file.compare({ digests: [first], lengths: [length + 1] }))
  t.notOk(await file.compare({ digests: ['x'], lengths: [100_000] }))
  t.ok(rest > 100_000)
  await file.stop()
  // One that ends with a chunk of a hundred bytes.
  const short = old.subarray(0, old.length - (lengths.at(-1) as number) + 100)
  const again = await begin(short.length, { replaced: short })
  t.ok(await again.file.compare(await listOf(short)))
  const { ranges } = again.file.want()
  t.equal(ranges.length, 2)
  t.ok((ranges[0] as number) > short.length - 100 - 1_024)
  await again.file.stop()
})

t.test('finds what can be read of the old file', async (t) => {
  const { file, stored } = await begin(old.length, { failsAt: 0 })
  t.ok(await file.compare(await listOf(old)))
  const { ranges } = file.want()
  t.strictSame(ranges, [0, old.length])
  await sendRanges(file, old, stored, ranges)
  t.equal(await file.hex(old.length), digest(old))
})

t.test('says that it is damaged if the old file has become shorter', async (t) => {
  const { file, found } = await begin(old.length, { truncatedTo: 700_000 })
  t.ok(await file.compare(await listOf(old)))
  found()
  file.want()
  await t.rejects(file.hex(old.length), {
    name: 'TransferError',
    message: /what was kept of "a" is damaged/,
    reason: 'damaged',
  })
  await file.stop()
})

t.test('reads no more when it is stopped, or the connection has gone', async (t) => {
  const content = edited([[700_000, 0, 100]])
  const stopped = await begin(content.length)
  await stopped.file.compare(await listOf(content))
  const [start = 0] = stopped.file.want().ranges
  await stopped.file.stop()
  const reads = stopped.reads()
  stopped.file.place(start)
  await stopped.file.update(content.subarray(start, start + 1_024))
  t.equal(stopped.reads(), reads)
  const gone = new AbortController()
  const lost = await begin(old.length, { signal: gone.signal })
  const before = lost.reads()
  gone.abort()
  t.ok(await lost.file.compare(await listOf(bytesOf(old.length, 99))))
  t.ok(lost.reads() <= before + 1)
  await lost.file.stop()
})

t.test('needs no list if there is no such file, or the new one is too large for one', async (t) => {
  const opened: boolean[] = []
  const sink = (openReplaced?: () => Promise<null>) => ({ have: 0, hasChanged: false, openReplaced }) as unknown as Sink
  const open = async () => {
    opened.push(true)
    return null
  }
  const header = (size: number) => ({ name: 'a', size, resume: 'delta' }) as HeaderMessage
  for (const [size, given] of [
    [2_000_000, undefined],
    [2_000_000, open],
    [MAX_CUT, open],
    [MAX_CUT + 1, open],
  ] as const) {
    const file = await ResumedFile.create(sink(given), header(size), live)
    t.ok(file.isKnown)
    t.strictSame(file.want().ranges, [0, size])
    t.equal(await file.compare({ digests: ['x'], lengths: [1] }), false, 'what was on its way is ignored')
    await file.stop()
  }
  t.equal(opened.length, 2)
})
