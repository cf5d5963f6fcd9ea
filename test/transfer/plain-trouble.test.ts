/** Plain transfers that go wrong, or take their time: what looks like an end must be one. */
import { appendFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { PlainSenderLink } from '../../dist/links/plain-sender-link.js'
import { FileSource } from '../../dist/sources/file-source.js'
import { Sender } from '../../dist/transfer/sender.js'
import { SenderSession } from '../../dist/transfer/sender-session.js'
import { TransferReport } from '../../dist/transfer/transfer-report.js'
import { fakeClock } from '../fixtures/clock.ts'
import { replaceDuring } from '../fixtures/disk.ts'
import { Events, startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { makeFifo } from '../fixtures/special-files.ts'
import { settle, until } from '../fixtures/turns.ts'

const plain = true

t.test('waits for a slow producer as long as it takes: that is no stall of the other side', async (t) => {
  const clock = fakeClock(t)
  const stream = new PassThrough()
  stream.write('x'.repeat(1024))
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.bytes(1024)
    clock.advance(60_000)
    stream.end('the end')
    await peer.ended
    t.equal(peer.received.toString(), `${'x'.repeat(1024)}the end`)
    peer.finish()
  })
  const sent = await trySend(t, listener.port, [{ stream, name: 'pipe' }], { plain, timeout: 30_000 })
  t.match(sent.summary, { files: 1, bytes: 1031 })
})

t.test('takes a reset for no end, also where the last bytes come together with it', async (t) => {
  for (const size of [1, 5_000, 100_000]) {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out, plain, oneAttempt: true })
    const peer = await Peer.dial(t, receiver.port)
    await peer.write('x')
    await receiver.events.until('progress')
    // The event loop does not go around between the two, so that the receiver finds both at once.
    await peer.write(bytesOf(size))
    await peer.reset()
    t.match((await receiver.ended).error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
    t.strictSame(namesIn(out), [], `${size} bytes`)
  }
})

t.test('reports the loss of a connection that has brought nothing with the name of its file', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, plain, oneAttempt: true })
  const peer = await Peer.dial(t, receiver.port)
  await receiver.events.until('connected')
  await peer.reset()
  t.match((await receiver.ended).error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
  t.match(receiver.events.of('failed'), [{ transfer: 1, name: 'received', code: 'incomplete' }])
  t.strictSame(namesIn(out), [])
})

t.test('resets the connection when the file changes while it is sent, and nothing is stored', async (t) => {
  const changed = { code: 'local-file', exitCode: 8, reason: 'changed' }
  const reset = { code: 'incomplete', exitCode: 6, reason: 'broken' }
  for (const who of ['sender', 'receiver']) {
    // More than the kernels take before the other side reads: it must have connected by then.
    const folder = t.testdir({ 'file.bin': bytesOf(12_000_000), out: {} })
    const [path, out] = [join(folder, 'file.bin'), join(folder, 'out')]
    const onEvent = ({ event }: { event: string }) => {
      if (event === 'progress') appendFileSync(path, 'more')
    }
    if (who === 'sender') {
      const receiver = await startReceiver(t, { out, plain, oneAttempt: true })
      t.match((await trySend(t, receiver.port, path, { plain, onEvent })).error, changed)
      t.match((await receiver.ended).error, reset)
    } else {
      const sender = await startSender(t, [path], { plain, onEvent })
      t.match((await tryReceive(t, sender.port, { out, plain })).error, reset)
      t.match(await sender.events.until('failed'), { code: 'local-file', reason: 'changed' })
      await sender.stop()
    }
    t.strictSame(namesIn(out), [], `the ${who} dialled`)
  }
})

t.test('refuses a name of its own user that cannot be stored, and stores nothing', async (t) => {
  for (const name of ['../evil', 'a/b', '.bashrc', '', 'two\nlines', '\u202etxt.exe', '.tcp-recv', 'x'.repeat(256)]) {
    const folder = t.testdir({ 'file.txt': 'text', out: {} })
    const out = join(folder, 'out')
    const sender = await startSender(t, [join(folder, 'file.txt')], { plain })
    const fetched = await tryReceive(t, sender.port, { out, plain, name })
    t.ok(fetched.error, JSON.stringify(name))
    t.strictSame(fetched.events.of('stored'), [])
    await sender.stop()
    t.strictSame(namesIn(folder), ['file.txt', 'out'])
    t.strictSame(namesIn(out), [])
  }
})

t.test('takes a hidden name where that is allowed', async (t) => {
  const folder = t.testdir({ 'file.txt': 'text', out: {} })
  const sender = await startSender(t, [join(folder, 'file.txt')], { plain })
  const options = { out: join(folder, 'out'), plain, name: '.bashrc', allowHidden: true }
  t.match((await tryReceive(t, sender.port, options)).summary, { files: 1 })
  await sender.ended
  t.strictSame(filesIn(join(folder, 'out')), { '.bashrc': 'text' })
})

t.test('does what it was told when the name is taken', async (t) => {
  for (const [ifExists, files] of [
    ['backup', { 'a.txt': 'old', 'a_bak.txt': 'new' }],
    ['overwrite', { 'a.txt': 'new' }],
    ['fail', { 'a.txt': 'old' }],
  ] as const) {
    const out = t.testdir({ 'a.txt': 'old' })
    const receiver = await startReceiver(t, { out, plain, name: 'a.txt', ifExists })
    const peer = await Peer.dial(t, receiver.port)
    peer.finish('new')
    t.equal(await peer.ended, ifExists === 'fail' ? 'reset' : 'end')
    await receiver.stop()
    t.strictSame(filesIn(out), files)
  }
})

t.test('is content to skip what it has already, as with the protocol', async (t) => {
  const folder = t.testdir({ 'a.txt': 'new', out: { 'a.txt': 'old' } })
  const out = join(folder, 'out')
  const sender = await startSender(t, [join(folder, 'a.txt')], { plain, oneAttempt: true })
  const fetched = await tryReceive(t, sender.port, { out, plain, name: 'a.txt', ifExists: 'skip' })
  t.match(fetched.error, undefined)
  t.match((await sender.ended).error, { code: 'incomplete', reason: 'broken' }, 'the sender cannot know why')
  t.strictSame(filesIn(out), { 'a.txt': 'old' })
})

t.test('leaves nothing when a sender, or a receiver, is interrupted in the middle', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, plain, count: 1 })
  const stream = new PassThrough()
  stream.write(bytesOf(5_000))
  const sending = trySend(t, receiver.port, [{ stream, name: 'pipe' }], { plain })
  await receiver.events.until('progress')
  t.match((await receiver.stop()).error, { code: 'interrupted', exitCode: 130 })
  t.match((await sending).error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
  t.ok(stream.destroyed, 'its producer learns of it')
  t.strictSame(namesIn(out), [])
})

/** A connection whose kernels can take no more, so that what is written now stays in this process. */
async function stuffed(t: Test) {
  const peers: Peer[] = []
  const { port } = await listenAsPeer(t, (peer) => {
    peer.socket.pause()
    peers.push(peer)
  })
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  t.teardown(() => void socket.destroy())
  await new Promise((resolve) => socket.once('connect', resolve))
  while (socket.writableLength === 0) {
    socket.write(bytesOf(1_048_576))
    await settle(20)
  }
  return { socket, peer: peers[0] as Peer }
}

for (const isSilent of [true, false]) {
  const who = isSilent ? 'that has said nothing' : 'that has ended its own direction before'
  t.test(`fails when the connection is reset with bytes still on their way, by a peer ${who}`, async (t) => {
    const { socket, peer } = await stuffed(t)
    const stuffing = socket.writableLength
    const path = join(t.testdir({ 'file.txt': 'text' }), 'file.txt')
    const events = new Events()
    const source = new FileSource(path)
    await source.inspect()
    const report = new TransferReport({ onEvent: events.add, transfer: 1, peer: 'x' })
    const sender = new Sender({ entries: source.entries(), report, expect: {}, allowUnverified: true })
    const running = new SenderSession(sender, new PlainSenderLink(socket, 30_000)).run()
    if (!isSilent) {
      const ended = new Promise((resolve) => socket.once('end', resolve))
      peer.finish()
      await ended
    }
    // All was written, only not yet to the kernel.
    await until(() => socket.writableLength > stuffing)
    await peer.reset()
    t.match(await running, { files: 0, failure: { code: 'incomplete', reason: 'broken' } })
    t.strictSame(events.of('sent'), [])
  })
}

t.test('resets the connection when the file has gone, since an end would look like an empty file', async (t) => {
  const folder = t.testdir({ 'file.txt': 'text', out: {} })
  const [path, out] = [join(folder, 'file.txt'), join(folder, 'out')]
  const receiver = await startReceiver(t, { out, plain, count: 1, timeout: 50 })
  const onEvent = ({ event }: { event: string }) => {
    if (event === 'connected') rmSync(path)
  }
  const { error, events } = await trySend(t, receiver.port, path, { plain, onEvent })
  t.match(error, { code: 'local-file', message: /no such file/ })
  t.match(events.of('failed'), [{ transfer: 1, name: 'file.txt', code: 'local-file' }])
  t.equal(events.of('failed').length, 1, 'it is reported once')
  t.match((await receiver.ended).error, { code: 'incomplete', reason: 'broken' })
  t.strictSame(namesIn(out), [])
})

t.test('fails when the receiver resets after it took everything', async (t) => {
  const sender = await startSender(t, [{ stream: Readable.from(['text']), name: 'pipe' }], { plain })
  const peer = await Peer.dial(t, sender.port)
  t.equal(await peer.ended, 'end')
  t.equal(peer.received.toString(), 'text')
  await peer.reset()
  t.match((await sender.ended).error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
  t.strictSame(sender.events.of('sent'), [])
})

t.test('does not wait for the writer of a pipe that was opened after the connection had failed', async (t) => {
  const path = join(t.testdir(), 'fifo')
  makeFifo(path)
  const [opening, reached] = [gate(), gate()]
  replaceDuring(t, 'open', (open) => async (...args) => {
    reached.open()
    await opening.opened
    return await open(...args)
  })
  const controller = new AbortController()
  const listener = await listenAsPeer(t, () => {})
  const sending = trySend(t, listener.port, path, { plain, signal: controller.signal })
  await reached.opened
  controller.abort()
  opening.open()
  const { error, events } = await sending
  t.match(error, { code: 'interrupted', exitCode: 130 })
  t.match(events.of('failed'), [{ transfer: 1, name: 'fifo', code: 'interrupted' }])
})
