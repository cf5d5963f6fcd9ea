/** The other direction: the sender listens and the receiver dials. What is promised is the same. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { fakeClock } from '../fixtures/clock.ts'
import { startSender, tryReceive } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, frame, receiverOpening, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { unusedPlace } from '../fixtures/ports.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

t.test('carries files from a sender that listens to a receiver that dials', async (t) => {
  const content = bytesOf(3 * 1_048_576 + 1)
  const folder = t.testdir({ 'a.bin': content, 'b.txt': 'second', out: {} })
  const leftOpen = watchOpenFiles(folder)
  const sender = await startSender(t, [join(folder, 'a.bin'), join(folder, 'b.txt')])
  const received = await tryReceive(t, sender.port, { out: join(folder, 'out') })
  const sent = await sender.ended
  t.match(received.summary, { files: 2, bytes: content.length + 6 })
  t.match(sent.summary, { files: 2, bytes: content.length + 6 })
  t.ok(readFileSync(join(folder, 'out', 'a.bin')).equals(content))
  t.equal(readFileSync(join(folder, 'out', 'b.txt'), 'utf8'), 'second')
  t.match(sender.events.of('sent')[0], { storedAs: 'a.bin', blake3: digest(content), verified: true })
  t.match(received.events.of('stored')[0], { name: 'a.bin', blake3: digest(content), verified: true })
  t.strictSame(await leftOpen(), [])
})

t.test('reports the connection on both sides, once', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const received = await tryReceive(t, sender.port, { out: join(folder, 'out') })
  await sender.ended
  const names = (events: { event: string }[]) => events.map(({ event }) => event)
  t.strictSame(names(received.events.all), ['connected', 'progress', 'stored', 'done'])
  t.match(received.events.of('connected'), [{ transfer: 1, peer: `127.0.0.1:${sender.port}` }])
  t.strictSame(names(sender.events.all), ['listening', 'connected', 'progress', 'sent', 'done'])
  t.match(sender.events.of('connected'), [{ transfer: 1, peer: /^127\.0\.0\.1:\d+$/ }])
})

t.test('sends to as many receivers as it was asked to, at once or one after the other', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', one: {}, two: {}, three: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')], { count: 3 })
  const outs = ['one', 'two', 'three'].map((name) => join(folder, name))
  const [one, two] = outs.slice(0, 2).map((out) => tryReceive(t, sender.port, { out }))
  t.match([(await one)?.summary, (await two)?.summary], [{ files: 1 }, { files: 1 }])
  t.equal(await stateOf(sender.ended), 'pending')
  t.match((await tryReceive(t, sender.port, { out: outs[2] as string })).summary, { files: 1 })
  t.match((await sender.ended).summary, { files: 3, bytes: 12 })
  for (const out of outs) t.strictSame(filesIn(out), { 'a.txt': 'text' })
})

t.test('is not used up by a stray connection, and sends it nothing of the file', async (t) => {
  const folder = t.testdir({ 'a.txt': 'secret', out: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const scan = await Peer.dial(t, sender.port)
  scan.finish()
  await scan.closed
  const browser = await Peer.dial(t, sender.port)
  browser.finish('GET / HTTP/1.1\r\n\r\n')
  await browser.closed
  for (const stray of [scan, browser]) t.notMatch(stray.received.toString(), /secret|a\.txt/)
  t.match((await tryReceive(t, sender.port, { out: join(folder, 'out') })).summary, { files: 1 })
  t.match((await sender.ended).summary, { files: 1 })
  t.match(sender.events.of('failed'), [{ transfer: 2, reason: 'magic' }], 'the scan is not news')
})

t.test('closes a connection that does not greet in time', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'a.txt': 'text' })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const silent = await Peer.dial(t, sender.port)
  await silent.next('G')
  await until(() => clock.timers === 2)
  clock.advance(9_999)
  await settle()
  t.notOk(silent.isOver)
  clock.advance(1)
  t.match((await silent.next('A')).fields, { entry: null, code: 'timeout', reason: 'no greeting within 10 seconds' })
  silent.finish()
  t.match(await sender.events.until('failed'), { transfer: 1, code: 'timeout' })
  await sender.stop()
})

t.test('waits for the receiver of a broken transfer, and fails when none comes back in time', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'a.txt': 'text' })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const peer = await Peer.dial(t, sender.port)
  await peer.write(receiverOpening)
  await peer.next('F')
  peer.finish()
  await sender.events.until('failed')
  await until(() => clock.timers === 1)
  clock.advance(29_999)
  t.equal(await stateOf(sender.ended), 'pending')
  clock.advance(1)
  t.match((await sender.ended).error, {
    code: 'incomplete',
    exitCode: 6,
    message: /no receiver came back within 30 seconds$/,
  })
})

t.test('gives up when no receiver comes in time', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'a.txt': 'text' })
  const sender = await startSender(t, [join(folder, 'a.txt')], { wait: 60_000 })
  clock.advance(60_000)
  t.match((await sender.ended).error, { code: 'timeout', exitCode: 9, message: 'no receiver came within 60 seconds' })
})

t.test('ends with the failure of a stream, which cannot be read again', async (t) => {
  const stream = new PassThrough()
  stream.write(bytesOf(5_000))
  const sender = await startSender(t, [{ stream, name: 'pipe' }])
  const peer = await Peer.dial(t, sender.port)
  await peer.write(receiverOpening)
  await peer.next('D')
  await peer.reset()
  t.match((await sender.ended).error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
  t.equal(sender.events.of('failed').length, 1)
})

t.test('refuses a receiver too many', async (t) => {
  const sender = await startSender(t, [{ stream: new PassThrough(), name: 'pipe' }])
  const first = await Peer.dial(t, sender.port)
  await first.write(receiverOpening)
  await first.next('H')
  const second = await Peer.dial(t, sender.port)
  await second.write(receiverOpening)
  t.match((await second.next('A')).fields, { entry: null, code: 'busy' })
  second.finish()
  await sender.stop()
})

t.test('is refused by a receiver that dialled, and both fail', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const received = await tryReceive(t, sender.port, { out: join(folder, 'out'), accept: ['image/*'] })
  t.match(received.error, { code: 'refused', exitCode: 5, reason: 'type' })
  t.match(await sender.events.until('failed'), { name: 'a.txt', code: 'refused', reason: 'type' })
  await sender.stop()
  t.strictSame(namesIn(join(folder, 'out')), [])
})

t.test('fails a receiver that cannot connect', async (t) => {
  const { host, port } = await unusedPlace()
  const received = await tryReceive(t, Number(port), { host, out: t.testdir() })
  t.match(received.error, { code: 'connect', exitCode: 3 })
  t.match(received.events.all, [
    { event: 'failed', transfer: 0, code: 'connect' },
    { event: 'done', files: 0, exitCode: 3 },
  ])
})

t.test('lets the receiver be started first', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const place = await unusedPlace()
  const [host, port] = [place.host, Number(place.port)]
  const receiving = tryReceive(t, port, { host, out: join(folder, 'out'), wait: 30_000 })
  const sender = await startSender(t, [join(folder, 'a.txt')], { host, port })
  t.match((await receiving).summary, { files: 1 })
  t.match((await sender.ended).summary, { files: 1 })
})

t.test('fails a receiver that dialled whoever is not a sender', async (t) => {
  const cases: [Buffer | string, object][] = [
    ['SSH-2.0-x\r\n', { code: 'incomplete', reason: 'magic' }],
    ['tcp-recv', { code: 'incomplete', reason: 'magic' }],
    [senderOpening, { code: 'incomplete', reason: 'broken' }],
    ['', { code: 'incomplete', reason: 'broken' }],
    [Buffer.concat([senderOpening, frame('D', Buffer.from('x'))]), { code: 'incomplete', reason: 'protocol' }],
  ]
  for (const [words, wanted] of cases) {
    const out = t.testdir()
    const listener = await listenAsPeer(t, (peer) => peer.finish(words))
    const received = await tryReceive(t, listener.port, { out })
    t.match(received.error, { exitCode: 6, ...wanted })
    t.strictSame(namesIn(out), [])
  }
})

t.test('takes a transfer that was on its way before the receiver was ready to read', async (t) => {
  const listener = await listenAsPeer(t, (peer) => peer.finish(...transferFrames({ 'a.txt': 'text' })))
  const out = t.testdir()
  t.match((await tryReceive(t, listener.port, { out })).summary, { files: 1 })
  t.strictSame(filesIn(out), { 'a.txt': 'text' })
})

t.test('ends both sides when either is interrupted', async (t) => {
  for (const who of ['sender', 'receiver']) {
    const out = t.testdir()
    const controller = new AbortController()
    const stream = new PassThrough()
    stream.write(bytesOf(100_000))
    const sender = await startSender(t, [{ stream, name: 'pipe' }])
    const received = await tryReceive(t, sender.port, {
      out,
      signal: controller.signal,
      onEvent: ({ event }) => {
        if (event !== 'progress') return
        if (who === 'receiver') controller.abort()
        else void sender.stop()
      },
    })
    const sent = await sender.ended
    const [interrupted, other] = who === 'sender' ? [sent, received] : [received, sent]
    t.match(interrupted.error, { code: 'interrupted', exitCode: 130 }, who)
    const reason = who === 'sender' ? 'aborted' : 'interrupted'
    t.match(other.error, { code: 'incomplete', exitCode: 6, reason }, who)
    t.ok(stream.destroyed)
    t.strictSame(namesIn(out), [])
  }
})

t.test('is interrupted in the moment that it has connected', async (t) => {
  const controller = new AbortController()
  const listener = await listenAsPeer(t, () => {})
  const received = await tryReceive(t, listener.port, {
    out: t.testdir(),
    signal: controller.signal,
    onEvent: ({ event }) => {
      if (event === 'connected') controller.abort()
    },
  })
  t.match(received.error, { code: 'interrupted', exitCode: 130 })
})

t.test('sends a stream to one receiver only', async (t) => {
  const folder = t.testdir({ one: {}, two: {} })
  const sender = await startSender(t, [{ stream: Readable.from(['once']), name: 'stream' }], { count: 2 })
  t.match((await tryReceive(t, sender.port, { out: join(folder, 'one') })).summary, { files: 1 })
  const second = await tryReceive(t, sender.port, { out: join(folder, 'two') })
  await sender.stop()
  t.ok(second.error, 'an empty file is not the stream')
  t.strictSame(namesIn(join(folder, 'two')), [])
})
