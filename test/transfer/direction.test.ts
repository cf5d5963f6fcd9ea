/** A sender that listens: what uses up its count, what it says to whom, and who may come back. */
import { unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fakeClock } from '../fixtures/clock.ts'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { digest, frame, readFrames, receiverOpening } from '../fixtures/peer-frames.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

const secret = 'what only a receiver may see'

t.test('is not used up by a refusal, of which both ends are told', async (t) => {
  const folder = t.testdir({ 'a.txt': 'new', out: { 'a.txt': 'old' } })
  const out = join(folder, 'out')
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const refusing = await tryReceive(t, sender.port, { out, ifExists: 'fail' })
  t.match(refusing.error, { code: 'refused', exitCode: 5, reason: 'exists' })
  t.match(refusing.events.of('refused'), [{ name: 'a.txt', reason: 'exists' }])
  t.match(await sender.events.until('failed'), { transfer: 1, name: 'a.txt', code: 'refused', reason: 'exists' })
  const skipping = await tryReceive(t, sender.port, { out, ifExists: 'skip' })
  t.match(skipping.summary, { files: 0 }, 'for the receiver it is as it should be')
  t.match(await sender.events.until('failed', 2), { reason: 'skipped' }, 'for the sender it is not')
  t.equal(await stateOf(sender.ended), 'pending')
  t.match((await tryReceive(t, sender.port, { out })).summary, { files: 1 })
  t.match((await sender.ended).summary, { files: 1 })
  t.strictSame(filesIn(out), { 'a.txt': 'old', 'a_bak.txt': 'new' })
})

t.test('says no more than its greeting until the other side has greeted', async (t) => {
  const folder = t.testdir({ 'a.txt': secret })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const peer = await Peer.dial(t, sender.port)
  await peer.next('G')
  for (const byte of receiverOpening) {
    // Long enough for the file to be opened and sent, if it were.
    await settle(10)
    t.strictSame([peer.frames.length, peer.received.includes(secret)], [1, false])
    await peer.write(Buffer.from([byte]))
  }
  t.match((await peer.next('H')).fields, { name: 'a.txt' })
  t.match((await peer.next('D')).bytes.toString(), secret)
  await peer.next('F')
  peer.finish(frame('S', { entry: 0, name: 'a.txt', bytes: secret.length, blake3: digest(secret) }))
  t.match((await sender.ended).summary, { files: 1 })
})

/** Whoever finds the port: what they say, and the reason that the sender reports. */
const strangers: Record<string, { words: Buffer | string; reason: string }> = {
  'a browser': { words: 'GET /a.txt HTTP/1.1\r\nHost: example.org\r\n\r\n', reason: 'magic' },
  'a TLS client': { words: Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]), reason: 'key' },
  'an SSH client': { words: 'SSH-2.0-OpenSSH_9.6\r\n', reason: 'magic' },
  'almost a receiver': { words: 'tcp-recV', reason: 'magic' },
  'a receiver of a later version': {
    words: Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 2, '!more': 1 })]),
    reason: 'version',
  },
  'a receiver that does not greet': {
    words: Buffer.concat([Buffer.from('tcp-recv'), frame('S', { entry: 0, name: 'a.txt', bytes: 28 })]),
    reason: 'protocol',
  },
}

for (const [who, { words, reason }] of Object.entries(strangers)) {
  t.test(`gives nothing to ${who}, and goes on waiting`, async (t) => {
    const folder = t.testdir({ 'a.txt': secret, out: {} })
    const sender = await startSender(t, [join(folder, 'a.txt')])
    const stranger = await Peer.dial(t, sender.port)
    await stranger.write(words)
    const last = await stranger.next('A')
    t.match(last.fields, { entry: null, reason })
    t.equal(await stranger.ended, 'end')
    stranger.finish()
    t.strictSame(
      stranger.frames.map(({ type }) => type),
      ['G', 'A'],
    )
    t.match(await sender.events.until('failed'), { transfer: 1, reason })
    t.equal(await stateOf(sender.ended), 'pending')
    t.match((await tryReceive(t, sender.port, { out: join(folder, 'out') })).summary, { files: 1 })
    t.match((await sender.ended).summary, { files: 1 })
  })
}

t.test('tells a sender that dialled it that both are senders', async (t) => {
  const folder = t.testdir({ 'a.txt': secret })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const other = await trySend(t, sender.port, join(folder, 'a.txt'))
  t.match(other.error, { code: 'incomplete', exitCode: 6, reason: 'magic' })
  t.match(other.error?.message, 'the other side is a sender, as this side is')
  t.match(await sender.events.until('failed'), { reason: 'magic', message: /a sender, as this side is/ })
  t.match((await sender.stop()).error, { code: 'interrupted' })
})

t.test('gives up both ends when both are receivers, each of which waits for the other', async (t) => {
  const clock = fakeClock(t)
  const receiver = await startReceiver(t, { out: t.testdir({ out: {} }) })
  const dialling = tryReceive(t, receiver.port, { out: join(t.testdirName, 'out') })
  // Each has the clock of its channel, the deadline for the first header and the watch over its progress.
  await until(() => clock.timers === 6)
  clock.advance(10_000)
  t.match((await dialling).error, { exitCode: 9, code: 'timeout' })
  await receiver.stop()
})

t.test('greets a connection over the limit before it says that it is busy', async (t) => {
  const folder = t.testdir({ 'a.txt': secret, out: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')], { maxConnections: 1 })
  const first = await Peer.dial(t, sender.port)
  await first.next('G')
  const second = await Peer.dial(t, sender.port)
  await second.write(receiverOpening)
  await second.ended
  const { magic, frames } = readFrames(second.received)
  t.equal(magic, 'tcp-send')
  t.strictSame(
    frames.map(({ type }) => type),
    ['G', 'A'],
  )
  t.match(frames[1]?.fields, { entry: null, reason: 'busy' })
  const third = await tryReceive(t, sender.port, { out: join(folder, 'out') })
  t.match(third.error?.message, 'it has 1 connections already')
  t.notMatch(second.received.toString(), secret)
  await sender.stop()
})

t.test('is content with a receiver that comes back in time', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const peer = await Peer.dial(t, sender.port)
  await peer.write(receiverOpening)
  await peer.next('F')
  await peer.reset()
  await sender.events.until('waiting')
  clock.advance(29_999)
  t.match((await tryReceive(t, sender.port, { out: join(folder, 'out') })).summary, { files: 1 })
  t.match((await sender.ended).summary, { files: 1 })
  t.match(sender.events.of('done'), [{ exitCode: 0 }])
})

t.test('sends the files that it can read, and fails for the others', async (t) => {
  const folder = t.testdir({ 'a.txt': 'hello', 'b.txt': 'bye', out: {} })
  const out = join(folder, 'out')
  const sources = ['a.txt', 'missing', 'b.txt'].map((name) => join(folder, name))
  const sender = await startSender(t, sources)
  t.match(sender.events.of('failed'), [{ transfer: 0, name: 'missing', code: 'local-file' }], 'before anybody came')
  t.match((await tryReceive(t, sender.port, { out })).summary, { files: 2 })
  t.match((await sender.ended).error, { code: 'local-file', exitCode: 8 })
  t.strictSame(filesIn(out), { 'a.txt': 'hello', 'b.txt': 'bye' })
})

t.test('sends a file as it is when the receiver comes, not as it was at the start', async (t) => {
  const folder = t.testdir({ 'a.txt': 'old', out: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  writeFileSync(join(folder, 'a.txt'), 'new and longer')
  t.match((await tryReceive(t, sender.port, { out: join(folder, 'out') })).summary, { files: 1, bytes: 14 })
  t.match((await sender.ended).summary, { files: 1, bytes: 14 })
  t.strictSame(filesIn(join(folder, 'out')), { 'a.txt': 'new and longer' })
})

t.test('does not let a receiver call it a success to have fetched nothing', async (t) => {
  const folder = t.testdir({ 'a.txt': 'hello', out: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')], { oneAttempt: true })
  unlinkSync(join(folder, 'a.txt'))
  const fetched = await tryReceive(t, sender.port, { out: join(folder, 'out') })
  t.match((await sender.ended).error, { code: 'local-file', exitCode: 8 })
  t.match(fetched.error, { exitCode: 6 })
  t.strictSame(namesIn(join(folder, 'out')), [])
})

t.test('keeps a message for a receiver that comes back', async (t) => {
  const sender = await startSender(t, [{ text: 'build 42 is up' }])
  const peer = await Peer.dial(t, sender.port)
  await peer.write(receiverOpening)
  await peer.next('H')
  await peer.reset()
  await sender.events.until('failed')
  await settle()
  t.equal(await stateOf(sender.ended), 'pending', 'unlike a stream it can be sent again')
  const back = await tryReceive(t, sender.port, { out: t.testdir() })
  t.match(back.events.of('message'), [{ text: 'build 42 is up' }])
  t.match((await sender.ended).error, undefined)
})
