/** A peer that is alive, but does not go on: heartbeats are no progress. */
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { fakeClock } from '../fixtures/clock.ts'
import { startReceiver, startSender, trySend } from '../fixtures/ends.ts'
import { bytesOf, namesIn } from '../fixtures/folder.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

const HOUR = 3_600_000
const heartbeat = frame('B', {})

/** Silence itself is another matter here. */
const patient = { timeout: 500 * HOUR }

/** Lets time pass while the peer sends heartbeats. */
async function passAlive(clock: { advance(ms: number): void }, peer: Peer, ms: number, beat = heartbeat) {
  for (let part = 0; part < 4; part++) {
    await peer.write(beat)
    await settle(20)
    clock.advance(ms / 4)
  }
}

t.test('a receiver ends a transfer of which only heartbeats come', async (t) => {
  const clock = fakeClock(t)
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, ...patient, oneAttempt: true })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, frame('H', { name: 'half', size: null }))
  await receiver.events.until('progress')
  await settle()
  await passAlive(clock, peer, HOUR - 1)
  t.notOk(peer.frames.some(({ type }) => type === 'R'))
  await peer.write(frame('D', bytesOf(1024)))
  await settle(20)
  await passAlive(clock, peer, HOUR - 1)
  t.notOk(
    peer.frames.some(({ type }) => type === 'R'),
    'content is progress',
  )
  clock.advance(1)
  const said = { entry: null, reason: 'timeout', message: 'no progress for 3600 seconds (--stall)' }
  t.strictSame((await peer.next('R')).fields, said)
  peer.finish()
  const message = 'no progress for 3600 seconds, although the sender is alive (--stall)'
  t.match((await receiver.ended).error, { code: 'timeout', exitCode: 9, reason: 'timeout', message })
  t.match(receiver.events.of('failed'), [{ transfer: 1, name: 'half', code: 'timeout', message }])
  t.strictSame(namesIn(out), [])
})

t.test('a receiver ends a transfer that does not go on after its first file', async (t) => {
  const clock = fakeClock(t)
  const receiver = await startReceiver(t, { out: t.testdir(), ...patient, stall: 60_000 })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, frame('H', { name: 'a', size: 0 }), frame('E', { bytes: 0, blake3: digest('') }))
  await peer.next('S')
  await settle(20)
  await passAlive(clock, peer, 60_000)
  t.match((await peer.next('R')).fields, { entry: null, reason: 'timeout' })
  peer.finish()
  t.match(await receiver.events.until('failed'), { code: 'timeout' })
  t.equal(receiver.events.of('stored').length, 1, 'what was stored is stored')
  await receiver.stop()
})

/** A receiver that does what a test says, once it has greeted and seen a frame of that type. */
async function receiverSeeing(t: Test, type: string): Promise<{ port: number; seen: Promise<Peer> }> {
  let onSeen = (_peer: Peer) => {}
  const seen = new Promise<Peer>((resolve) => {
    onSeen = resolve
  })
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next(type)
    onSeen(peer)
  })
  return { port, seen }
}

t.test('a sender ends a transfer whose receiver never confirms it', async (t) => {
  const clock = fakeClock(t)
  const { port, seen } = await receiverSeeing(t, 'F')
  const path = join(t.testdir({ a: 'text' }), 'a')
  const sending = trySend(t, port, path, { ...patient, stall: 60_000 })
  const peer = await seen
  await settle(20)
  await passAlive(clock, peer, 59_999, frame('B', { entry: 0, bytes: 4 }))
  // The first heartbeat was news, so the minute is not over.
  t.equal(await stateOf(sending), 'pending')
  clock.advance(60_000)
  peer.finish()
  const message = 'no progress for 60 seconds, although the receiver is alive (--stall)'
  const { error, events } = await sending
  t.match(error, { code: 'timeout', exitCode: 9, message })
  t.match(events.of('failed'), [{ transfer: 1, code: 'timeout', message }])
})

t.test('a sender ends a transfer whose receiver lives and never reads', async (t) => {
  const clock = fakeClock(t)
  const { port, seen } = await receiverSeeing(t, 'H')
  const path = join(t.testdir({ large: Buffer.alloc(24 * 1024 * 1024) }), 'large')
  const sending = trySend(t, port, path, { ...patient, stall: 60_000 })
  const peer = await seen
  peer.socket.pause()
  // All buffers on the way must be full before time counts.
  let isOver = false
  void sending.then(() => {
    isOver = true
  })
  while (!isOver) {
    if (peer.socket.writable) await peer.write(heartbeat)
    await settle(50)
    clock.advance(10_000)
  }
  const message = /^no progress for 60 seconds, although the receiver is alive/
  t.match((await sending).error, { code: 'timeout', exitCode: 9, message })
  t.notOk(peer.frames.some(({ type }) => type === 'E'))
})

t.test('a sender that listens does not wait for its own pipe', async (t) => {
  const clock = fakeClock(t)
  const stream = new PassThrough()
  const sender = await startSender(t, [{ stream, name: 'rare' }], { ...patient, stall: 60_000 })
  const peer = await Peer.dial(t, sender.port)
  await peer.write(receiverOpening)
  await peer.next('H')
  await settle(20)
  await passAlive(clock, peer, HOUR)
  stream.end('at last')
  const end = await peer.next('E')
  await peer.write(frame('S', { entry: 0, name: 'rare', bytes: 7, blake3: end.fields.blake3 }))
  await peer.next('F')
  peer.finish()
  t.match((await sender.ended).summary, { files: 1 })
})

t.test('a receiver does not wait for its own reader', async (t) => {
  const clock = fakeClock(t)
  const out = new PassThrough({ highWaterMark: 1 })
  const receiver = await startReceiver(t, { out, ...patient, stall: 60_000 })
  const peer = await Peer.dial(t, receiver.port)
  const content = bytesOf(2048)
  const data = [content.subarray(0, 1024), content.subarray(1024)].map((piece) => frame('D', piece))
  await peer.write(senderOpening, frame('H', { name: 'a', size: 2048 }), ...data)
  await receiver.events.until('progress')
  await settle(20)
  clock.advance(HOUR)
  out.resume()
  peer.finish(frame('E', { bytes: 2048, blake3: digest(content) }), frame('F', { entries: 1 }))
  t.match((await peer.next('S')).fields, { bytes: 2048 })
  t.match((await receiver.ended).summary, { files: 1 })
})

t.test('has no limit but silence without the protocol', async (t) => {
  const clock = fakeClock(t)
  const receiver = await startReceiver(t, { out: t.testdir(), plain: true, ...patient, stall: 60_000 })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write('text')
  await receiver.events.until('progress')
  await settle()
  clock.advance(HOUR)
  peer.finish()
  t.match(await receiver.events.until('stored'), { size: 4 })
  await peer.closed
  await receiver.stop()
})
