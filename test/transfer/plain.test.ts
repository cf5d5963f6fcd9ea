/** Without the protocol: bytes until the end of the stream. A cut must never look like an end where we can help it. */
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { receive } from '../../dist/index.js'
import { fakeClock } from '../fixtures/clock.ts'
import { replaceDuring, systemError } from '../fixtures/disk.ts'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { Peer } from '../fixtures/peer.ts'
import { digest } from '../fixtures/peer-frames.ts'
import { settle, until } from '../fixtures/turns.ts'

const plain = true
const text = 'some bytes, and then the end'

t.test('stores all that comes until the end, under the name it was given, and does not call it verified', async (t) => {
  const out = t.testdir()
  const leftOpen = watchOpenFiles(out)
  const receiver = await startReceiver(t, { out, plain, name: 'backup.tar', count: 1 })
  const peer = await Peer.dial(t, receiver.port)
  const content = bytesOf(3 * 1_048_576 + 5)
  await peer.write(content.subarray(0, 1_000_000))
  peer.finish(content.subarray(1_000_000))
  t.equal(await peer.ended, 'end')
  t.equal(peer.received.length, 0, 'nothing is said')
  await peer.closed
  t.match((await receiver.ended).summary, { files: 1, bytes: content.length })
  const stored = { name: 'backup.tar', path: join(out, 'backup.tar'), size: content.length, verified: false }
  t.match(receiver.events.of('stored'), [
    { ...stored, blake3: digest(content), type: 'application/x-tar', transfer: 1 },
  ])
  t.strictSame(namesIn(out), ['backup.tar'])
  t.strictSame(await leftOpen(), [])
})

t.test('names what nobody named by its first bytes, and keeps what is there', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, plain, count: 4 })
  for (const content of [gzipSync('x'), Buffer.from('%PDF-1.7'), Buffer.from('plain'), Buffer.alloc(0)]) {
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(content)
    await peer.closed
  }
  await receiver.ended
  t.strictSame(namesIn(out), ['received', 'received.gz', 'received.pdf', 'received_bak'])
})

t.test('stores only what was expected, and calls that verified', async (t) => {
  const [size, blake3] = [text.length, digest(text)]
  for (const expect of [{ size }, { blake3 }, { size, blake3 }]) {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out, plain, name: 'file', expect, count: 1 })
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(text)
    t.match((await receiver.ended).summary, { files: 1 })
    t.match(receiver.events.of('stored'), [{ verified: true }])
    t.strictSame(filesIn(out), { file: text })
  }
  for (const [expect, wanted] of [
    [{ size: size + 1 }, { code: 'incomplete', exitCode: 6, reason: 'size' }],
    [{ blake3: digest('') }, { code: 'digest-mismatch', exitCode: 7, reason: 'digest' }],
  ] as const) {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out, plain, name: 'file', expect, oneAttempt: true })
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(text)
    t.equal(await peer.ended, 'reset', 'the other side can see that it failed')
    t.match((await receiver.ended).error, wanted)
    t.strictSame(namesIn(out), [])
  }
})

t.test('stores nothing of a connection that was reset', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, plain, oneAttempt: true })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(text)
  await receiver.events.until('progress')
  await peer.reset()
  t.match((await receiver.ended).error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
  t.strictSame(namesIn(out), [])
})

t.test(
  'resets the connection of who sends too much, goes silent, or must wait, and stores nothing of it',
  async (t) => {
    const clock = fakeClock(t)
    const out = t.testdir()
    const receiver = await startReceiver(t, { out, plain, maxSize: 100, maxConnections: 1 })
    const large = await Peer.dial(t, receiver.port)
    await large.write('x'.repeat(101))
    t.equal(await large.ended, 'reset')
    t.match(await receiver.events.until('refused'), { reason: 'too-large' })
    await settle()

    const silent = await Peer.dial(t, receiver.port)
    await silent.write('x')
    // The first one was that of the large file.
    await receiver.events.until('progress', 2)
    await settle(20)
    const third = await Peer.dial(t, receiver.port)
    t.equal(await third.ended, 'reset')
    t.match(await receiver.events.until('refused', 2), { reason: 'busy' })
    clock.advance(30_500)
    t.equal(await silent.ended, 'reset')
    t.match(await receiver.events.until('failed'), { code: 'timeout' })
    await receiver.stop()
    t.strictSame(namesIn(out), [])
  },
)

t.test('takes no more transfers at a time than it still wants', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, plain, name: 'file', count: 1 })
  const first = await Peer.dial(t, receiver.port)
  await first.write(text)
  await receiver.events.until('progress')
  const second = await Peer.dial(t, receiver.port)
  t.equal(await second.ended, 'reset')
  t.match(await receiver.events.until('refused'), { transfer: 2, reason: 'busy' })
  first.finish()
  t.match((await receiver.ended).summary, { files: 1 })
  t.strictSame(filesIn(out), { file: text })
})

t.test('resets the connection when the disk is full', async (t) => {
  const out = t.testdir()
  replaceDuring(t, 'writeSync', () => () => {
    throw systemError('ENOSPC', 'write')
  })
  const receiver = await startReceiver(t, { out, plain })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(text)
  t.equal(await peer.ended, 'reset')
  t.match(await receiver.events.until('failed'), { code: 'local-file', reason: 'no-space' })
  await receiver.stop()
  t.strictSame(namesIn(out), [])
})

t.test('does not lose patience with itself while it makes a file durable', async (t) => {
  const clock = fakeClock(t)
  const [reached, syncing] = [gate(), gate()]
  replaceDuring(t, 'fsync', (fsync) => async (fd) => {
    reached.open()
    await syncing.opened
    await fsync(fd)
  })
  const receiver = await startReceiver(t, { out: t.testdir(), plain, count: 1 })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(text)
  await reached.opened
  clock.advance(60_000)
  syncing.open()
  t.equal(await peer.ended, 'end', 'it was not reset')
  t.match((await receiver.ended).summary, { files: 1 })
})

t.test('reports a sender, or a receiver, that connected', async (t) => {
  const folder = t.testdir({ 'file.txt': text, out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), plain, count: 1 })
  await trySend(t, receiver.port, join(folder, 'file.txt'), { plain })
  await receiver.ended
  t.match(receiver.events.of('connected'), [{ transfer: 1, peer: /^127/ }])
  const sender = await startSender(t, [join(folder, 'file.txt')], { plain })
  await tryReceive(t, sender.port, { out: join(folder, 'out'), plain })
  await sender.ended
  t.match(sender.events.of('connected'), [{ transfer: 1, peer: /^127/ }])
})

t.test('passes a plain stream on to an output stream', async (t) => {
  const output = new PassThrough()
  const receiver = await startReceiver(t, { out: output, plain })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(text)
  t.match((await receiver.ended).summary, { files: 1 })
  t.equal(String(output.read()), text)
})

t.test('ends at once with what broke a plain transfer into an output stream', async (t) => {
  const output = new PassThrough()
  const receiver = await startReceiver(t, { out: output, plain })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(text)
  await until(() => output.readableLength > 0)
  await peer.reset()
  t.match((await receiver.ended).error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
})

t.test('does not start with a name under which it could store nothing', async (t) => {
  const hidden = { port: 0, host: '127.0.0.1', out: t.testdir(), plain, name: '.hidden' }
  const message = /^no file can be stored under that name: it begins with a dot/
  await t.rejects(receive(hidden), { code: 'usage', message })
  const receiver = await startReceiver(t, { out: t.testdir(), plain, name: '.hidden', allowHidden: true, count: 1 })
  ;(await Peer.dial(t, receiver.port)).finish(text)
  t.match((await receiver.ended).summary, { files: 1 })
})

t.test('refuses a file under the name that it was given', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir(), plain, name: 'given.txt', maxSize: 1 })
  await (await Peer.dial(t, receiver.port)).write(text)
  t.match(await receiver.events.until('refused'), { name: 'given.txt', reason: 'too-large' })
  await receiver.stop()
})
