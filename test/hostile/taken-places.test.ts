/** Peers that take every place and keep it, and peers that may not come at all. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { refusalLimits } from '../../dist/access/refusals.js'
import { fakeClock } from '../fixtures/clock.ts'
import { startReceiver, startSender, trySend } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { frame, receiverOpening, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { settle } from '../fixtures/turns.ts'

refusalLimits.reported = 10

const header = frame('H', { name: 'never', size: null })
const beat = frame('B', {})

/** So many peers that have sent a header, and from then on nothing but heartbeats. */
async function occupy(t: Test, port: number, count: number): Promise<Peer[]> {
  const peers: Peer[] = []
  for (let number = 0; number < count; number++) {
    const peer = await Peer.dial(t, port)
    await peer.write(senderOpening, header, beat)
    await peer.next('G')
    peers.push(peer)
  }
  return peers
}

t.test('lets an honest sender in where all places are kept by heartbeats', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'good.txt': 'good', out: {} })
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, { out, maxConnections: 20 })
  const peers = await occupy(t, receiver.port, 20)
  await receiver.events.until('connected', 20)
  await settle()
  const early = await Peer.dial(t, receiver.port)
  t.match((await early.next('R')).fields, { reason: 'busy', message: /20 connections already/ }, 'all of them move')
  early.finish()
  clock.advance(4_000)
  for (const peer of peers.slice(1)) await peer.write(frame('D', Buffer.alloc(1024)))
  await settle(20)
  clock.advance(2_000)
  t.match((await trySend(t, receiver.port, join(folder, 'good.txt'))).summary, { files: 1 })
  const message = 'it gave the place to another connection after 6 seconds without progress (--max-connections)'
  t.strictSame((await (peers[0] as Peer).next('R')).fields, { entry: null, reason: 'busy', message })
  t.match(receiver.events.of('refused').at(-1), { transfer: 1, name: 'never', reason: 'busy', message })
  t.notOk(
    peers.slice(1).some(({ frames }) => frames.some(({ type }) => type === 'R')),
    'the others keep their places',
  )
  for (const peer of peers) peer.socket.destroy()
  await receiver.stop()
  t.strictSame(filesIn(out), { 'good.txt': 'good' })
})

t.test('takes the place of one that has said nothing before that of a transfer', async (t) => {
  const clock = fakeClock(t)
  const receiver = await startReceiver(t, { out: t.testdir(), maxConnections: 2 })
  const [transfer] = (await occupy(t, receiver.port, 1)) as [Peer]
  await receiver.events.until('connected')
  clock.advance(1_000)
  const mute = await Peer.dial(t, receiver.port)
  await settle(20)
  clock.advance(6_000)
  const next = await Peer.dial(t, receiver.port)
  t.match((await mute.next('R')).fields, { reason: 'busy', message: /^it gave the place to another connection/ })
  t.match(await receiver.events.until('refused'), { transfer: 2, reason: 'busy' })
  next.finish(...transferFrames({ a: 'text' }))
  await next.next('S')
  t.notOk(transfer.frames.some(({ type }) => type === 'R'))
  for (const peer of [mute, transfer]) peer.socket.destroy()
  await receiver.stop()
})

t.test('lets another receiver in where one takes nothing', async (t) => {
  const clock = fakeClock(t)
  const path = join(t.testdir({ a: 'text' }), 'a')
  const sender = await startSender(t, [path], { maxConnections: 1, count: 2 })
  const idle = await Peer.dial(t, sender.port)
  await idle.write(receiverOpening)
  // Behind the last frame, the sender can say no more.
  await idle.next('F')
  await settle(20)
  clock.advance(6_000)
  const next = await Peer.dial(t, sender.port)
  idle.finish()
  t.match(await sender.events.until('failed'), { transfer: 1, code: 'refused', reason: 'busy' })
  await next.next('G')
  for (const peer of [idle, next]) peer.socket.destroy()
  await sender.stop()
})

t.test('limits the connections from one address', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir(), maxPerPeer: 2 })
  const peers = await occupy(t, receiver.port, 2)
  const third = await Peer.dial(t, receiver.port)
  const message = 'it has 2 connections from your address already (--max-per-peer)'
  t.strictSame((await third.next('R')).fields, { entry: null, reason: 'busy', message })
  third.finish()
  t.match(await receiver.events.until('refused'), { transfer: 3, reason: 'busy', message })
  for (const peer of peers) peer.socket.destroy()
  await receiver.stop()
})

t.test('resets whoever may not connect, without reading a byte', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, allowFrom: ['10.0.0.0/8', '::1'] })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(...transferFrames({ a: 'text' }))
  t.equal(await peer.ended, 'reset')
  t.equal(peer.received.length, 0, 'it is told nothing')
  const { refused } = { refused: await receiver.events.until('refused') }
  const message = 'this address may not connect (--allow-from)'
  t.match(refused, { transfer: 1, peer: /^127\.0\.0\.1:\d+$/, code: 'refused', reason: 'policy', message })
  await receiver.stop()
  t.strictSame(namesIn(out), [])
})

t.test('lets in whoever may connect, and does not count the others', async (t) => {
  const folder = t.testdir({ a: 'text', out: {} })
  const receiver = await startReceiver(t, {
    out: join(folder, 'out'),
    allowFrom: ['10.0.0.0/8', '127.0.0.1'],
    count: 1,
  })
  t.match((await trySend(t, receiver.port, join(folder, 'a'))).summary, { files: 1 })
  t.match((await receiver.ended).summary, { files: 1 })
  t.strictSame(receiver.events.of('refused'), [])
})

t.test('lets nobody in by an empty list', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir(), allowFrom: [] })
  t.equal(await (await Peer.dial(t, receiver.port)).ended, 'reset')
  await receiver.stop()
  t.equal(receiver.events.of('refused').length, 1)
})

t.test('counts many refusals instead of reporting each', async (t) => {
  const clock = fakeClock(t)
  const sender = await startSender(t, [join(t.testdir({ a: 'text' }), 'a')], { allowFrom: ['::1'] })
  const knock = async (times: number) => {
    for (let number = 0; number < times; number++) await (await Peer.dial(t, sender.port)).ended
  }
  await knock(15)
  t.equal(sender.events.of('failed').length, 10)
  clock.advance(10_000)
  const message =
    /^127\.0\.0\.1:\d+: this address may not connect \(--allow-from\) \(4 others before it were only counted\)$/
  t.match(sender.events.of('failed').slice(10), [
    { transfer: 15, code: 'refused', reason: 'policy', message, others: 4 },
  ])
  await knock(11)
  t.equal(sender.events.of('failed').length, 20)
  await sender.stop()
  const last = sender.events
    .of('failed')
    .filter(({ reason }) => reason === 'policy')
    .at(-1)
  t.match(last, { transfer: 26, message: /1 other before it was only counted/ }, 'the rest is told at the end')
})

t.test('ends when what it says about a stranger throws', async (t) => {
  const fault = new RangeError('the listener of events threw')
  const receiver = await startReceiver(t, {
    out: t.testdir(),
    allowFrom: [],
    onEvent: ({ event }) => {
      if (event === 'refused') throw fault
    },
  })
  await (await Peer.dial(t, receiver.port)).ended
  t.match((await receiver.ended).error, { code: 'internal', cause: fault })
})

t.test('does not start with what is no network', async (t) => {
  const { receive } = await import('../../dist/index.js')
  const receiving = receive({ port: 0, out: t.testdir(), allowFrom: ['10.0.0.0/'] })
  await t.rejects(receiving, { code: 'usage', message: /^--allow-from must be .* not "10\.0\.0\.0\/"$/ })
})
