/** How long a receiver waits: for a first sender, for the next, and for one whose transfer broke. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ReceiveOptions } from '../../dist/index.js'
import { type FakeClock, fakeClock } from '../fixtures/clock.ts'
import { watchDiskRest } from '../fixtures/disk-at-rest.ts'
import { type Listening, startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, senderOpening } from '../fixtures/peer-frames.ts'
import { stateOf } from '../fixtures/turns.ts'

/** An entry that stops in the middle. */
const half = [senderOpening, frame('H', { name: 'half.bin', size: 4096 }), frame('D', bytesOf(1024))]

/** A receiver whose time the test moves, and what it needs: a file to send, and to know when a transfer is over. */
async function waiting(t: Test, options: Omit<ReceiveOptions, 'port' | 'out'>) {
  const clock = fakeClock(t)
  const diskAtRest = watchDiskRest(t)
  const folder = t.testdir({ 'file.txt': 'text', out: {} })
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, { out, ...options })
  const sendFile = async (name = 'file.txt') => {
    const sent = await trySend(t, receiver.port, [{ path: join(folder, 'file.txt'), name }])
    await diskAtRest()
    return sent
  }
  /** A transfer that breaks; resolves when the receiver is done with it. */
  const sendHalf = async () => {
    const before = receiver.events.of('failed').length
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(...half)
    await receiver.events.until('failed', before + 1)
    await diskAtRest()
  }
  return { clock, out, receiver, sendFile, sendHalf }
}

/** The receiver ends after exactly that time. */
async function endsAfter(t: Test, { ended }: Listening, clock: FakeClock, ms: number): Promise<void> {
  clock.advance(ms - 1)
  t.equal(await stateOf(ended), 'pending')
  clock.advance(1)
  await ended
}

/** It waits for ever, or for longer than any test would. */
async function goesOn(t: Test, { ended, stop }: Listening, clock: FakeClock): Promise<void> {
  clock.advance(10_000_000)
  t.equal(await stateOf(ended), 'pending')
  await stop()
}

t.test('waits for the sender of a broken transfer, and fails when it does not come back in time', async (t) => {
  const { clock, out, receiver, sendHalf } = await waiting(t, { count: 1 })
  await sendHalf()
  await endsAfter(t, receiver, clock, 30_000)
  const { error } = await receiver.ended
  t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
  t.equal(error?.message, 'the sender closed the connection before the end; no sender came back within 30 seconds')
  t.match(receiver.events.of('done'), [{ files: 0, exitCode: 6 }])
  t.strictSame(namesIn(out), [])
})

t.test('is content when the sender of a broken transfer comes back', async (t) => {
  const { clock, receiver, sendFile, sendHalf } = await waiting(t, { count: 2 })
  await sendHalf()
  clock.advance(29_999)
  t.match((await sendFile()).summary, { files: 1 })
  // What broke has been made good, so the next one has no deadline.
  await goesOn(t, receiver, clock)
})

t.test('waits anew when what came back is refused', async (t) => {
  const { clock, receiver, sendFile, sendHalf } = await waiting(t, { count: 1 })
  await sendHalf()
  clock.advance(29_999)
  t.match((await sendFile('..')).error, { code: 'refused' })
  await endsAfter(t, receiver, clock, 30_000)
  t.match((await receiver.ended).error, { code: 'incomplete', exitCode: 6 })
})

t.test('does not lose patience while another transfer is under way', async (t) => {
  const { clock, receiver, sendHalf } = await waiting(t, { count: 2, timeout: 60_000 })
  const slow = await Peer.dial(t, receiver.port)
  await slow.write(...half)
  await receiver.events.until('progress')
  const broken = await Peer.dial(t, receiver.port)
  broken.finish(...half)
  await receiver.events.until('failed')
  await broken.closed
  for (let times = 0; times < 4; times++) {
    clock.advance(30_000)
    await slow.write(frame('B', {}))
    t.equal(await stateOf(receiver.ended), 'pending')
  }
  const rest = bytesOf(3_072)
  const end = entryFrames('half.bin', Buffer.concat([bytesOf(1024), rest])).at(-1) as Buffer
  slow.finish(frame('D', rest), end, frame('F', { entries: 1 }))
  t.match((await slow.next('S')).fields, { name: 'half.bin' })
  await sendHalf()
  await endsAfter(t, receiver, clock, 60_000)
})

t.test('has no deadline after a transfer that was refused', async (t) => {
  const { clock, receiver, sendFile } = await waiting(t, { count: 1 })
  t.match((await sendFile('..')).error, { code: 'refused' })
  await goesOn(t, receiver, clock)
})

t.test('has no deadline for a broken transfer when it does not count', async (t) => {
  const { clock, receiver, sendHalf } = await waiting(t, {})
  await sendHalf()
  await goesOn(t, receiver, clock)
})

t.test('gives up when no sender comes in time', async (t) => {
  const { clock, receiver } = await waiting(t, { wait: 60_000 })
  await endsAfter(t, receiver, clock, 60_000)
  t.match((await receiver.ended).error, { code: 'timeout', exitCode: 9, message: 'no sender came within 60 seconds' })
  t.match(receiver.events.of('failed'), [{ code: 'timeout', transfer: 0 }])
})

t.test('takes a scan for no sender, and tells who is still connected that it stops', async (t) => {
  const { clock, receiver } = await waiting(t, { wait: 5_000 })
  const scan = await Peer.dial(t, receiver.port)
  await scan.write(senderOpening)
  await scan.next('G')
  void scan.ended.then(() => scan.finish())
  await endsAfter(t, receiver, clock, 5_000)
  t.match((await scan.next('R')).fields, { entry: null, code: 'timeout', reason: 'it has stopped waiting' })
  t.match((await receiver.ended).error, { code: 'timeout', exitCode: 9 })
  t.match(receiver.events.of('failed'), [{ code: 'timeout', transfer: 0 }], 'this is a failure of its own')
  t.strictSame(receiver.events.of('refused'), [])
})

t.test('waits for each of the senders that it counts', async (t) => {
  const { clock, out, receiver, sendFile } = await waiting(t, { wait: 60_000, count: 2 })
  clock.advance(59_999)
  t.match((await sendFile()).summary, { files: 1 })
  await endsAfter(t, receiver, clock, 60_000)
  t.match((await receiver.ended).error, { code: 'timeout', exitCode: 9 })
  t.strictSame(filesIn(out), { 'file.txt': 'text' }, 'the one that came stays')
})

t.test('waits no more once a sender has come, when it does not count', async (t) => {
  const { clock, receiver, sendFile } = await waiting(t, { wait: 60_000 })
  clock.advance(59_999)
  t.match((await sendFile()).summary, { files: 1 })
  await goesOn(t, receiver, clock)
})
