/** How many connections a transfer gets: what both sides want, what the path is like, and what the other side knows. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import t, { type Test } from 'tap'
import type { ReceiveOptions, SendOptions } from '../../dist/index.js'
import { receive, send } from '../../dist/index.js'
import { firstStreams, grow } from '../../dist/transfer/streams.js'
import { Endless } from '../fixtures/endless.ts'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, folders } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { frame, sha256 } from '../fixtures/peer-frames.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { replaceProperty } from '../fixtures/replace-property.ts'
import { Roads } from '../fixtures/roads.ts'

const content = bytesOf(3 * 1024 * 1024 + 17)

/** A file from end to end over a proxy. Returns how many connections that took, and what both sides say of it. */
async function connectionsOf(
  t: Test,
  { sender = {}, receiver = {} }: { sender?: Partial<SendOptions>; receiver?: Partial<ReceiveOptions> },
) {
  const { out, path } = folders(t, { 'file.bin': content })
  const listener = await startReceiver(t, { out, count: 1, ...receiver })
  const roads = await Roads.to(t, listener.port)
  const sent = await trySend(t, roads.port, path('file.bin'), sender)
  t.equal(sent.error, undefined)
  t.equal((await listener.ended).error, undefined)
  t.ok(readFileSync(join(out, receiver.name ?? 'file.bin')).equals(content))
  const said = [sent, listener].map(({ events }) => events.of('ended')[0]?.connections)
  return { roads: roads.all.length, said, refused: listener.events.of('refused') }
}

const one = { roads: 1, said: [undefined, undefined], refused: [] }

t.test('is one if a side wants no more, without the protocol, and with a limit of the receiver', async (t) => {
  t.strictSame(await connectionsOf(t, { sender: { streams: 1 }, receiver: { streams: 8 } }), one)
  t.strictSame(await connectionsOf(t, { sender: { streams: 8 }, receiver: { streams: 1 } }), one)
  t.strictSame(await connectionsOf(t, { sender: { streams: 8 }, receiver: { limit: 1e9 } }), one)
  t.strictSame(await connectionsOf(t, { sender: { plain: true }, receiver: { plain: true, name: 'file.bin' } }), one)
})

t.test('is one on a short path', async (t) => {
  t.strictSame(await connectionsOf(t, {}), one)
})

t.test('is at most what the receiver allows, whoever dials', async (t) => {
  for (const isReverse of [false, true]) {
    const { out } = folders(t)
    const endless = new Endless()
    const sources = [{ stream: endless.stream, name: 'pipe' }]
    const listener = isReverse
      ? await startSender(t, sources, { streams: 4 })
      : await startReceiver(t, { out, count: 1, streams: 2 })
    const roads = await Roads.to(t, listener.port)
    void roads.loaded(2).then(() => endless.end())
    const dialler = isReverse
      ? await tryReceive(t, roads.port, { out, streams: 2 })
      : await trySend(t, roads.port, sources, { streams: 4 })
    t.equal(dialler.error, undefined)
    t.equal((await listener.ended).error, undefined)
    t.match(dialler.events.of('ended'), [{ connections: 2 }])
    t.match(listener.events.of('ended'), [{ connections: 2 }])
    t.strictSame(listener.events.of('refused'), [], 'nobody is told of connections that are too many')
    t.equal(sha256(readFileSync(join(out, 'pipe'))), endless.sha256())
  }
})

/** Every round trip takes so long, as far as this process can tell. */
function longPath(t: Test, milliseconds: number): void {
  const value = () => ({ idle: milliseconds, active: 0, utilization: 0 })
  replaceProperty(t, performance, 'eventLoopUtilization', { value })
}

t.test('is several on a long path, whoever dials', async (t) => {
  longPath(t, 30)
  for (const isReverse of [false, true]) {
    const { out } = folders(t)
    const endless = new Endless()
    const sources = [{ stream: endless.stream, name: 'pipe' }]
    const listener = isReverse ? await startSender(t, sources) : await startReceiver(t, { out, count: 1 })
    const roads = await Roads.to(t, listener.port)
    void roads.loaded(5).then(() => endless.end())
    const dialler = isReverse ? await tryReceive(t, roads.port, { out }) : await trySend(t, roads.port, sources)
    t.equal(dialler.error, undefined)
    t.equal((await listener.ended).error, undefined)
    t.match(dialler.events.of('ended'), [{ connections: 5 }])
    t.match(listener.events.of('ended'), [{ connections: 5 }])
  }
})

t.test('is one on a long path, too, for little data', async (t) => {
  longPath(t, 30)
  const { out, path } = folders(t, { small: 'small', smaller: 'smaller' })
  const receiver = await startReceiver(t, { out, count: 1 })
  const sent = await trySend(t, receiver.port, [path('small'), path('smaller'), { text: 'hello' }])
  t.equal(sent.error, undefined)
  t.equal(sent.events.of('ended')[0]?.connections, undefined)
})

/** A receiver of the test's own, which dials. Returns the fields of the sender's answer to its greeting. */
async function answerTo(t: Test, greeting: object): Promise<Peer> {
  const sender = await startSender(t, [{ stream: new Endless().stream, name: 'pipe' }])
  const peer = await Peer.dial(t, sender.port)
  await peer.next('G')
  await peer.write('tcp-recv', frame('G', { version: 1, ...greeting }))
  return peer
}

t.test('a listening sender believes the shorter of the times that it has measured and was told', async (t) => {
  longPath(t, 60)
  const told = await answerTo(t, { features: ['bundle'], rtt: 31 })
  t.strictSame((await told.next('U')).fields, { connections: 6 })
  const measured = await answerTo(t, { features: ['bundle'], rtt: 1000 })
  t.strictSame((await measured.next('U')).fields, { connections: 10 })
  const untold = await answerTo(t, { features: ['bundle'] })
  t.strictSame((await untold.next('U')).fields, { connections: 10 })
  const unable = await answerTo(t, { features: [] })
  t.match((await unable.next('H')).fields, { name: 'pipe' })
  const short = await answerTo(t, { features: ['bundle'], rtt: 4 })
  t.match((await short.next('H')).fields, { name: 'pipe' })
})

t.test('several are wrong usage without the protocol, on either side', async (t) => {
  const usage = { code: 'usage', message: /plain does not go with them/ }
  await t.rejects(send({ port: 1, sources: [{ text: 'x' }], streams: 2, plain: true }), usage)
  await t.rejects(receive({ port: 0, out: t.testdir(), streams: 2, plain: true }), usage)
})

t.test('auto begins with more connections the longer the path is', async (t) => {
  const begins = [0, 4.9, 5, 12, 12.1, 30, 96, 500, Number.POSITIVE_INFINITY].map((rtt) => firstStreams('auto', rtt))
  t.strictSame(begins, [1, 1, 2, 2, 3, 5, 16, 16, 16])
  t.equal(firstStreams(3, 0), 3)
})

/** What `grow` makes of a bundle that is as fast as `rates` says, one after the other, in bytes per millisecond. */
async function grown(t: Test, rates: readonly (number | null)[], first: { count: number; rtt: number }) {
  const clock = fakePerformanceNow(t)
  const bundle = { arrived: 0, isFull: true }
  const [counts, pauses]: [number[], number[]] = [[], []]
  const add = (count: number) => void counts.push(count)
  await grow(bundle, first, add, async (milliseconds) => {
    pauses.push(milliseconds)
    const rate = rates[Math.floor((pauses.length - 1) / 2)]
    clock.pass(milliseconds)
    bundle.isFull = rate !== null
    bundle.arrived += (rate ?? 1) * milliseconds
    return rate !== undefined
  })
  return { counts, pauses }
}

t.test('auto doubles its connections as long as that helps', async (t) => {
  t.strictSame((await grown(t, [10, 12, 20, 99], { count: 2, rtt: 1 })).counts, [4, 8, 16], 'until there are enough')
  t.strictSame((await grown(t, [10, 12, 13, 99], { count: 2, rtt: 1 })).counts, [4, 8], 'until it helps no more')
  t.strictSame(
    (await grown(t, [10, null, null, 20, 21], { count: 3, rtt: 1 })).counts,
    [6, 12],
    'not for a slow source',
  )
  t.strictSame((await grown(t, [10], { count: 2, rtt: 1 })).counts, [4], 'until it has ended')
  t.strictSame((await grown(t, [], { count: 16, rtt: 1 })).pauses, [])
  t.strictSame((await grown(t, [1, 1], { count: 8, rtt: 200 })).pauses, [1000, 2000], 'some round trips')
})

t.test('a listening sender asks for more connections as long as that helps', async (t) => {
  longPath(t, 30)
  const sender = await startSender(t, [{ stream: new Endless().stream, name: 'pipe' }])
  const peer = await Peer.dial(t, sender.port)
  await peer.next('G')
  await peer.write('tcp-recv', frame('G', { version: 1, features: ['bundle'], rtt: 30 }), frame('U', {}))
  t.strictSame((await peer.next('U')).fields, { connections: 5 })
  const greeting = Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 1 })])
  await peer.write(frame('P', { offset: 0 }), frame('D', greeting))
  // Nothing of what it sends arrives, as far as it knows, so its connections are full.
  t.strictSame((await peer.next('U')).fields, { connections: 10 })
})

t.test('auto ends its measurement if the bundle ends in it', async (t) => {
  let pauses = 0
  await grow(
    { arrived: 0, isFull: true },
    { count: 2, rtt: 1 },
    () => t.fail(),
    async () => ++pauses < 2,
  )
  t.equal(pauses, 2)
})
