/** How long a receiver waits: for a first sender, for the next, and for one whose transfer broke. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ReceiveOptions } from '../../dist/index.js'
import { type FakeClock, fakeClock } from '../fixtures/clock.ts'
import { watchDiskRest } from '../fixtures/disk-at-rest.ts'
import { type Listening, startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
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

t.test('waits anew when what came back is refused, and ends with the last failure', async (t) => {
  const { clock, receiver, sendFile, sendHalf } = await waiting(t, { count: 1 })
  await sendHalf()
  await receiver.events.until('waiting')
  clock.advance(29_999)
  t.match((await sendFile('..')).error, { code: 'refused' })
  await receiver.events.until('waiting', 2)
  await endsAfter(t, receiver, clock, 30_000)
  t.match((await receiver.ended).error, { code: 'refused', exitCode: 5, reason: 'name' })
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

for (const [what, options, name] of [
  ['a name', {}, '..'],
  ['a type', { accept: ['image/*'] }, 'file.txt'],
  ['a size', { maxSize: 3 }, 'file.txt'],
  ['a file', { textOnly: true }, 'file.txt'],
] as const) {
  t.test(`waits for another try when it has refused ${what}, and fails when there is none in time`, async (t) => {
    const { clock, receiver, sendFile } = await waiting(t, { count: 1, wait: 4_000, ...options })
    t.match((await sendFile(name)).error, { code: 'refused', exitCode: 5 })
    const message = 'waiting up to 30 seconds for a sender to try again'
    t.match(await receiver.events.until('waiting'), { for: 'sender', seconds: 30, message })
    await endsAfter(t, receiver, clock, 30_000)
    const { error } = await receiver.ended
    t.match(error, { code: 'refused', exitCode: 5 })
    t.match(error?.message, /^the sender was refused: .*; no sender came back within 30 seconds$/)
    t.match(receiver.events.of('done'), [{ files: 0, exitCode: 5 }])
  })
}

t.test('takes what it skips for a success', async (t) => {
  const { out, receiver, sendFile } = await waiting(t, { count: 2, ifExists: 'skip' })
  t.match((await sendFile()).summary, { files: 1 })
  t.match((await sendFile()).error, { code: 'refused', reason: 'skipped' })
  t.match((await receiver.ended).summary, { files: 1 })
  t.strictSame(receiver.events.of('waiting'), [])
  t.strictSame(filesIn(out), { 'file.txt': 'text' })
})

t.test('takes one attempt for all there is, whatever comes of it', async (t) => {
  const [broken, refused, good] = [
    await waiting(t, { oneAttempt: true }),
    await waiting(t, { oneAttempt: true }),
    await waiting(t, { oneAttempt: true }),
  ]
  const scan = await Peer.dial(t, broken.receiver.port)
  scan.finish('GET / HTTP/1.1\r\n\r\n')
  await scan.ended
  t.equal(await stateOf(broken.receiver.ended), 'pending', 'a stranger is no attempt')
  await broken.sendHalf()
  t.match((await broken.receiver.ended).error, { code: 'incomplete', exitCode: 6 })
  t.match((await refused.sendFile('..')).error, { code: 'refused' })
  t.match((await refused.receiver.ended).error, { code: 'refused', exitCode: 5 })
  t.match((await good.sendFile()).summary, { files: 1 })
  t.match((await good.receiver.ended).summary, { files: 1 })
  for (const { receiver } of [broken, refused, good]) t.strictSame(receiver.events.of('waiting'), [])
})

t.test('serves one attempt when it listens as a sender, whatever comes of it', async (t) => {
  const folder = t.testdir({ 'file.txt': 'text', out: {} })
  const sender = await startSender(t, [join(folder, 'file.txt')], { oneAttempt: true, count: 3 })
  const out = join(folder, 'out')
  const received = await tryReceive(t, sender.port, { out, accept: ['image/*'] })
  t.match(received.error, { code: 'refused', exitCode: 5 })
  t.match((await sender.ended).error, { code: 'refused', exitCode: 5, reason: 'type' })
  t.strictSame(sender.events.of('waiting'), [])
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
  t.strictSame(receiver.events.of('waiting'), [], 'that it listens says that it waits')
})

t.test('takes a scan for no sender, and tells who is still connected that it stops', async (t) => {
  const { clock, receiver } = await waiting(t, { wait: 5_000 })
  const scan = await Peer.dial(t, receiver.port)
  await scan.write(senderOpening)
  await scan.next('G')
  void scan.ended.then(() => scan.finish())
  await endsAfter(t, receiver, clock, 5_000)
  t.match((await scan.next('R')).fields, { entry: null, reason: 'timeout', message: 'it has stopped waiting' })
  t.match((await receiver.ended).error, { code: 'timeout', exitCode: 9 })
  t.match(receiver.events.of('failed'), [{ code: 'timeout', transfer: 0 }], 'this is a failure of its own')
  t.strictSame(receiver.events.of('refused'), [])
})

t.test('waits for each of the senders that it counts', async (t) => {
  const { clock, out, receiver, sendFile } = await waiting(t, { wait: 60_000, count: 2 })
  clock.advance(59_999)
  t.match((await sendFile()).summary, { files: 1 })
  await endsAfter(t, receiver, clock, 60_000)
  const message = 'no other sender came within 60 seconds'
  t.match((await receiver.ended).error, { code: 'timeout', exitCode: 9, message })
  t.strictSame(filesIn(out), { 'file.txt': 'text' }, 'the one that came stays')
})

t.test('waits no more once a sender has come, when it does not count', async (t) => {
  const { clock, receiver, sendFile } = await waiting(t, { wait: 60_000 })
  clock.advance(59_999)
  t.match((await sendFile()).summary, { files: 1 })
  await goesOn(t, receiver, clock)
})
