/** What a sender sends after its last frame changes nothing, however the stream was cut on its way. */
import { PassThrough } from 'node:stream'
import t from 'tap'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'
import { settle } from '../fixtures/turns.ts'

const rest: Record<string, Buffer> = {
  'an entry': Buffer.concat(entryFrames('second', 'x')),
  'a heartbeat': frame('B', {}),
  'the same end again': frame('F', { entries: 1 }),
  'no frame at all': Buffer.from('\0\xff\0\xff\0\xff'),
  'the start of a frame': Buffer.from('D'),
}

const first = Buffer.concat([senderOpening, ...entryFrames('first', 'content')])
const finished = frame('F', { entries: 1 })

for (const [what, more] of Object.entries(rest)) {
  t.test(`reads nothing of ${what} after the end, wherever the stream is cut`, async (t) => {
    const receiver = await startReceiver(t, { out: t.testdir(), ifExists: 'overwrite' })
    const end = Buffer.concat([finished, more])
    for (let cut = 0; cut <= end.length; cut++) {
      const peer = await Peer.dial(t, receiver.port)
      await peer.write(first, end.subarray(0, cut))
      await settle()
      await peer.write(end.subarray(cut))
      t.equal(await peer.ended, 'end')
      const answers = peer.frames.map(({ type }) => type).filter((type) => type !== 'B')
      t.strictSame(answers, ['G', 'S'], `cut at ${cut}`)
      peer.socket.destroy()
      t.match(await receiver.events.until('ended', cut + 1), { complete: true, files: 1 })
    }
    t.strictSame(receiver.events.of('failed'), [])
    t.strictSame(receiver.events.of('refused'), [])
    await receiver.stop()
  })
}

t.test('fails with what the sender says when it gives up, whatever follows, wherever the stream is cut', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir(), ifExists: 'overwrite' })
  const abort = frame('A', { entry: null, reason: 'broken', message: 'no more' })
  const end = Buffer.concat([abort, frame('B', {}), Buffer.from('\0\xff')])
  for (let cut = 0; cut <= end.length; cut++) {
    const peer = await Peer.dial(t, receiver.port)
    await peer.write(first, end.subarray(0, cut))
    await settle()
    await peer.write(end.subarray(cut))
    t.equal(await peer.ended, 'end')
    const answers = peer.frames.filter(({ type }) => type !== 'B')
    t.match(
      answers.map(({ fields }) => fields),
      [{ version: 1 }, { entry: 0, name: 'first' }, { entry: null, reason: 'aborted' }],
    )
    peer.socket.destroy()
    t.match(await receiver.events.until('ended', cut + 1), { complete: false, files: 1 })
  }
  t.ok(receiver.events.of('failed').every(({ reason }) => reason === 'aborted'))
  await receiver.stop()
})

t.test('tells either side what is wrong when its stream ends too early', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(first)
  const message = 'the stream ended before the transfer did'
  t.match((await peer.next('R')).fields, { entry: null, reason: 'broken', message })
  t.match(await receiver.events.until('failed'), { code: 'incomplete', reason: 'broken' })
  await receiver.stop()

  // A pipe that does not end keeps the sender from ending before the receiver does.
  const stream = new PassThrough()
  const peers: Peer[] = []
  const { port } = await listenAsPeer(t, async (peer) => {
    peers.push(peer)
    await peer.next('H')
    peer.finish(receiverOpening)
  })
  const { error } = await trySend(t, port, [{ stream, name: 'pipe' }])
  const ended = 'the answers ended too early'
  const abort = await peers[0]?.next('A')
  t.match(abort?.fields, { entry: null, reason: 'broken', message: ended })
  t.match(error, { code: 'incomplete', reason: 'broken' })
})
