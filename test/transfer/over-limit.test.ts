/** Whoever was told that there is no place for him: nothing that he says afterwards may have any effect. */
import t from 'tap'
import { fakeClock } from '../fixtures/clock.ts'
import { startReceiver } from '../fixtures/ends.ts'
import { namesIn } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { transferFrames } from '../fixtures/peer-frames.ts'
import { settle } from '../fixtures/turns.ts'

t.test('stores nothing of a connection that was told that it is one too many', async (t) => {
  // The second in which a refused peer may still read its answer does not pass.
  fakeClock(t)
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, maxConnections: 1 })
  const first = await Peer.dial(t, receiver.port)
  await settle()
  const second = await Peer.dial(t, receiver.port)
  t.match((await second.next('R')).fields, { entry: null, reason: 'busy' })
  // One piece after the other, as a sender does that has not read its answer yet.
  for (const frames of transferFrames({ 'file.txt': 'text' })) {
    await second.write(frames)
    await settle(20)
  }
  second.finish()
  await second.closed
  t.strictSame(
    second.frames.map(({ type }) => type),
    ['G', 'R'],
  )
  await first.reset()
  await receiver.stop()
  t.strictSame(receiver.events.of('stored'), [])
  t.strictSame(receiver.events.of('progress'), [], 'it was not even begun')
  t.strictSame(namesIn(out), [])
})

t.test('stores nothing of a plain connection that is one too many', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, plain: true, maxConnections: 1, name: 'file' })
  const first = await Peer.dial(t, receiver.port)
  await settle()
  const second = await Peer.dial(t, receiver.port)
  await second.write('text')
  t.equal(await second.ended, 'reset')
  await first.reset()
  await receiver.stop()
  t.strictSame(namesIn(out), [])
})
