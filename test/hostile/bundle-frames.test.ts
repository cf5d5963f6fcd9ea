/** Connections of a bundle that say what cannot be: they end, and the transfer goes on over the others. */
import { join } from 'node:path'
import t from 'tap'
import {
  block,
  bundleName,
  greet,
  joinBundle,
  openBundle,
  openingWith,
  receiverOpeningWith,
} from '../fixtures/bundles.ts'
import { startReceiver, startSender, trySend } from '../fixtures/ends.ts'
import { filesIn } from '../fixtures/folder.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, frameHeader, transferFrames } from '../fixtures/peer-frames.ts'

t.jobs = 4
const parallel = { buffered: true }

const name = bundleName()
const MIB = 1024 * 1024
const whole = Buffer.concat(transferFrames({ file: 'small' }))

const wrong: Record<string, Buffer> = {
  'a block without its data': Buffer.concat([frame('P', { offset: 0 }), frame('B', {})]),
  'two blocks before the data': Buffer.concat([frame('P', { offset: 0 }), frame('P', { offset: 0 })]),
  'data without a block': frame('D', Buffer.from('x')),
  'data twice': Buffer.concat([block(1 * MIB, 'x'), frame('D', Buffer.from('x'))]),
  'a block without a byte': Buffer.concat([frame('P', { offset: 0 }), frameHeader('D', 0)]),
  'a block that is too long': Buffer.concat([frame('P', { offset: 0 }), frameHeader('D', MIB + 1)]),
  'a block before the first': block(-1, 'x'),
  'a block beyond the limit': block(64 * MIB, 'x'),
  'a block that ends beyond the limit': Buffer.concat([
    frame('P', { offset: 64 * MIB - 1 }),
    frameHeader('D', 2),
    Buffer.from('x'),
  ]),
  'a block at the end of all numbers': block(Number.MAX_SAFE_INTEGER, 'x'),
  'another block at the same place': Buffer.concat([block(9 * MIB, 'x'), block(9 * MIB, 'xx')]),
  'a block behind the end': Buffer.concat([frame('E', { bytes: whole.length + 9 }), block(0, 'x')]),
  'an end before what has come': Buffer.concat([block(9 * MIB, 'x'), frame('E', { bytes: 5 })]),
  'two ends': Buffer.concat([frame('E', { bytes: MIB }), frame('E', { bytes: MIB })]),
  'blocks that have not been sent': frame('K', { blocks: 1, limit: 0 }),
  'fewer than no blocks': frame('K', { blocks: -1, limit: 0 }),
  'a limit that is no number': frame('K', { blocks: 0, limit: '1' }),
  'too many connections': frame('U', { connections: 65 }),
  'no connections': frame('U', { connections: 0 }),
  'a frame of the protocol outside of bundles': frame('H', { name: 'file', size: 1 }),
  'a greeting': frame('G', { version: 1 }),
  'wishes without end': Buffer.concat(Array(1000).fill(frame('U', { connections: 64 }))),
  'heartbeats without end': Buffer.concat(Array(1000).fill(frame('B', {}))),
  'news without end that are none': Buffer.concat(Array(1000).fill(frame('K', { blocks: 0, limit: 5 }))),
  'more room without end, although nothing has arrived': Buffer.concat(
    Array.from({ length: 1000 }, (_, limit) => frame('K', { blocks: 0, limit })),
  ),
  garbage: Buffer.alloc(100, 0xff),
}

for (const [what, bytes] of Object.entries(wrong)) {
  t.test(`goes on without a connection that sends ${what}`, parallel, async (t) => {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out })
    const first = await openBundle(t, receiver.port, name)
    const lane = await joinBundle(t, receiver.port, name)
    await lane.write(bytes)
    t.match((await lane.next('R')).fields, { entry: null, reason: 'protocol' })
    lane.finish()
    await first.write(block(0, whole))
    t.match(await receiver.events.until('ended'), { complete: true })
    await receiver.stop()
    t.strictSame(filesIn(out), { file: 'small' })
  })
}

t.test('goes on without a connection that breaks in a block', parallel, async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const first = await openBundle(t, receiver.port, name)
  for (const rest of [frameHeader('D', 1000), Buffer.concat([frameHeader('D', 1000), Buffer.alloc(999)])]) {
    const lane = await joinBundle(t, receiver.port, name)
    await lane.write(frame('P', { offset: 0 }), rest)
    await lane.reset()
  }
  await first.write(block(0, whole))
  t.match(await receiver.events.until('ended'), { complete: true })
  await receiver.stop()
  t.strictSame(filesIn(out), { file: 'small' })
})

t.test('believes the first of two ends, if they differ', parallel, async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const first = await openBundle(t, receiver.port, name)
  const lane = await joinBundle(t, receiver.port, name)
  await first.write(block(whole.length - 1, whole.subarray(-1)), frame('E', { bytes: whole.length }))
  while ((await first.next('K')).fields.blocks !== 1);
  await lane.write(frame('E', { bytes: whole.length + 1 }))
  t.match((await lane.next('R')).fields, { reason: 'protocol' })
  lane.finish()
  const other = await joinBundle(t, receiver.port, name)
  await other.write(block(0, whole.subarray(0, -1)))
  t.match(await receiver.events.until('ended'), { complete: true })
  await receiver.stop()
})

t.test('ends with its last connection, and says why', parallel, async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const first = await openBundle(t, receiver.port, name)
  const [opening, header] = [openingWith({}), entryFrames('file', 'small')[0] as Buffer]
  const start = Buffer.concat([opening, header])
  await first.write(block(0, start))
  await receiver.events.until('connected')
  await first.write(block(start.length + 100 * MIB, 'x'))
  t.match((await first.next('R')).fields, { reason: 'protocol' })
  first.finish()
  t.match(await receiver.events.until('ended'), { complete: false })
  t.match(receiver.events.all.at(-2), { event: 'failed', reason: 'protocol', name: 'file' })
  await receiver.stop()
  t.strictSame(filesIn(out), {})
})

const misplaced: Record<string, [names: object, bytes: Buffer]> = {
  'without a name': [{}, frame('U', {})],
  'after an entry': [{ bundle: name }, Buffer.concat([...entryFrames('file', 'small'), frame('U', {})])],
  'in an entry': [{ bundle: name }, Buffer.concat([frame('H', { name: 'file', size: 1 }), frame('U', {})])],
}

for (const [what, [names, bytes]] of Object.entries(misplaced)) {
  t.test(`begins no bundle ${what}`, parallel, async (t) => {
    const receiver = await startReceiver(t, { out: t.testdir() })
    const peer = await greet(t, receiver.port, names)
    await peer.write(bytes)
    t.match((await peer.next('R')).fields, { entry: null, reason: 'protocol' })
    peer.finish()
    await receiver.stop()
  })
}

t.test('begins no bundle that it has not offered', parallel, async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir(), streams: 1 })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(openingWith({ bundle: name }))
  t.notOk(((await peer.next('G')).fields.features as string[]).includes('bundle'))
  await peer.write(frame('U', { connections: 4 }))
  t.match((await peer.next('R')).fields, { reason: 'protocol' })
  peer.finish()
  await receiver.stop()
})

t.test('begins no bundle in a bundle', parallel, async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const first = await openBundle(t, receiver.port, name)
  await first.write(block(0, Buffer.concat([openingWith({ bundle: bundleName(2) }), frame('U', { connections: 64 })])))
  t.match(await receiver.events.until('refused'), { reason: 'protocol' })
  first.finish()
  await receiver.stop()
})

t.test('a sender ends a connection whose receiver begins a bundle by itself', parallel, async (t) => {
  const folder = t.testdir({ file: Buffer.alloc(2 * MIB) })
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.next('G')
    await peer.write(receiverOpeningWith({ features: [] }), frame('U', {}))
    await peer.ended
    peer.finish()
  })
  const { error } = await trySend(t, listener.port, join(folder, 'file'), { streams: 4, retry: 0 })
  t.match(error, { reason: 'protocol' })
})

t.test('a sender that listens ignores what a receiver says about the path', parallel, async (t) => {
  const folder = t.testdir({ file: Buffer.alloc(2 * MIB) })
  const sender = await startSender(t, [join(folder, 'file')])
  const peer = await Peer.dial(t, sender.port)
  await peer.next('G')
  await peer.write(receiverOpeningWith({ rtt: Number.MAX_SAFE_INTEGER }))
  t.ok(await peer.next('H'), 'it has measured a shorter one')
  await sender.stop()
})
