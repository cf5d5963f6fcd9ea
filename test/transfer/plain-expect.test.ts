/** A plain receiver that knows the size beforehand: what is wrong ends at once, and what is right needs no end. */
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { fakeClock } from '../fixtures/clock.ts'
import { replaceDuring } from '../fixtures/disk.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { Peer } from '../fixtures/peer.ts'
import { digest } from '../fixtures/peer-frames.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

const plain = true
const text = 'some bytes'
const size = text.length
const wrongSize = { code: 'incomplete', exitCode: 6, reason: 'size' }

t.test('fails at the first byte too many, though the stream never ends', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, plain, name: 'file', expect: { size: 5_000 } })
  for (const pieces of [[5_001], [5_000, 1], [1, 5_000], [100_000]]) {
    const peer = await Peer.dial(t, receiver.port)
    for (const piece of pieces) await peer.write(bytesOf(piece))
    t.equal(await peer.ended, 'reset', `${pieces} bytes`)
  }
  await receiver.stop()
  t.strictSame(namesIn(out), [])
  const message = 'file has more than the 5000 bytes that were expected'
  t.match(
    receiver.events.of('failed').slice(0, 4),
    Array(4).fill({ ...{ code: 'incomplete', reason: 'size' }, message }),
  )
  t.strictSame(receiver.events.of('stored'), [])
})

t.test('passes nothing of the bytes too many on to an output stream', async (t) => {
  const output = new PassThrough()
  const receiver = await startReceiver(t, { out: output, plain, expect: { size } })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(text)
  await until(() => output.readableLength === size)
  await peer.write('and more')
  t.equal(await peer.ended, 'reset')
  t.match((await receiver.ended).error, wrongSize)
  t.equal(String(output.read()), text)
})

t.test('takes the size for announced: what cannot fit is refused, and progress tells of how much', async (t) => {
  const folder = t.testdir({ 'file.bin': bytesOf(1024), out: {} })
  const out = join(folder, 'out')
  replaceDuring(t, 'statfs', () => async () => ({ bavail: 2, bsize: 512, blocks: 100 }) as never)
  const small = await startReceiver(t, { out, plain, expect: { size: 1025 } })
  const peer = await Peer.dial(t, small.port)
  await peer.write('x')
  t.equal(await peer.ended, 'reset')
  const message = 'the file has 1025 bytes, and only 1024 are free there'
  t.match(await small.events.until('refused'), { reason: 'no-space', message })
  await small.stop()
  const receiver = await startReceiver(t, { out, plain, expect: { size: 1024 }, name: 'file', count: 1 })
  t.match((await trySend(t, receiver.port, join(folder, 'file.bin'), { plain })).summary, { files: 1 })
  t.match((await receiver.ended).summary, { files: 1 })
  t.match(receiver.events.of('progress')[0], { bytes: 0, size: 1024 })
})

t.test('refuses to start where nothing could be right', async (t) => {
  const out = join(t.testdir(), 'out')
  const { receive } = await import('../../dist/index.js')
  const call = receive({ port: 0, out, plain, expect: { size: 11 }, maxSize: 10 })
  await t.rejects(call, { code: 'usage', exitCode: 2 })
  t.strictSame(namesIn(t.testdirName), [], 'it has not even made the folder')
})

for (const whole of [text, '', 'tcp-send']) {
  t.test(`stores "${whole}" without an end, a moment after all is there`, async (t) => {
    const clock = fakeClock(t)
    const out = t.testdir()
    const expect = { size: whole.length, blake3: digest(whole) }
    const receiver = await startReceiver(t, { out, plain, name: 'file', expect, count: 1 })
    const peer = await Peer.dial(t, receiver.port)
    await receiver.events.until('connected')
    for (const letter of whole) {
      await peer.write(letter)
      await settle(20)
    }
    // The clocks of the service, the channel and the moment.
    await until(() => clock.timers === 2)
    clock.advance(999)
    t.equal(await stateOf(receiver.ended), 'pending')
    clock.advance(1)
    t.equal(await peer.ended, 'end', 'it says that it is done')
    await peer.write('what nobody reads')
    peer.finish()
    t.match((await receiver.ended).summary, { files: 1, bytes: whole.length })
    t.match(receiver.events.of('stored'), [{ verified: true }])
    t.strictSame(filesIn(out), { file: whole })
  })
}

t.test('waits for the end no longer than the timeout allows', async (t) => {
  const clock = fakeClock(t)
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, plain, name: 'file', expect: { size }, count: 1, timeout: 200 })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(text)
  await receiver.events.until('progress')
  await until(() => clock.timers === 2)
  clock.advance(200)
  t.equal(await peer.ended, 'end')
  peer.finish()
  t.match((await receiver.ended).summary, { files: 1 })
})

t.test('stores nothing of what goes on, or is reset, in that moment', async (t) => {
  const clock = fakeClock(t)
  const out = t.testdir()
  for (const spoil of [(peer: Peer) => peer.write('!'), (peer: Peer) => peer.reset()]) {
    const receiver = await startReceiver(t, { out, plain, name: 'file', expect: { size } })
    const peer = await Peer.dial(t, receiver.port)
    await peer.write(text)
    await receiver.events.until('progress')
    await until(() => clock.timers === 2)
    clock.advance(999)
    await spoil(peer)
    t.match(await receiver.events.until('failed'), { code: 'incomplete', name: 'file' })
    clock.advance(10_000)
    await receiver.stop()
    t.equal(clock.timers, 0)
    t.strictSame(receiver.events.of('stored'), [])
    t.strictSame(namesIn(out), [])
  }
})

t.test('fails at a byte too many although the moment ends before the file is discarded', async (t) => {
  const clock = fakeClock(t)
  const out = t.testdir()
  const [discarding, reached] = [gate(), gate()]
  const receiver = await startReceiver(t, { out, plain, name: 'file', expect: { size }, oneAttempt: true })
  replaceDuring(t, 'unlink', (unlink) => async (path) => {
    reached.open()
    await discarding.opened
    await unlink(path)
  })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(text)
  await receiver.events.until('progress')
  await until(() => clock.timers === 2)
  clock.advance(999)
  await peer.write('!')
  await reached.opened
  clock.advance(1)
  await settle()
  discarding.open()
  t.match((await receiver.ended).error, wrongSize)
  t.match(receiver.events.of('failed'), [{ name: 'file', reason: 'size' }])
  t.equal(await peer.ended, 'reset')
  t.strictSame(namesIn(out), [])
})

t.test('says how to end a stream, or how much is missing, where bytes came and then nothing', async (t) => {
  const clock = fakeClock(t)
  const out = t.testdir()
  const cases: [expected: number | undefined, message: string][] = [
    [
      undefined,
      'no progress for 30 seconds after 10 bytes, and no end of the stream, so nothing is stored; nc ends it only with -N (nc -N HOST PORT <FILE), ncat and socat by themselves; --expect-size needs no end',
    ],
    [11, 'no progress for 30 seconds after 10 of 11 bytes, so nothing is stored'],
  ]
  for (const [expected, message] of cases) {
    const receiver = await startReceiver(t, { out, plain, name: 'file', expect: { size: expected } })
    const peer = await Peer.dial(t, receiver.port)
    await peer.write(text)
    await receiver.events.until('progress')
    await settle()
    clock.advance(30_500)
    t.equal(await peer.ended, 'reset')
    const failed = await receiver.events.until('failed')
    t.match(failed, { name: 'file', code: 'timeout', reason: 'timeout' })
    t.equal(failed.message, message)
    await receiver.stop()
  }
  const receiver = await startReceiver(t, { out, plain })
  const mute = await Peer.dial(t, receiver.port)
  await receiver.events.until('connected')
  await settle()
  clock.advance(30_500)
  t.equal(await mute.ended, 'reset')
  t.match((await receiver.events.until('failed')).message, /^no progress for 30 seconds: the other side/)
  await receiver.stop()
  t.strictSame(namesIn(out), [])
})
