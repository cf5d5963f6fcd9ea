/** The other direction: the sender listens and the receiver dials. What is promised is the same. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { startSender, tryReceive } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, transferFrames } from '../fixtures/peer-frames.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { unusedPlace } from '../fixtures/ports.ts'
import { stateOf } from '../fixtures/turns.ts'

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
  // Time stands still, so there is one progress event for the file.
  fakePerformanceNow(t)
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const received = await tryReceive(t, sender.port, { out: join(folder, 'out') })
  await sender.ended
  const names = (events: { event: string }[]) => events.map(({ event }) => event)
  t.strictSame(names(received.events.all), ['connected', 'progress', 'stored', 'ended', 'done'])
  t.match(received.events.of('connected'), [{ transfer: 1, peer: `127.0.0.1:${sender.port}` }])
  t.strictSame(names(sender.events.all), ['listening', 'connected', 'progress', 'sent', 'ended', 'done'])
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

t.test('lets the receiver be started first', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const place = await unusedPlace()
  const [host, port] = [place.host, Number(place.port)]
  const receiving = tryReceive(t, port, { host, out: join(folder, 'out'), wait: 600_000 })
  const sender = await startSender(t, [join(folder, 'a.txt')], { host, port })
  t.match((await receiving).summary, { files: 1 })
  t.match((await sender.ended).summary, { files: 1 })
})

t.test('takes a transfer that was on its way before the receiver was ready to read', async (t) => {
  const listener = await listenAsPeer(t, (peer) => peer.finish(...transferFrames({ 'a.txt': 'text' })))
  const out = t.testdir()
  t.match((await tryReceive(t, listener.port, { out })).summary, { files: 1 })
  t.strictSame(filesIn(out), { 'a.txt': 'text' })
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
