/** Sending without the protocol: bytes and then the end, which nobody confirms. A failure must not look like that end. */
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { fakeClock, passUntil } from '../fixtures/clock.ts'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest } from '../fixtures/peer-frames.ts'
import { stateOf } from '../fixtures/turns.ts'

const plain = true
const text = 'some bytes, and then the end'

t.test('sends the bytes of a file and then the end', async (t) => {
  const content = bytesOf(1_048_576 + 7)
  const folder = t.testdir({ 'file.bin': content })
  const came = gate()
  let received: Buffer = Buffer.alloc(0)
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.ended
    received = peer.received
    came.open()
    peer.finish('thanks')
  })
  const sent = await trySend(t, listener.port, join(folder, 'file.bin'), { plain })
  await came.opened
  t.ok(received.equals(content))
  t.match(sent.summary, { files: 1, bytes: content.length })
  t.match(sent.events.of('sent'), [{ storedAs: '', verified: false, blake3: digest(content), size: content.length }])
})

t.test('waits two seconds at most for a peer that does not close', async (t) => {
  const folder = t.testdir({ 'file.txt': text })
  const listener = await listenAsPeer(t, () => {})
  t.match((await trySend(t, listener.port, join(folder, 'file.txt'), { plain })).summary, { files: 1 })
})

t.test('counts the time until everything was handed over, and not the wait for the peer to close', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'file.txt': text })
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.ended
    clock.advance(1_500)
    peer.finish()
  })
  const sent = await trySend(t, listener.port, join(folder, 'file.txt'), { plain })
  t.match(sent.events.of('sent'), [{ seconds: 0 }])
  t.match(sent.events.of('ended'), [{ seconds: 1.5 }])
})

t.test('fails when the other side resets the connection, also after the last byte', async (t) => {
  const folder = t.testdir({ 'file.txt': text })
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.ended
    await peer.reset()
  })
  const sent = await trySend(t, listener.port, join(folder, 'file.txt'), { plain })
  t.match(sent.error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
  t.strictSame(sent.events.of('sent'), [])
})

t.test('resets the connection when the source fails, is not what was expected, or is interrupted', async (t) => {
  const sending = new AbortController()
  const sources = {
    'local-file': (stream: PassThrough) => void stream.destroy(new Error('the producer died')),
    incomplete: (stream: PassThrough) => void stream.end(),
    interrupted: () => sending.abort(),
  }
  for (const [code, spoil] of Object.entries(sources)) {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out, plain })
    const stream = new PassThrough()
    stream.write(bytesOf(5_000))
    const [expect, { signal }] = [{ size: 10_000 }, sending]
    const sent = trySend(t, receiver.port, [{ stream, name: 'pipe' }], { plain, expect, signal })
    await receiver.events.until('progress')
    spoil(stream)
    t.match((await sent).error, { code })
    t.ok(stream.destroyed)
    // It shows as soon as the receiver is done with the connection, whatever it took it for.
    await Promise.race([receiver.events.until('failed'), receiver.events.until('stored')])
    t.match(receiver.events.of('failed'), [{ code: 'incomplete', reason: 'broken' }])
    await receiver.stop()
    t.strictSame(namesIn(out), [], code)
  }
})

t.test('gives up on a peer that takes nothing', async (t) => {
  const clock = fakeClock(t)
  const listener = await listenAsPeer(t, (peer) => peer.socket.pause())
  const endless = Readable.from(
    (function* () {
      for (;;) yield bytesOf(1_048_576)
    })(),
  )
  const connected = gate()
  const onEvent = ({ event }: { event: string }) => event === 'connected' && connected.open()
  const sending = trySend(t, listener.port, [{ stream: endless, name: 'endless' }], { plain, onEvent })
  await connected.opened
  await passUntil(clock, sending)
  const sent = await sending
  t.match(sent.error, { code: 'timeout', exitCode: 9 })
})

t.test('listens as a sender, for whoever connects', async (t) => {
  const folder = t.testdir({ 'file.txt': text, out: {} })
  const sender = await startSender(t, [join(folder, 'file.txt')], { plain, count: 2 })
  const peer = await Peer.dial(t, sender.port)
  t.equal(await peer.ended, 'end')
  t.equal(peer.received.toString(), text)
  peer.finish()
  const out = join(folder, 'out')
  const received = await tryReceive(t, sender.port, { out, plain, name: 'copy.txt' })
  t.match(received.summary, { files: 1, bytes: text.length })
  t.match((await sender.ended).summary, { files: 2 })
  t.strictSame(filesIn(out), { 'copy.txt': text })
})

t.test('refuses a receiver too many, and ends with its one stream', async (t) => {
  const stream = new PassThrough()
  stream.write(bytesOf(2_000))
  const sender = await startSender(t, [{ stream, name: 'pipe' }], { plain })
  const first = await Peer.dial(t, sender.port)
  await first.bytes(1_024)
  const second = await Peer.dial(t, sender.port)
  t.equal(await second.ended, 'reset')
  t.equal(await stateOf(sender.ended), 'pending')
  await first.reset()
  t.match((await sender.ended).error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
})
