/** The receiver's heartbeats tell the sender how much has come: the kernels between hold megabytes that it cannot see. */
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import type { TransferEvent } from '../../dist/index.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'

t.test('a receiver says how much of which entry it has', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  const files = ['first', 'second'].map((name) => frame('H', { name, size: null }))
  const end = frame('E', { bytes: 0, blake3: digest('') })
  await peer.write(senderOpening, files[0] as Buffer, end, files[1] as Buffer, frame('D', Buffer.alloc(3 * 1024)))
  let heartbeat = await peer.next('B')
  while (heartbeat.fields.bytes !== 3 * 1024) heartbeat = await peer.next('B')
  t.strictSame(heartbeat.fields, { entry: 1, bytes: 3 * 1024 })
  await peer.reset()
  await receiver.stop()
})

t.test('a receiver that has no entry under way only says that it is there', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, frame('H', { name: 'a', size: 0 }), frame('E', { bytes: 0, blake3: digest('') }))
  await peer.next('S')
  t.strictSame((await peer.next('B')).fields, {})
  peer.finish(frame('F', { entries: 1 }))
  await peer.closed
  await receiver.stop()
})

/** Sends a file to a receiver that repeats `claims` until the sender has reported `enough`. */
async function progressWith(
  t: Test,
  claims: object[],
  enough: (event: TransferEvent & { event: 'progress' }) => boolean,
): Promise<(TransferEvent & { event: 'progress' })[]> {
  const content = Buffer.alloc(8 * 1024)
  const stream = new PassThrough()
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('H')
    stream.write(content)
    await peer.next('D')
    const saying = setInterval(() => void peer.write(...claims.map((claim) => frame('B', claim))), 20)
    await peer.next('E')
    clearInterval(saying)
    const answer = { entry: 0, name: 'stdin', bytes: content.length, blake3: digest(content) }
    peer.finish(frame('S', answer))
  })
  const onEvent = (event: TransferEvent) => {
    if (event.event === 'progress' && enough(event)) stream.end()
  }
  const sent = await trySend(t, port, [{ stream, name: 'stdin' }], { onEvent })
  t.match(sent.summary, { files: 1 })
  return sent.events.of('progress')
}

t.test('a sender reports what the receiver has', async (t) => {
  const events = await progressWith(t, [{ entry: 0, bytes: 4096 }], ({ received }) => received === 4096)
  t.match(events[0], { name: 'stdin', bytes: 0 })
  t.equal(events[0]?.received, undefined, 'unknown until the receiver says it')
  t.match(events.at(-1), { name: 'stdin', bytes: 8192, received: 4096 })
})

t.test('a sender reports also that the receiver has nothing yet', async (t) => {
  const events = await progressWith(t, [{ entry: 0, bytes: 0 }], ({ received }) => received !== undefined)
  t.match(events.at(-1), { name: 'stdin', bytes: 8192, received: 0 })
})

t.test('a sender believes neither more than it sent, nor less than it has heard, nor another entry', async (t) => {
  const claims = [{ entry: 0, bytes: 1e9 }, { entry: 0, bytes: 5 }, { entry: 7, bytes: 1 }, { entry: 0 }, {}]
  const events = await progressWith(t, claims, ({ received }) => received !== undefined)
  const told = events.flatMap(({ received }) => received ?? [])
  t.ok(told.length > 0)
  t.ok(told.every((received) => received === 8192))
})
