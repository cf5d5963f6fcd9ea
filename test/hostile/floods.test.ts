/** Peers that never pause: they delay nobody else for long, and what says nothing may be said only so often. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, treeOf } from '../fixtures/folder.ts'
import { directoryHeader } from '../fixtures/hostile-directory.ts'
import { key } from '../fixtures/keys.ts'
import { Peer } from '../fixtures/peer.ts'
import { frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'
import { replaceProperty } from '../fixtures/replace-property.ts'
import { sendTo } from '../fixtures/scripted-receiver.ts'

// Most of the time of these tests is that in which a flood may still hear why its connection is closed.
t.jobs = 4
const parallel = { buffered: true }

const BLOCK = 256 * 1024
const header = frame('H', { name: 'flood', size: null })
const beat = frame('B', {})

/** As many of these frames as fit into a block. */
function block(...frames: Buffer[]): Buffer {
  const length = frames.reduce((sum, { length }) => sum + length, 0)
  return Buffer.concat(
    Array(Math.ceil(BLOCK / length))
      .fill(frames)
      .flat(),
  )
}

/** A nested frame that costs work and no place on a disk. */
const nested = (letter: string) => frame('D', block(frame(letter, Buffer.from('1'))).subarray(0, BLOCK - (BLOCK % 6)))

/** Heartbeats that are large and costly to read. */
const nestedBeat = frame('B', Buffer.from(`{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`))
const manyKeys = frame('B', Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`k${index}`, 0])))

/** What each peer sends, again and again, after its opening. */
const senders: Record<string, [opening: Buffer, again: Buffer]> = {
  heartbeats: [header, block(beat)],
  'frames of one byte': [header, block(frame('x', Buffer.from('1')))],
  'nested JSON': [header, block(nestedBeat)],
  'JSON of many keys': [header, block(manyKeys)],
  'data in small pieces': [header, block(frame('D', Buffer.alloc(1024)))],
  'frames to skip in a directory': [directoryHeader('flood'), nested('x')],
}

const receivers: Record<string, [opening: Buffer, again: Buffer]> = {
  heartbeats: [Buffer.alloc(0), block(beat)],
  'frames of one byte': [Buffer.alloc(0), block(frame('x', Buffer.from('1')))],
  'nested JSON': [Buffer.alloc(0), block(nestedBeat)],
  'JSON of many keys': [Buffer.alloc(0), block(manyKeys)],
  'refusals of nothing': [Buffer.alloc(0), block(frame('R', { entry: 7, reason: 'name', message: 'no' }))],
}

/** Sends without pause until it is disconnected, or the test is over. */
async function flood(t: Test, port: number, opening: Buffer, again: Buffer): Promise<void> {
  const peer = await Peer.dial(t, port)
  await peer.write(opening)
  void (async () => {
    while (!peer.isOver && !peer.socket.destroyed) await peer.write(again)
  })()
}

for (const [what, [opening, again]] of Object.entries(senders)) {
  t.test(`receives beside senders of ${what}`, parallel, async (t) => {
    const folder = t.testdir({ file: 'honest', out: {} })
    const out = join(folder, 'out')
    const receiver = await startReceiver(t, { out })
    for (let count = 0; count < 10; count++) {
      await flood(t, receiver.port, Buffer.concat([senderOpening, opening]), again)
    }
    const { summary } = await trySend(t, receiver.port, join(folder, 'file'))
    t.match(summary, { files: 1, bytes: 6 })
    t.match(treeOf(out), { file: 'honest' })
    await receiver.stop()
  })
}

for (const [what, pair] of Object.entries({
  'aborted entries': (entry: number) => [header, frame('A', { entry, reason: 'x', message: 'no' })],
  'refused headers': (entry: number) => [
    frame('H', { name: '../x', size: null }),
    frame('A', { entry, reason: 'x', message: 'no' }),
  ],
})) {
  t.test(`receives beside senders of ${what}`, parallel, async (t) => {
    const folder = t.testdir({ file: 'honest', out: {} })
    const receiver = await startReceiver(t, { out: join(folder, 'out') })
    const again = Buffer.concat(Array.from({ length: 20_000 }, (_, entry) => pair(entry)).flat())
    for (let count = 0; count < 10; count++) await flood(t, receiver.port, senderOpening, again)
    const { summary } = await trySend(t, receiver.port, join(folder, 'file'))
    t.match(summary, { files: 1 })
    await receiver.stop()
  })
}

for (const [what, [opening, again]] of Object.entries(receivers)) {
  t.test(`sends beside receivers that send ${what}`, parallel, async (t) => {
    const folder = t.testdir({ file: 'honest', out: {} })
    const sender = await startSender(t, [join(folder, 'file')], { count: 100 })
    for (let count = 0; count < 10; count++) {
      await flood(t, sender.port, Buffer.concat([receiverOpening, opening]), again)
    }
    const { summary } = await tryReceive(t, sender.port, { out: join(folder, 'out') })
    t.match(summary, { files: 1 })
    await sender.stop()
  })
}

for (const [what, one] of [
  ['heartbeats', beat],
  ['frames to skip', frame('x', Buffer.from('1'))],
] as const) {
  t.test(`a receiver takes a hundred ${what} at once, and disconnects who sends many more`, parallel, async (t) => {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out })
    const honest = await Peer.dial(t, receiver.port)
    const good = [header, frame('A', { entry: 0, reason: 'changed', message: 'no' }), frame('F', { entries: 1 })]
    honest.finish(senderOpening, ...Array(100).fill(one), ...good)
    t.equal(await honest.ended, 'end')
    t.equal(
      honest.frames.find(({ type }) => type === 'R'),
      undefined,
    )
    const hostile = await Peer.dial(t, receiver.port)
    hostile.finish(senderOpening, header, ...Array(100_000).fill(one))
    const { fields } = await hostile.next('R')
    t.match(fields, { entry: null, reason: 'protocol', message: /^\d+ heartbeats and other frames to skip in \d/ })
    await hostile.closed
    await receiver.events.until('ended', 2)
    const [failed] = receiver.events.of('failed').filter(({ reason }) => reason === 'protocol')
    t.match(failed, { code: 'incomplete', name: 'flood', message: /^\d+ heartbeats and other frames to skip in \d/ })
    await receiver.stop()
    t.strictSame(treeOf(out), {})
  })
}

for (const [what, one] of [
  ['heartbeats', beat],
  ['frames to skip', frame('x', Buffer.from('1'))],
  ['refusals of nothing', frame('R', { entry: 7, reason: 'name', message: 'no' })],
] as const) {
  t.test(`a sender gives up on a receiver of too many ${what}`, parallel, async (t) => {
    const { error } = await sendTo(t, async (peer) => {
      await peer.write(receiverOpening, ...Array(100_000).fill(one))
      const { fields } = await peer.next('A')
      t.match(fields, { entry: null, reason: 'protocol', message: /^\d+ heartbeats and other frames to skip in \d/ })
    })
    t.match(error, { code: 'incomplete', reason: 'protocol' })
  })
}

t.test('heartbeats of hours may come at once', async (t) => {
  let hours = 0
  const { now } = performance
  replaceProperty(t, performance, 'now', { value: () => now.call(performance) + hours * 3_600_000 })
  const receiver = await startReceiver(t, { out: t.testdir(), timeout: 10 * 3_600_000 })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening)
  await peer.next('G')
  hours = 2
  const content = bytesOf(10)
  await peer.write(frame('H', { name: 'late', size: null }), ...Array(7_200).fill(beat), frame('D', content))
  await peer.write(frame('A', { entry: 0, reason: 'changed', message: 'no' }), frame('F', { entries: 1 }))
  peer.finish()
  t.equal(await peer.ended, 'end')
  t.notOk(peer.frames.some(({ type }) => type === 'R'))
  await receiver.stop()
})

for (const [what, options, opening] of [
  ['a key', { key }, Buffer.from('tcp-send')],
  ['no key', {}, Buffer.concat([senderOpening, frame('H', {})])],
] as const) {
  t.test(`a receiver with ${what} does not read on from who is turned away`, parallel, async (t) => {
    const receiver = await startReceiver(t, { out: t.testdir(), ...options })
    const peer = await Peer.dial(t, receiver.port)
    await peer.write(opening)
    await peer.next('R')
    // The kernels hold less than that.
    const error = await new Promise((resolve) => peer.socket.write(Buffer.alloc(128 * 1024 * 1024), resolve))
    t.ok(error, 'it was not taken')
    await peer.closed
    await receiver.stop()
  })
}
