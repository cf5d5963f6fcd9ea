/** Receivers that go away, never answer or never read: the sender ends in time, and holds no more than it must. */
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { fakeClock, passUntil } from '../fixtures/clock.ts'
import { trySend } from '../fixtures/ends.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { listenAsPeer } from '../fixtures/peer.ts'
import { frame, receiverOpening } from '../fixtures/peer-frames.ts'
import { right, sendTo, text } from '../fixtures/scripted-receiver.ts'

t.test('fails when the connection ends before the answer, wherever it was', async (t) => {
  const frames = ['G', 'H', 'D', 'E', 'F']
  for (const type of frames) {
    const { error } = await sendTo(t, async (peer) => {
      // The sender finishes once it was greeted.
      if (type === 'F') await peer.write(receiverOpening)
      await peer.next(type)
      peer.finish(type === 'F' ? '' : receiverOpening)
    })
    t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken' }, `after ${type}`)
  }
  const { error } = await sendTo(t, async (peer) => peer.finish())
  const text = 'the receiver closed the connection before it confirmed everything'
  const hint = 'it has not said a word: if it is no tcp-recv, but nc or the like, send with --plain'
  t.match(error, { code: 'incomplete', message: `${text}; ${hint}` }, 'as nc does')
  const spoke = await sendTo(t, async (peer) => peer.finish(receiverOpening))
  t.equal(spoke.error?.message, text)
})

t.test('fails when a receiver that said it was alive goes away', async (t) => {
  const { error } = await sendTo(t, async (peer) => {
    await peer.write(receiverOpening)
    for (let times = 0; times < 50; times++) await peer.write(frame('B', {}))
    await peer.next('F')
    peer.finish(frame('B', {}))
  })
  t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
})

t.test('gives up on a receiver that reads and never answers', async (t) => {
  const clock = fakeClock(t)
  const { error } = await sendTo(t, async (peer) => {
    await peer.next('H')
    await passUntil(clock, peer.closed)
  })
  t.match(error, { code: 'timeout', exitCode: 9, message: /^no (greeting within|progress for) 30 seconds/ })
})

t.test('gives up on a receiver that never reads, and reads no more of its source than fits', async (t) => {
  const clock = fakeClock(t)
  const leftOpen = watchOpenFiles('/')
  const listener = await listenAsPeer(t, (peer) => peer.socket.pause())
  let given = 0
  const endless = Readable.from(
    (function* () {
      for (; given < 1_000; given++) yield bytesOf(1_048_576)
    })(),
  )
  const connected = gate()
  const onEvent = ({ event }: { event: string }) => event === 'connected' && connected.open()
  const sending = trySend(t, listener.port, [{ stream: endless, name: 'endless' }], { onEvent })
  await connected.opened
  await passUntil(clock, sending)
  const sent = await sending
  t.match(sent.error, { code: 'timeout', exitCode: 9 })
  t.ok(endless.destroyed)
  t.ok(given < 100, `${given} MiB were read`)
  // The listener and its side of the connection.
  t.equal((await leftOpen()).length, 2)
})

t.test('stops reading a source that was refused, and sends the next one', async (t) => {
  const endless = new PassThrough()
  endless.write(bytesOf(2_000))
  let aborted: Record<string, unknown> = {}
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('D')
    await peer.write(frame('R', { entry: 0, reason: 'no-space', message: 'full' }))
    aborted = (await peer.next('A')).fields
    await peer.next('F')
    await peer.write(frame('S', { ...right, entry: 1 }))
    peer.finish()
  })
  const sources = [
    { stream: endless, name: 'endless' },
    { stream: Readable.from([text]), name: 'file.txt' },
  ]
  const sent = await trySend(t, listener.port, sources)
  t.match(sent.error, { code: 'refused', exitCode: 5, reason: 'no-space' })
  t.match(sent.events.of('sent'), [{ name: 'file.txt' }])
  t.equal(sent.events.of('failed').length, 1)
  t.match(aborted, { entry: 0, reason: 'no-space' })
  t.ok(endless.destroyed)
})

t.test('takes answers in any order, and from a receiver that stays silent after them', async (t) => {
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('F')
    await peer.write(frame('S', { ...right, entry: 1 }), frame('B', {}), frame('S', { ...right, entry: 0, name: 'x' }))
  })
  const sources = ['one', 'two'].map((name) => ({ stream: Readable.from([text]), name }))
  // Only a sender that waits for something ends by this timeout.
  const sent = await trySend(t, listener.port, sources, { timeout: 1e9 })
  t.match(sent.summary, { files: 2 })
  t.match(sent.events.of('sent'), [{ name: 'two' }, { name: 'one', storedAs: 'x' }])
})
