/** Transfers whose connection breaks: they go on over another one, or when the same is sent again. */
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { encode } from '../../dist/protocol/encode.js'
import { SEGMENT, SMALLEST_KEPT } from '../../dist/protocol/limits.js'
import { pauses } from '../../dist/transfer/retry.js'
import { cutEdges } from '../fixtures/cut-places.ts'
import { replaceDuring } from '../fixtures/disk.ts'
import { type Events, type Listening, startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, folders, namesIn, treeOf } from '../fixtures/folder.ts'
import { key } from '../fixtures/keys.ts'
import { Peer } from '../fixtures/peer.ts'
import { digest, frame, readFrames } from '../fixtures/peer-frames.ts'
import { type Cut, type Direction, damagedPort } from '../fixtures/proxy.ts'
import { setQuick } from '../fixtures/tree.ts'
import { until } from '../fixtures/turns.ts'

// How long the pauses are is tested in retry.test.ts, and with the real commands in bin/resume.test.ts.
pauses.first = 5
// What fsync does cannot be seen without a loss of power, and takes most of the time.
replaceDuring(t, 'fsync', () => async () => {})

const MIB = 1024 * 1024

type Cuts = (connection: number) => Cut | undefined

/**
 * A proxy that counts what passes.
 *
 * @param cut that of the first connection, or of each
 * @param onBegin called before the first byte of a connection passes
 */
async function meteredPort(t: Test, port: number, cut?: Cut | Cuts, onBegin?: (connection: number) => unknown) {
  const passed = { 'to-receiver': 0, 'to-sender': 0 }
  const all: Record<Direction, Buffer[]> = { 'to-receiver': [], 'to-sender': [] }
  let connections = 0
  const through = await damagedPort(t, port, {
    change: async (direction, bytes, position) => {
      if (direction === 'to-receiver' && position === 0) await onBegin?.(connections++)
      passed[direction] += bytes.length
      all[direction].push(Buffer.from(bytes))
      return bytes
    },
    cut: typeof cut === 'function' ? cut : (connection) => (connection === 0 ? cut : undefined),
  })
  return { port: through, passed, whole: (direction: Direction) => Buffer.concat(all[direction]) }
}

/** The events that both ends must have exactly once, however often the connection breaks. */
function checkEvents(t: Test, sender: Events, names: readonly string[]): void {
  t.equal(sender.of('connected').length, 1, 'one transfer')
  t.match(sender.of('ended'), [{ complete: true, files: names.length }])
  t.strictSame(
    sender
      .of('sent')
      .map(({ name }) => name)
      .sort(),
    [...names].sort(),
    'each is sent once',
  )
}

/** What a receiver has stored, each as often as it said so. */
function storedBy(receiver: Listening): string[] {
  return receiver.events
    .of('stored')
    .map(({ name }) => name)
    .sort()
}

const files = { 'a.txt': 'a small file', 'big.bin': bytesOf(SMALLEST_KEPT + 300_000), 'c.txt': 'another one' }

t.test('goes on after a cut at every edge of a frame, in both directions', async (t) => {
  const { path } = folders(t, files)
  const sources = Object.keys(files).map(path)
  const clean = await startReceiver(t, { out: join(t.testdirName, 'clean') })
  const proxy = await meteredPort(t, clean.port)
  await trySend(t, proxy.port, sources)
  const cuts = (['to-receiver', 'to-sender'] as const).flatMap((direction) =>
    cutEdges(proxy.whole(direction)).flatMap((after) =>
      (['end', 'reset'] as const).map((how) => ({ direction, after, how })),
    ),
  )
  const opening = encode.senderOpening({ transfer: '0'.repeat(32) }).length
  const greeting = 8 + 5 + (readFrames(proxy.whole('to-sender')).frames[0]?.bytes.length ?? 0)
  const cutOnce = async (cut: Cut, index: number) => {
    const out = join(t.testdirName, `out${index}`)
    const receiver = await startReceiver(t, { out, ifExists: 'backup' })
    const { port } = await meteredPort(t, receiver.port, cut)
    const { summary, error, events } = await trySend(t, port, sources)
    await receiver.stop()
    const what = `${cut.how} after ${cut.after} bytes ${cut.direction}`
    // A small file needs no greeting of the receiver; that it can go on is known only after it.
    const isKnown = cut.direction === 'to-sender' ? cut.after > greeting : cut.after > opening + 1_000
    if (isKnown) t.ok(summary, what)
    if (!summary) {
      t.match(error, { code: 'incomplete', reason: 'broken' }, what)
      return
    }
    checkEvents(t, events, Object.keys(files))
    t.strictSame(storedBy(receiver), Object.keys(files), `${what}: each is stored once`)
    t.strictSame(namesIn(out), Object.keys(files), what)
    t.ok(readFileSync(join(out, 'big.bin')).equals(files['big.bin']))
  }
  t.ok(cuts.length > 50)
  for (let at = 0; at < cuts.length; at += 8)
    await Promise.all(cuts.slice(at, at + 8).map((cut, index) => cutOnce(cut, at + index)))
})

t.test('goes on with a key after cuts anywhere', async (t) => {
  const { path } = folders(t, files)
  const sources = Object.keys(files).map(path)
  const cutOnce = async (index: number) => {
    const out = join(t.testdirName, `out${index}`)
    const receiver = await startReceiver(t, { out, key })
    // After the handshake and the greeting: before, the sender cannot know that it can go on.
    const after = 4_000 + Math.floor(Math.random() * SMALLEST_KEPT)
    const cut = { direction: 'to-receiver', after, how: index % 2 ? 'end' : 'reset' } as const
    const { port } = await meteredPort(t, receiver.port, cut)
    const { events } = await trySend(t, port, sources, { key })
    checkEvents(t, events, Object.keys(files))
    await receiver.stop()
    t.strictSame(storedBy(receiver), Object.keys(files), `${cut.how} after ${after} bytes`)
    t.strictSame(namesIn(out), Object.keys(files))
    t.ok(readFileSync(join(out, 'big.bin')).equals(files['big.bin']))
  }
  await Promise.all(Array.from({ length: 8 }, (_, index) => cutOnce(index)))
})

t.test('fifty cuts of one file: little more than the file goes over the wire', async (t) => {
  const size = 64 * MIB
  const { path, out } = folders(t, { 'big.bin': bytesOf(size) })
  const receiver = await startReceiver(t, { out })
  const lengths = Array.from({ length: 50 }, () => 2_000 + Math.floor(Math.random() * 2.4 * MIB))
  t.comment(`cut after ${lengths.join(', ')} bytes`)
  // What is on its way must not be lost, because how much that is depends on the kernel. So no connection is reset, and
  // none begins before the receiver has the rest of the one before.
  const { port, passed } = await meteredPort(
    t,
    receiver.port,
    (connection) => {
      const after = lengths[connection]
      return after === undefined ? undefined : { direction: 'to-receiver', after, how: 'end' }
    },
    (connection) => connection > 0 && receiver.events.until('failed', connection),
  )
  const { summary, events } = await trySend(t, port, [path('big.bin')])
  t.match(summary, { files: 1, bytes: size })
  checkEvents(t, events, ['big.bin'])
  t.ok(events.of('waiting').length > 20, `${events.of('waiting').length} times`)
  t.match(events.of('waiting')[0], { for: 'receiver', seconds: 0.005, message: /; going on in 0\.005 seconds$/ })
  t.ok(passed['to-receiver'] < 1.02 * size, `${passed['to-receiver'] / size} of the file`)
  const [sent] = events.of('sent')
  t.ok((sent?.resumed ?? 0) > 0, 'the sender tells what the receiver had')
  t.match(receiver.events.of('stored'), [{ name: 'big.bin', size, resumed: sent?.resumed }])
  t.ok(readFileSync(join(out, 'big.bin')).equals(readFileSync(path('big.bin'))))
  const resumed = events.of('progress').map((event) => event.resumed ?? 0)
  t.strictSame(
    resumed,
    [...resumed].sort((a, b) => a - b),
    'progress goes on where it stopped',
  )
})

t.test('resets of a large file cost what was on its way, and nothing that was written', async (t) => {
  const size = 40 * MIB
  const { path, out } = folders(t, { 'big.bin': bytesOf(size) })
  const receiver = await startReceiver(t, { out })
  const { port } = await meteredPort(t, receiver.port, (connection) =>
    connection < 5 ? { direction: 'to-receiver', after: 7 * MIB } : undefined,
  )
  t.match((await trySend(t, port, [path('big.bin')])).summary, { files: 1, bytes: size })
  t.ok(readFileSync(join(out, 'big.bin')).equals(readFileSync(path('big.bin'))))
})

/** Breaks off a file after so many bytes, and leaves what is kept of it. Returns its path. */
async function breakOff(t: Test, path: string, out: string, after: number): Promise<string> {
  const receiver = await startReceiver(t, { out })
  const { port } = await meteredPort(t, receiver.port, { direction: 'to-receiver', after, how: 'end' })
  const { error } = await trySend(t, port, [path], { retry: 0 })
  t.match(error, { code: 'incomplete', reason: 'broken' })
  const { kept } = await receiver.events.until('failed')
  await receiver.stop()
  t.ok(existsSync(kept ?? ''), 'the receiver says where it keeps the part')
  return kept as string
}

t.test('without retries, the same command goes on later', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(8 * MIB) })
  const kept = await breakOff(t, path('big.bin'), out, 5 * MIB)
  const { size } = statSync(kept)
  t.ok(size > 4.9 * MIB && size < 5 * MIB, `${size} bytes are kept`)
  const receiver = await startReceiver(t, { out, count: 1 })
  const { port, passed } = await meteredPort(t, receiver.port)
  const { events } = await trySend(t, port, [path('big.bin')])
  const have = size - (size % 1_024)
  t.match(events.of('sent'), [{ resumed: have, size: 8 * MIB }])
  t.match(events.of('progress')[0], { resumed: have, bytes: have })
  t.ok(passed['to-receiver'] < 8 * MIB - have + 2_000)
  t.match((await receiver.ended).summary, { files: 1, bytes: 8 * MIB })
  t.match(receiver.events.of('stored'), [{ resumed: have }])
  t.strictSame(namesIn(out), ['big.bin'])
})

t.test('of a part that is damaged, only the segments that differ are sent again', async (t) => {
  const size = 2 * SEGMENT + 8 * MIB
  const { path, out } = folders(t, { 'big.bin': bytesOf(size) })
  const kept = await breakOff(t, path('big.bin'), out, size - MIB)
  const bytes = readFileSync(kept)
  bytes.writeUInt8(bytes.readUInt8(SEGMENT + 5) ^ 1, SEGMENT + 5)
  writeFileSync(kept, bytes)
  const receiver = await startReceiver(t, { out, count: 1 })
  const { port, passed } = await meteredPort(t, receiver.port)
  const { summary, events } = await trySend(t, port, [path('big.bin')])
  t.match(summary, { files: 1, bytes: size })
  t.match(events.of('warning'), [{ reason: 'damaged', message: /big\.bin.*is damaged; sending again what differs$/ }])
  t.strictSame(events.of('failed'), [])
  t.match((await receiver.ended).summary, { files: 1 })
  t.match(receiver.events.of('warning'), [{ reason: 'damaged' }])
  t.strictSame(receiver.events.of('failed'), [])
  t.ok(readFileSync(join(out, 'big.bin')).equals(readFileSync(path('big.bin'))))
  t.strictSame(namesIn(out), ['big.bin'])
  // The last MiB, and then the segment.
  const most = SEGMENT + MIB + 20_000
  t.ok(passed['to-receiver'] < most, `${passed['to-receiver']} bytes, at most ${most}`)
})

t.test('a file that has changed is sent anew, and both sides say so', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(4 * MIB) })
  await breakOff(t, path('big.bin'), out, 3 * MIB)
  const changed = bytesOf(4 * MIB, 7)
  writeFileSync(path('big.bin'), changed)
  const receiver = await startReceiver(t, { out, count: 1 })
  const { port, passed } = await meteredPort(t, receiver.port)
  const { events } = await trySend(t, port, [path('big.bin')])
  t.match(events.of('warning'), [{ reason: 'changed', message: /big\.bin has changed since a part of it was sent/ }])
  t.match(events.of('sent'), [{ resumed: undefined }])
  await receiver.ended
  t.ok(readFileSync(join(out, 'big.bin')).equals(changed))
  t.ok(passed['to-receiver'] > 4 * MIB)
})

t.test('a file that changes between two connections is sent anew', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(4 * MIB) })
  const receiver = await startReceiver(t, { out })
  const { port } = await meteredPort(t, receiver.port, { direction: 'to-receiver', after: 2 * MIB, how: 'end' })
  const onEvent = ({ event }: { event: string }) => {
    if (event === 'waiting') truncateSync(path('big.bin'), 3 * MIB)
  }
  const { events } = await trySend(t, port, [path('big.bin')], { onEvent })
  await receiver.stop()
  t.match(events.of('warning'), [{ reason: 'changed' }])
  t.match(events.of('sent'), [{ size: 3 * MIB }])
  t.strictSame(namesIn(out), ['big.bin'])
})

t.test('two senders of the same file at once do not disturb each other', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(6 * MIB) })
  await breakOff(t, path('big.bin'), out, 3 * MIB)
  const receiver = await startReceiver(t, { out, count: 2 })
  const cut = { direction: 'to-receiver', after: 2 * MIB } as const
  const ports = await Promise.all([1, 2].map(async () => (await meteredPort(t, receiver.port, cut)).port))
  const sent = await Promise.all(ports.map((port) => trySend(t, port, [path('big.bin')])))
  for (const { summary } of sent) t.match(summary, { files: 1, bytes: 6 * MIB })
  t.match((await receiver.ended).summary, { files: 2 })
  const names = namesIn(out)
  t.equal(names.length, 2)
  for (const name of names) t.ok(readFileSync(join(out, name)).equals(readFileSync(path('big.bin'))), name)
})

t.test('a directory is sent again as a whole, and stored once', async (t) => {
  const tree = { one: { 'a.txt': 'a', 'b.bin': bytesOf(2 * MIB) }, 'z.bin': bytesOf(2 * MIB, 3) }
  const folder = t.testdir({ project: tree })
  const places = [700, MIB, 3 * MIB, 4 * MIB + 2_000]
  for (const [index, after] of places.entries()) {
    const out = join(folder, `out${index}`)
    const receiver = await startReceiver(t, { out })
    const { port } = await meteredPort(t, receiver.port, { direction: 'to-receiver', after, how: 'end' })
    const { events } = await trySend(t, port, [join(folder, 'project')])
    await receiver.stop()
    t.match(events.of('ended'), [{ complete: true, files: 3 }], `after ${after} bytes`)
    t.strictSame(namesIn(out), ['project'], 'nothing of it is kept, and it is there once')
    t.strictSame(treeOf(join(out, 'project')), treeOf(join(folder, 'project')))
  }
})

t.test('a directory and messages whose answers were lost are not taken twice', async (t) => {
  const folder = t.testdir({ project: { 'a.txt': 'a' } })
  const out = join(folder, 'out')
  const sources = [join(folder, 'project'), { text: 'hello' }]
  const clean = await startReceiver(t, { out: join(folder, 'clean') })
  const { port, whole } = await meteredPort(t, clean.port)
  await trySend(t, port, sources)
  const greeting = 8 + 5 + (readFrames(whole('to-sender')).frames[0]?.bytes.length ?? 0)
  const receiver = await startReceiver(t, { out })
  const proxy = await meteredPort(t, receiver.port, { direction: 'to-sender', after: greeting + 1, how: 'end' })
  const { summary } = await trySend(t, proxy.port, sources)
  await receiver.stop()
  t.ok(summary)
  t.strictSame(namesIn(out), ['project'])
  t.equal(receiver.events.of('message').length, 1)
  t.equal(receiver.events.of('stored').filter(({ files }) => files !== undefined).length, 1)
})

t.test('many small files whose answers were lost are stored once', async (t) => {
  const names = Array.from({ length: 1_200 }, (_, index) => `file${index}`)
  const { path, out } = folders(t, Object.fromEntries(names.map((name) => [name, `content of ${name}`])))
  const receiver = await startReceiver(t, { out })
  let connections = 0
  const port = await damagedPort(t, receiver.port, {
    change: async (direction, bytes, position) => {
      if (position === 0 && direction === 'to-sender') connections++
      // The network takes files to the receiver, but nothing back: only the greeting, and one answer at last.
      else if (direction === 'to-sender' && connections === 1) await receiver.events.until('stored', names.length)
      return bytes
    },
    cut: (connection) => (connection === 0 ? { direction: 'to-sender', after: 400 } : undefined),
  })
  const { events } = await trySend(t, port, names.map(path))
  await receiver.stop()
  checkEvents(t, events, names)
  t.equal(connections, 2)
  t.equal(receiver.events.of('stored').length, names.length)
  t.strictSame(namesIn(out), [...names].sort())
})

t.test('standard input cannot go on, and the sender says so', async (t) => {
  const { out } = folders(t)
  const receiver = await startReceiver(t, { out })
  const { port } = await meteredPort(t, receiver.port, { direction: 'to-receiver', after: MIB, how: 'end' })
  const stream = { stream: Readable.from([bytesOf(2 * MIB)]), name: 'stream' }
  const { error, events } = await trySend(t, port, [stream])
  await receiver.stop()
  t.match(error, { code: 'incomplete', reason: 'broken', message: /; .* can be read only once, so it cannot go on$/ })
  t.strictSame(events.of('waiting'), [])
  t.strictSame(namesIn(out), [])
})

t.test('a stream that comes later does not keep a file from going on', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(40 * MIB) })
  const receiver = await startReceiver(t, { out })
  const { port } = await meteredPort(t, receiver.port, { direction: 'to-receiver', after: MIB, how: 'end' })
  const stream = { stream: Readable.from(['text']), name: 'stream' }
  const { events } = await trySend(t, port, [path('big.bin'), stream])
  await receiver.stop()
  checkEvents(t, events, ['big.bin', 'stream'])
  t.strictSame(namesIn(out), ['big.bin', 'stream'])
})

t.test('a receiver that stores in a stream does not know its sender again', async (t) => {
  const { path } = folders(t, { 'big.bin': bytesOf(2 * MIB) })
  const receiver = await startReceiver(t, { out: new PassThrough().resume() })
  const { port } = await meteredPort(t, receiver.port, { direction: 'to-receiver', after: MIB, how: 'end' })
  const { error, events } = await trySend(t, port, [path('big.bin')])
  t.match(error, { code: 'incomplete', reason: 'broken' })
  t.strictSame(events.of('waiting'), [])
  t.match((await receiver.ended).error, { code: 'incomplete' })
})

/** A port that can be given to one listener after the other. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

t.test('a receiver that comes back without the feature gets the whole file', async (t) => {
  const content = bytesOf(2 * MIB)
  const { path, out } = folders(t, { 'big.bin': content })
  const port = await freePort()
  const receiver = await startReceiver(t, { out, port })
  const proxied = await meteredPort(t, port, { direction: 'to-receiver', after: MIB, how: 'end' })
  let old: Peer | undefined
  const onEvent = async ({ event }: { event: string }) => {
    if (event === 'waiting') await receiver.stop()
  }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    old = new Peer(socket)
    void old.write(Buffer.from('tcp-recv'), frame('G', { version: 1 }))
  })
  t.teardown(() => server.close())
  const sending = trySend(t, proxied.port, [path('big.bin')], { onEvent, retry: 8 })
  await receiver.ended
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await until(() => old !== undefined)
  const peer = old as Peer
  const { fields } = await peer.next('H')
  t.match(fields, { name: 'big.bin', size: 2 * MIB })
  for (const field of ['source', 'edition', 'resume']) t.notOk(field in fields, `no ${field}`)
  const { fields: end } = await peer.next('E')
  t.match(end, { bytes: 2 * MIB, blake3: digest(content) })
  await peer.write(frame('S', { entry: 0, name: 'big.bin', bytes: 2 * MIB, blake3: digest(content) }))
  t.match((await sending).summary, { files: 1 })
  peer.finish()
})

t.test('gives up after as many tries as it may, and tells why', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(2 * MIB) })
  for (const [retry, times] of [
    [1, '1 time'],
    [2, '2 times'],
  ] as const) {
    const receiver = await startReceiver(t, { out })
    const { port } = await meteredPort(t, receiver.port, { direction: 'to-receiver', after: MIB, how: 'end' })
    const onEvent = async ({ event }: { event: string }) => {
      if (event === 'waiting') await receiver.stop()
    }
    const { error, events } = await trySend(t, port, [path('big.bin')], { retry, onEvent })
    t.match(error, {
      code: 'incomplete',
      exitCode: 6,
      message: new RegExp(`^the other side broke the connection .*; tried again ${times}$`),
    })
    t.equal(events.of('waiting').length, retry)
    t.match(events.of('failed'), [{ code: 'incomplete', reason: 'broken' }])
    t.match(events.of('ended'), [{ complete: false }])
  }
})

t.test('a connection that goes silent ends with the status of a timeout, if no other one can be made', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(8 * MIB) })
  const receiver = await startReceiver(t, { out })
  const { port } = await meteredPort(t, receiver.port, (connection) => ({
    direction: 'to-receiver',
    after: connection === 0 ? 2 * MIB : 1,
    how: 'silence',
  }))
  const { error, events } = await trySend(t, port, [path('big.bin')], { retry: 1, timeout: 400 })
  t.match(error, { code: 'timeout', exitCode: 9, reason: 'timeout', message: /; tried again 1 time$/ })
  t.equal(events.of('waiting').length, 1)
  await receiver.stop()
})

t.test('a connection that only the sender knows to be dead is taken over by the next one', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(8 * MIB) })
  const receiver = await startReceiver(t, { out, count: 1 })
  const { port } = await meteredPort(t, receiver.port, { direction: 'to-receiver', after: 4 * MIB, how: 'silence' })
  const { events } = await trySend(t, port, [path('big.bin')], { timeout: 400 })
  checkEvents(t, events, ['big.bin'])
  t.match((await receiver.ended).summary, { files: 1 })
  t.match(receiver.events.of('failed'), [{ name: 'big.bin', message: 'the sender went on over another connection' }])
  const [stored] = receiver.events.of('stored')
  t.ok((stored?.resumed ?? 0) > 3.9 * MIB, `${stored?.resumed} bytes were there`)
  t.strictSame(namesIn(out), ['big.bin'])
})

t.test('an interruption ends the pause', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(2 * MIB) })
  const receiver = await startReceiver(t, { out })
  const { port } = await meteredPort(t, receiver.port, { direction: 'to-receiver', after: MIB, how: 'end' })
  const controller = new AbortController()
  pauses.first = 1_000_000
  const onEvent = ({ event }: { event: string }) => {
    if (event === 'waiting') setImmediate(() => controller.abort())
  }
  const { error, events } = await trySend(t, port, [path('big.bin')], { signal: controller.signal, onEvent })
  pauses.first = 5
  t.match(error, { code: 'interrupted', exitCode: 130 })
  t.match(events.of('failed'), [{ code: 'interrupted' }])
  await receiver.stop()
})

t.test('a receiver that wants one transfer does not end before that has gone on', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(2 * MIB), 'c.txt': 'text' })
  const receiver = await startReceiver(t, { out, count: 1 })
  const { port } = await meteredPort(t, receiver.port, { direction: 'to-receiver', after: MIB })
  const { events } = await trySend(t, port, [path('big.bin'), path('c.txt')])
  checkEvents(t, events, ['big.bin', 'c.txt'])
  t.match((await receiver.ended).summary, { files: 2 })
  t.strictSame(Object.keys(filesIn(out)), ['big.bin', 'c.txt'])
})

t.test('goes on while the disk is slow, too', async (t) => {
  setQuick(t, false)
  const { path, out } = folders(t, { 'big.bin': bytesOf(4 * MIB) })
  await breakOff(t, path('big.bin'), out, 2 * MIB)
  const receiver = await startReceiver(t, { out, count: 1 })
  const { events } = await trySend(t, receiver.port, [path('big.bin')])
  t.match(events.of('sent'), [{ resumed: Number, size: 4 * MIB }])
  t.ok(readFileSync(join(out, 'big.bin')).equals(readFileSync(path('big.bin'))))
})

t.test('gives up at once if what answers then has no key', async (t) => {
  const { path, out } = folders(t, { 'big.bin': bytesOf(4 * MIB) })
  const receiver = await startReceiver(t, { out, key })
  let connections = 0
  const server = createServer((socket) => {
    socket.on('error', () => {})
    if (connections++ > 0) return socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    const far = connect(receiver.port, '127.0.0.1')
    far.on('error', () => {})
    let bytes = 0
    socket.on('data', (piece) => {
      bytes += piece.length
      far.write(piece)
      if (bytes < 2 * MIB) return
      socket.resetAndDestroy()
      far.destroy()
    })
    far.pipe(socket)
    return undefined
  })
  t.teardown(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { error, events } = await trySend(t, (server.address() as AddressInfo).port, [path('big.bin')], { key })
  t.match(error, { code: 'key' })
  t.equal(events.of('waiting').length, 1)
  t.match(await receiver.events.until('failed'), { name: 'big.bin', reason: 'broken' })
})
