/** From a source to a socket: every byte once, in frames or bare, with no more in memory than one buffer. */
import { Duplex, duplexPair } from 'node:stream'
import { brotliDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/errors.js'
import { Channel } from '../../dist/net/channel.js'
import { writeFrameHeader } from '../../dist/protocol/encode.js'
import type { OpenEntry } from '../../dist/sources/source.js'
import { Compression } from '../../dist/transfer/compression.js'
import { Pump } from '../../dist/transfer/pump.js'
import { bytesOf } from '../fixtures/folder.ts'
import { digest, readFrames } from '../fixtures/peer-frames.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

/** The bytes of one data frame of the pump, or of one bare write. */
const FRAME = 512 * 1024

/** What a link makes of a channel: data frames, or bare bytes. */
function linkOver(channel: Channel, framed = true): ConstructorParameters<typeof Pump>[0] {
  return {
    prefix: framed ? 5 : 0,
    frame: (buffer, offset, length) => framed && writeFrameHeader(buffer, 'data', length, offset),
    write: (pieces) => channel.write(pieces),
  }
}

/** A channel, and the other side of it, which takes nothing until it is read. */
function connected(t: Pick<Test, 'teardown'>): { channel: Channel; socket: Duplex; other: Duplex } {
  const [socket, other] = duplexPair({ highWaterMark: 1 })
  const channel = new Channel(socket, { timeout: 30_000 })
  t.teardown(() => void socket.destroy())
  return { channel, socket, other }
}

/**
 * The first `length` bytes that come to the other side. Without a network between them both sides share the memory of
 * the pump's buffers, so each piece is copied before the pump can use it again.
 */
function takeAll(other: Duplex, length: number): Promise<Buffer> {
  const taken = Buffer.alloc(length)
  let filled = 0
  return new Promise((resolve) => {
    const take = (piece: Buffer) => {
      filled += piece.copy(taken, filled)
      if (filled < length) return
      other.off('data', take)
      resolve(taken)
    }
    if (length === 0) resolve(taken)
    else other.on('data', take)
  })
}

interface Reads {
  source: OpenEntry
  /** What each read was asked for. */
  wanted: { buffer: Buffer; offset: number; length: number }[]
}

/** A source of `content`, of which each read gives at most `most` bytes. */
function sourceOf(
  content: Buffer,
  { size = content.length as number | null, most = Number.POSITIVE_INFINITY, isAtHand = (): boolean => false } = {},
): Reads {
  const wanted: Reads['wanted'] = []
  let position = 0
  const source: OpenEntry = {
    header: { kind: 'file', name: 'file', size, type: 'text/plain', mtime: null, mode: null },
    read: (buffer, offset, length) => {
      wanted.push({ buffer, offset, length })
      const count = content.copy(buffer, offset, position, position + Math.min(length, most))
      position += count
      return isAtHand() ? count : Promise.resolve(count)
    },
    check: async () => {},
    close: async () => {},
  }
  return { source, wanted }
}

const never = new AbortController().signal
const sizes = [0, 1, 1023, 1024, 1025, 65_535, 65_536, 65_537, FRAME - 1, FRAME, FRAME + 1, 6 * FRAME + 17]

for (const framed of [true, false]) {
  const [how, prefix] = framed ? ['in frames', 5] : ['bare', 0]

  t.test(`moves every byte once, ${how}, and tells their number and digest`, async (t) => {
    for (const size of sizes) {
      for (const isKnown of [true, false]) {
        const content = bytesOf(size)
        const { channel, other } = connected(t)
        const { source, wanted } = sourceOf(content, isKnown ? {} : { size: null })
        const moving = new Pump(linkOver(channel, framed)).move(source, never, () => {})
        const pieces = Math.ceil(size / FRAME)
        const stream = await takeAll(other, size + prefix * pieces)
        t.strictSame(await moving, { bytes: size, blake3: digest(content), sha256: null })
        const frames = framed ? readFrames(Buffer.concat([Buffer.alloc(8), stream])).frames : []
        if (framed) t.ok(frames.every(({ type, bytes }) => type === 'D' && bytes.length <= FRAME))
        t.ok((framed ? Buffer.concat(frames.map(({ bytes }) => bytes)) : stream).equals(content), `${size} bytes`)
        t.equal(wanted.length, isKnown ? pieces : pieces + 1, 'it reads no further than the size')
        const most = (index: number) => (isKnown ? Math.min(FRAME, size - index * FRAME) : FRAME)
        t.ok(wanted.every(({ offset, length }, index) => offset === prefix && length === most(index)))
      }
    }
  })

  t.test(`reads one piece ahead of a side that takes nothing, ${how}, and then waits`, async (t) => {
    const content = bytesOf(8 * FRAME)
    const { channel, other } = connected(t)
    const { source, wanted } = sourceOf(content)
    const moving = new Pump(linkOver(channel, framed)).move(source, never, () => {})
    await settle(20)
    t.equal(wanted.length, 1)
    t.equal(await stateOf(moving), 'pending')
    await takeAll(other, content.length + 8 * prefix)
    t.match(await moving, { bytes: content.length })
    t.equal(new Set(wanted.map(({ buffer }) => buffer)).size, 1, 'the same buffer all the time')
  })
}

t.test('moves what comes in any pieces, and reports each of them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(300_000),
      fc.integer({ min: 1024, max: 100_000 }),
      fc.boolean(),
      async (size, most, framed) => {
        const [content, reported] = [bytesOf(size), [] as number[]]
        const teardown: (() => void)[] = []
        const { channel, other } = connected({ teardown: (work) => void teardown.push(work as () => void) })
        const { source } = sourceOf(content, { size: null, most })
        const moving = new Pump(linkOver(channel, framed)).move(source, never, (bytes) => void reported.push(bytes))
        const pieces = Math.ceil(size / Math.min(most, FRAME))
        await takeAll(other, size + (framed ? 5 : 0) * pieces)
        const moved = await moving
        for (const work of teardown) work()
        const sums = reported.every((bytes, index) => bytes > (reported[index - 1] ?? 0))
        return moved.blake3 === digest(content) && sums && reported.length === pieces && (reported.at(-1) ?? 0) === size
      },
    ),
    { numRuns: 40 },
  )
})

t.test('tells of fewer bytes than there should be as they are: the source is asked what became of them', async (t) => {
  const { channel, other } = connected(t)
  const { source } = sourceOf(bytesOf(100), { size: 200 })
  const moving = new Pump(linkOver(channel)).move(source, never, () => {})
  await takeAll(other, 105)
  t.match(await moving, { bytes: 100, blake3: digest(bytesOf(100)) })
})

t.test('lets what was read be looked at before it is written', async (t) => {
  const { channel, writes } = taking(t)
  const seen: number[] = []
  const fault = new TransferError('incomplete', 'too much')
  const check = (bytes: number) => {
    seen.push(bytes)
    if (bytes > 2 * FRAME) throw fault
  }
  const moving = new Pump(linkOver(channel)).move(atHand(Number.MAX_SAFE_INTEGER, false), never, () => {}, {
    checkGrowing: check,
  })
  t.equal(await moving.catch((error) => error), fault)
  t.strictSame(seen, [FRAME, 2 * FRAME, 3 * FRAME])
  t.strictSame(writes, [1, 1])
})

t.test('stops between two reads when it is told to', async (t) => {
  const { channel, other } = connected(t)
  other.resume()
  const controller = new AbortController()
  const { source, wanted } = sourceOf(bytesOf(3 * FRAME))
  const reason = new TransferError('refused', 'the receiver refused it')
  const moving = new Pump(linkOver(channel)).move(source, controller.signal, () => controller.abort(reason))
  t.equal(await moving.catch((error) => error), reason)
  t.equal(wanted.length, 1)
})

/** A channel that takes everything at once, or when `onWrite` is done, and how many frames each write brought. */
function taking(t: Test, onWrite?: (bytes: Buffer) => void | Promise<void>): { channel: Channel; writes: number[] } {
  const writes: number[] = []
  const write = (bytes: Buffer, _encoding: unknown, done: () => void) => {
    writes.push(Math.ceil(bytes.length / (FRAME + 5)))
    const working = onWrite?.(bytes)
    if (working) void working.then(done)
    else done()
  }
  const socket = new Duplex({ read() {}, write })
  t.teardown(() => void socket.destroy())
  return { channel: new Channel(socket, { timeout: 30_000 }), writes }
}

/** A source of `size` bytes that are at hand. */
function atHand(size: number, isKnown = true): OpenEntry {
  const { source } = sourceOf(Buffer.alloc(0), { size: isKnown ? size : null })
  let left = size
  source.read = (_buffer, _offset, length) => {
    const count = Math.min(length, left)
    left -= count
    return count
  }
  return source
}

t.test('moves every byte once, at hand or waited for, and leaves what is being written alone', async (t) => {
  const content = bytesOf(40 * FRAME + 17)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { minLength: 1 }),
      fc.integer({ min: FRAME - 1, max: FRAME }),
      fc.boolean(),
      async (atHand, most, isLate) => {
        let read = 0
        const written: Buffer[] = []
        const { channel } = taking(t, async (bytes) => {
          const before = Buffer.from(bytes)
          if (isLate) await settle(1)
          written.push(before.equals(bytes) ? before : Buffer.alloc(0))
        })
        const isAtHand = () => atHand[read++ % atHand.length] as boolean
        await new Pump(linkOver(channel)).move(sourceOf(content, { most, isAtHand }).source, never, () => {})
        const { frames } = readFrames(Buffer.concat([Buffer.alloc(8), ...written]))
        return Buffer.concat(frames.map(({ bytes }) => bytes)).equals(content)
      },
    ),
    { numRuns: 20 },
  )
})

t.test('writes several frames at once where many were taken quickly and nobody else sends', async (t) => {
  const clock = fakePerformanceNow(t)
  const proof = Array.from({ length: 32 }, () => 1)
  for (const isKnown of [true, false]) {
    const { channel, writes } = taking(t)
    const pump = new Pump(linkOver(channel))
    const { bytes } = await pump.move(atHand(41 * FRAME + 1, isKnown), never, () => {})
    t.equal(bytes, 41 * FRAME + 1)
    t.strictSame(writes.splice(0), [...proof, 4, 4, 2])
    await pump.move(atHand(3 * FRAME), never, () => {})
    t.strictSame(writes, [3], 'it has not forgotten that')
  }
  const slow = taking(t, () => clock.pass(slow.writes.length === 33 ? 50 : 49))
  await new Pump(linkOver(slow.channel)).move(atHand(66 * FRAME), never, () => {})
  t.strictSame(slow.writes, [...proof, 4, ...proof.slice(2)], 'one slow write, and the proof begins anew')
})

t.test('writes frame by frame while others send: a hundred together would need too much memory', async (t) => {
  fakePerformanceNow(t)
  const content = bytesOf(40 * FRAME)
  const written: Buffer[] = []
  const beside = taking(t, (bytes) => void written.push(Buffer.from(bytes)))
  const waits = sourceOf(Buffer.alloc(0), { size: null }).source
  let end = (_count: number) => {}
  waits.read = () => new Promise((resolve) => (end = resolve))
  const other = new Pump(linkOver(taking(t).channel))
  let others: Promise<unknown> | null = null
  const { source } = sourceOf(content, { isAtHand: () => true })
  const { read } = source
  let reads = 0
  source.read = (...wanted) => {
    if (++reads !== 36) return read(...wanted)
    // Three frames are gathered, and a read has to wait, when another one begins.
    others = other.move(waits, never, () => {})
    return settle().then(() => read(...wanted))
  }
  await new Pump(linkOver(beside.channel)).move(source, never, () => {})
  t.strictSame(beside.writes, [...Array.from({ length: 32 }, () => 1), 4, 1, 1, 1, 1])
  const { frames } = readFrames(Buffer.concat([Buffer.alloc(8), ...written]))
  t.ok(Buffer.concat(frames.map(({ bytes }) => bytes)).equals(content))
  end(0)
  await others
})

t.test('hears that it is to stop, though the connection takes everything at once', async (t) => {
  const clock = fakePerformanceNow(t)
  const { channel } = taking(t, () => clock.pass(1))
  const { source } = sourceOf(Buffer.alloc(0), { size: null })
  const reason = new TransferError('interrupted', 'interrupted')
  for (const read of [() => 1024, async () => 1024]) {
    source.read = read
    const controller = new AbortController()
    setImmediate(() => controller.abort(reason))
    const moving = new Pump(linkOver(channel)).move(source, controller.signal, () => {})
    t.equal(await moving.catch((error) => error), reason)
  }
})

t.test('gives up the event loop every 10 ms, and no more often', async (t) => {
  const clock = fakePerformanceNow(t)
  let turns = 0
  let isOver = false
  const count = () => {
    turns++
    if (!isOver) setImmediate(count)
  }
  let writes = 0
  const link = { prefix: 0, frame: () => {}, write: async () => clock.pass(++writes % 8 === 0 ? 10 : 0) }
  const moving = new Pump(link).move(atHand(24 * FRAME), never, () => {}, { algorithm: null })
  setImmediate(count)
  await moving
  isOver = true
  t.equal(writes, 24)
  t.equal(turns, 3)
})

t.test('hears it between small files, too', async (t) => {
  const clock = fakePerformanceNow(t)
  const { channel } = taking(t, () => clock.pass(1))
  const pump = new Pump(linkOver(channel))
  const controller = new AbortController()
  setImmediate(() => controller.abort(new Error('enough')))
  const moveAll = async () => {
    for (;;) await pump.move(atHand(10), controller.signal, () => {})
  }
  await t.rejects(moveAll(), { message: 'enough' })
})

t.test('fails with the error of the source', async (t) => {
  const { channel } = connected(t)
  const fault = new TransferError('local-file', 'cannot read it')
  const { source } = sourceOf(Buffer.alloc(0), { size: 10 })
  source.read = () => Promise.reject(fault)
  t.equal(await new Pump(linkOver(channel)).move(source, never, () => {}).catch((error) => error), fault)
})

t.test('fails with the error of the channel, however far it has read ahead', async (t) => {
  const { channel, socket } = connected(t)
  channel.receive(() => {}).catch(() => {})
  const moving = new Pump(linkOver(channel)).move(sourceOf(bytesOf(6 * FRAME)).source, never, () => {})
  await settle(20)
  socket.destroy(Object.assign(new Error('read'), { code: 'ECONNRESET' }))
  await t.rejects(moving, { code: 'incomplete', reason: 'broken' })
})

t.test('carries several sources one after the other in the same buffer', async (t) => {
  const { channel, other } = connected(t)
  const pump = new Pump(linkOver(channel))
  const buffers = new Set<Buffer>()
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const { source, wanted } = sourceOf(bytesOf(100, seed))
    const moving = pump.move(source, never, () => {})
    t.ok((await takeAll(other, 105)).subarray(5).equals(bytesOf(100, seed)))
    await moving
    for (const { buffer } of wanted) buffers.add(buffer)
  }
  t.equal(buffers.size, 1)
})

/** A compression that is on, and what becomes of the pieces that come over `channel`. */
async function moveCompressed(t: Test, { source }: Reads, onProgress: (bytes: number) => void = () => {}) {
  const written: Buffer[] = []
  const compression = new Compression('always')
  compression.choose(['brotli'])
  const pump = new Pump(
    linkOver(taking(t, (bytes) => void written.push(Buffer.from(bytes))).channel),
    undefined,
    compression,
  )
  pump.begin('text/plain')
  const moved = await pump.move(source, never, onProgress)
  const { frames } = readFrames(Buffer.concat([Buffer.alloc(8), ...written]))
  const content = frames.map(({ type, bytes }) => (type === 'D' ? bytes : brotliDecompressSync(bytes.subarray(5))))
  return { pump, moved, frames, content: Buffer.concat(content) }
}

t.test('compresses pieces, and moves every byte once and in order', async (t) => {
  const text = Buffer.from('all work and no play\n'.repeat(200_000))
  const mixed = Buffer.concat([text, bytesOf(5 * FRAME), text.subarray(0, FRAME + 7)])
  for (const isAtHand of [() => true, () => false, () => Math.random() < 0.5]) {
    const reported: number[] = []
    const { pump, moved, frames, content } = await moveCompressed(t, sourceOf(mixed, { isAtHand }), (bytes) => {
      reported.push(bytes)
    })
    t.ok(content.equals(mixed))
    t.match(moved, { bytes: mixed.length, blake3: digest(mixed) })
    t.strictSame([...new Set(frames.map(({ type }) => type))].sort(), ['D', 'Z'])
    t.ok((pump.wire as number) < 6 * FRAME)
    t.strictSame(
      reported,
      reported.toSorted((a, b) => a - b),
    )
    t.equal(reported.at(-1), mixed.length)
  }
  const { pump } = await moveCompressed(t, sourceOf(bytesOf(FRAME)))
  t.equal(pump.wire, undefined, 'nothing has become smaller')
})

t.test('writes what is compressed while a read has to wait', async (t) => {
  const writes: Buffer[] = []
  const compression = new Compression('always')
  compression.choose(['brotli'])
  const link = { prefix: 5, frame: () => {}, write: async (bytes: Buffer) => void writes.push(bytes) }
  const { source } = sourceOf(Buffer.alloc(0), { size: null })
  let end = (_count: number) => {}
  let reads = 0
  source.read = (buffer, offset) => {
    if (reads++ > 0) return new Promise((resolve) => (end = resolve))
    buffer.fill('x', offset, offset + 1024)
    return 1024
  }
  const moving = new Pump(link, undefined, compression).move(source, never, () => {})
  await until(() => writes.length === 1)
  end(0)
  t.match(await moving, { bytes: 1024 })
})

t.test('fails with the error of the channel or the source while pieces are ahead', async (t) => {
  const compression = new Compression('always')
  compression.choose(['brotli'])
  const broken = new TransferError('incomplete', 'broken')
  const link = { prefix: 5, frame: () => {}, write: () => Promise.reject(broken) }
  const { source } = sourceOf(bytesOf(6 * FRAME))
  t.equal(await new Pump(link, undefined, compression).move(source, never, () => {}).catch((error) => error), broken)
  const fault = new TransferError('local-file', 'cannot read it')
  const good = { ...link, write: async () => {} }
  const fails = { ...source, read: source.read }
  let reads = 0
  fails.read = (...wanted) => (reads++ < 2 ? source.read(...wanted) : Promise.reject(fault))
  t.equal(await new Pump(good, undefined, compression).move(fails, never, () => {}).catch((error) => error), fault)
})

t.test('compresses once writes have to wait for the line, and not before', async (t) => {
  const clock = fakePerformanceNow(t)
  const text = Buffer.from('all work and no play\n'.repeat(1_000_000)).subarray(0, 32 * FRAME)
  const content = Buffer.concat([text, bytesOf(8 * FRAME), text])
  for (const milliseconds of [1, 40]) {
    const written: Buffer[] = []
    const compression = new Compression('auto')
    compression.choose(['brotli'])
    const { channel } = taking(t, (bytes) => {
      written.push(Buffer.from(bytes))
      clock.pass((milliseconds * bytes.length) / FRAME)
    })
    const pump = new Pump(linkOver(channel), undefined, compression)
    pump.begin('text/plain')
    await pump.move(sourceOf(content, { isAtHand: () => true }).source, never, () => {})
    const { frames } = readFrames(Buffer.concat([Buffer.alloc(8), ...written]))
    const types = frames.map(({ type }) => type).join('')
    if (milliseconds === 1) t.match(types, /^D+$/, 'a fast line')
    else t.match(types, /^DDDZ{29}D{8}[DZ]*Z{20}$/, 'a slow line')
    const data = frames.map(({ type, bytes }) => (type === 'D' ? bytes : brotliDecompressSync(bytes.subarray(5))))
    t.ok(Buffer.concat(data).equals(content), 'in their order')
  }
})
