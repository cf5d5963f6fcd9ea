/** Whoever else finds the port: other protocols, garbage, silence. The receiver says one line and goes on listening. */
import { randomBytes } from 'node:crypto'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { fakeClock } from '../fixtures/clock.ts'
import { type Listening, startReceiver } from '../fixtures/ends.ts'
import { filesIn } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { Peer } from '../fixtures/peer.ts'
import { frameHeader, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { settle, until } from '../fixtures/turns.ts'

/** A good sender, to see that the receiver still takes what it should. */
async function takesGoodOne(t: Test, receiver: Listening, out: string, others = {}): Promise<void> {
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(...transferFrames({ 'good.txt': 'good' }))
  t.match((await peer.next('S')).fields, { name: 'good.txt' })
  t.equal(await peer.ended, 'end')
  await receiver.stop()
  t.strictSame(filesIn(out), { 'good.txt': 'good', ...others })
}

const strangers: Record<string, Buffer | string> = {
  'a browser': 'GET / HTTP/1.1\r\nHost: example.org\r\n\r\n',
  'an ssh client': 'SSH-2.0-OpenSSH_9.6\r\n',
  'a mail client': 'EHLO example.org\r\n',
  'one byte that is wrong': 'x',
  'almost a sender': 'tcp-senD',
  'a receiver that dialled': 'tcp-recv',
  'control characters': '\x1b[1A\x1b]52;c;aGk=\x07\r\n\u009b',
  'zero bytes': Buffer.alloc(5_000),
  'random bytes': Buffer.concat([Buffer.from([0]), randomBytes(100_000)]),
}

for (const [who, words] of Object.entries(strangers)) {
  t.test(`answers ${who} with one line of text, and goes on listening`, async (t) => {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out })
    const leftOpen = watchOpenFiles(out)
    const peer = await Peer.dial(t, receiver.port)
    await peer.write(words)
    t.equal(await peer.ended, 'end')
    peer.finish()
    const answer = peer.received.toString()
    t.match(answer, /^This is tcp-recv, which takes files from tcp-send; .*\n$/)
    t.notMatch(answer.slice(0, -1), /\p{Cc}/u)
    await peer.closed
    t.match(await receiver.events.until('refused'), { transfer: 1, reason: 'magic' })
    t.equal(receiver.events.of('refused').length, 1)
    t.strictSame(await leftOpen(), [])
    await takesGoodOne(t, receiver, out)
  })
}

t.test('answers a TLS client at once, which fails cleanly', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const client = connectTls({ host: '127.0.0.1', port: receiver.port, rejectUnauthorized: false })
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => client.once('error', resolve))
  t.equal(error.code, 'ERR_SSL_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY', 'it hears that there is no key')
  t.match(await receiver.events.until('refused'), { code: 'key', reason: 'key', message: /this side has none/ })
  await takesGoodOne(t, receiver, out)
})

t.test('closes at the deadline for the first header, whatever came until then, and nobody else', async (t) => {
  const clock = fakeClock(t)
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, timeout: 30_000 })
  const running = await Peer.dial(t, receiver.port)
  const [opening, header, ...rest] = transferFrames({ 'running.txt': 'content' }) as [Buffer, Buffer, ...Buffer[]]
  await running.write(opening, header)
  await receiver.events.until('progress')
  await settle()
  const { timers } = clock
  const silent = await Peer.dial(t, receiver.port)
  const greeting = await Peer.dial(t, receiver.port)
  await greeting.write(senderOpening)
  await greeting.next('G')
  const started = await Peer.dial(t, receiver.port)
  await started.write(senderOpening, frameHeader('H', 50), '{"name":')
  await started.next('G')
  const slow = await Peer.dial(t, receiver.port)
  // Each connection has a clock of its own, the deadline and the watch over its progress.
  await until(() => clock.timers === timers + 12)

  clock.advance(5_000)
  await slow.write('t')
  await settle()
  clock.advance(4_999)
  await slow.write('c')
  await settle()
  for (const peer of [silent, greeting, started, slow]) t.notOk(peer.isOver)
  clock.advance(1)
  for (const peer of [silent, greeting, started, slow]) {
    const message = 'no complete header within 10 seconds'
    t.match((await peer.next('R')).fields, { entry: null, reason: 'timeout', message })
    t.equal(await peer.ended, 'end')
    peer.finish()
    await peer.closed
  }
  running.finish(...rest)
  t.match((await running.next('S')).fields, { name: 'running.txt' })
  await takesGoodOne(t, receiver, out, { 'running.txt': 'content' })
  t.match(receiver.events.of('refused'), Array(4).fill({ reason: 'timeout' }))
})

t.test('gives a sender that has sent its header all the time it needs', async (t) => {
  const clock = fakeClock(t)
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const peer = await Peer.dial(t, receiver.port)
  const [opening, header, ...rest] = transferFrames({ 'good.txt': 'good' }) as [Buffer, ...Buffer[]]
  await peer.write(opening, header as Buffer)
  await receiver.events.until('progress')
  for (let times = 0; times < 4; times++) {
    clock.advance(9_000)
    await peer.write(rest[times] ?? '')
    await settle()
  }
  peer.finish()
  t.match((await peer.next('S')).fields, { name: 'good.txt' })
  await peer.closed
  await receiver.stop()
  t.strictSame(filesIn(out), { 'good.txt': 'good' })
})

t.test('gives up a sender that goes silent in the middle, and tells it', async (t) => {
  const clock = fakeClock(t)
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, timeout: 20_000 })
  const peer = await Peer.dial(t, receiver.port)
  const [opening, header, data] = transferFrames({ 'half.txt': 'x'.repeat(5_000) }) as [Buffer, Buffer, Buffer]
  await peer.write(opening, header, data.subarray(0, 1_000))
  await receiver.events.until('progress')
  await settle()
  clock.advance(20_500)
  t.match((await peer.next('R')).fields, { entry: null, reason: 'timeout', message: 'no progress for 20 seconds' })
  peer.finish()
  t.match(await receiver.events.until('failed'), { name: 'half.txt', code: 'timeout', reason: 'timeout' })
  await takesGoodOne(t, receiver, out)
})

t.test('closes whoever is over the limit at once, while a running transfer finishes', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, maxConnections: 20 })
  const good = await Peer.dial(t, receiver.port)
  const [opening, ...rest] = transferFrames({ 'good.txt': 'good' }) as [Buffer, ...Buffer[]]
  await good.write(opening)
  await good.next('G')
  const crowd = await Promise.all(Array.from({ length: 200 }, () => Peer.dial(t, receiver.port)))
  const refused = crowd.slice(19)
  for (const peer of refused) {
    t.match((await peer.next('R')).fields, { entry: null, reason: 'busy' })
    peer.finish()
  }
  good.finish(...rest)
  t.match((await good.next('S')).fields, { name: 'good.txt' })
  for (const peer of crowd) peer.socket.destroy()
  await receiver.stop()
  const told = receiver.events.of('refused').filter(({ reason }) => reason === 'busy')
  t.equal(
    told.reduce((sum, { others = 0 }) => sum + 1 + others, 0),
    181,
  )
  t.strictSame(filesIn(out), { 'good.txt': 'good' })
})

t.test('does not count those that it has refused, however long they stay', async (t) => {
  // The second in which a refused peer may still read its answer does not pass.
  fakeClock(t)
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, maxConnections: 1 })
  const first = await Peer.dial(t, receiver.port)
  await first.write(senderOpening)
  await first.next('G')
  const refused = await Promise.all(Array.from({ length: 3 }, () => Peer.dial(t, receiver.port)))
  for (const peer of refused) t.match((await peer.next('R')).fields, { reason: 'busy' })
  await first.reset()
  await receiver.events.until('refused')
  await settle()
  const next = await Peer.dial(t, receiver.port)
  next.finish(...transferFrames({ 'good.txt': 'good' }))
  await next.closed
  t.strictSame(
    next.frames.map(({ type }) => type),
    ['G', 'S'],
  )
  for (const peer of refused) await peer.reset()
  await receiver.stop()
})
