import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { fakeClock } from '../fixtures/clock.ts'
import { startSender, tryReceive } from '../fixtures/ends.ts'
import { bytesOf, namesIn } from '../fixtures/folder.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'
import { unusedPlace } from '../fixtures/ports.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

t.test('closes a connection that does not greet in time', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'a.txt': 'text' })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const silent = await Peer.dial(t, sender.port)
  await silent.next('G')
  await until(() => clock.timers === 3)
  clock.advance(9_999)
  await settle()
  t.notOk(silent.isOver)
  clock.advance(1)
  t.match((await silent.next('A')).fields, { entry: null, reason: 'timeout', message: 'no greeting within 10 seconds' })
  silent.finish()
  t.match(await sender.events.until('failed'), { transfer: 1, code: 'timeout' })
  await sender.stop()
})

t.test('waits for the receiver of a broken transfer, and fails when none comes back in time', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'a.txt': 'text' })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const peer = await Peer.dial(t, sender.port)
  await peer.write(receiverOpening)
  await peer.next('F')
  peer.finish()
  await sender.events.until('waiting')
  clock.advance(29_999)
  t.equal(await stateOf(sender.ended), 'pending')
  clock.advance(1)
  t.match((await sender.ended).error, {
    code: 'incomplete',
    exitCode: 6,
    message: /no receiver came back within 30 seconds$/,
  })
})

t.test('says that the receiver which refused its file has not come back', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'a.txt': 'text' })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const peer = await Peer.dial(t, sender.port)
  await peer.write(receiverOpening)
  await peer.next('F')
  peer.finish(frame('R', { entry: 0, reason: 'policy', message: 'not today' }))
  await sender.events.until('waiting')
  clock.advance(30_000)
  t.match((await sender.ended).error, {
    code: 'refused',
    exitCode: 5,
    message: /^\S*a\.txt: the receiver refused it: not today; no receiver came back within 30 seconds$/,
  })
})

t.test('gives up when no receiver comes in time', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'a.txt': 'text' })
  const sender = await startSender(t, [join(folder, 'a.txt')], { wait: 60_000 })
  clock.advance(60_000)
  t.match((await sender.ended).error, { code: 'timeout', exitCode: 9, message: 'no receiver came within 60 seconds' })
})

t.test('ends with the failure of a stream, which cannot be read again', async (t) => {
  const stream = new PassThrough()
  stream.write(bytesOf(5_000))
  const sender = await startSender(t, [{ stream, name: 'pipe' }])
  const peer = await Peer.dial(t, sender.port)
  await peer.write(receiverOpening)
  await peer.next('D')
  await peer.reset()
  t.match((await sender.ended).error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
  t.equal(sender.events.of('failed').length, 1)
})

t.test('refuses a receiver too many', async (t) => {
  const sender = await startSender(t, [{ stream: new PassThrough(), name: 'pipe' }])
  const first = await Peer.dial(t, sender.port)
  await first.write(receiverOpening)
  await first.next('H')
  const second = await Peer.dial(t, sender.port)
  await second.write(receiverOpening)
  t.match((await second.next('A')).fields, { entry: null, reason: 'busy' })
  second.finish()
  await sender.stop()
})

t.test('reports a connection too many', async (t) => {
  const sender = await startSender(t, [{ stream: new PassThrough(), name: 'pipe' }], { maxConnections: 1 })
  const first = await Peer.dial(t, sender.port)
  await first.next('G')
  const second = await Peer.dial(t, sender.port)
  t.match((await second.next('A')).fields, { entry: null, reason: 'busy' })
  second.finish()
  t.match(await sender.events.until('failed'), { transfer: 2, code: 'refused', reason: 'busy' })
  await sender.stop()
})

t.test('is refused by a receiver that dialled, and both fail', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const sender = await startSender(t, [join(folder, 'a.txt')])
  const received = await tryReceive(t, sender.port, { out: join(folder, 'out'), accept: ['image/*'] })
  t.match(received.error, { code: 'refused', exitCode: 5, reason: 'type' })
  t.match(await sender.events.until('failed'), { name: 'a.txt', code: 'refused', reason: 'type' })
  await sender.stop()
  t.strictSame(namesIn(join(folder, 'out')), [])
})

t.test('fails a receiver that cannot connect', async (t) => {
  const { host, port } = await unusedPlace()
  const received = await tryReceive(t, Number(port), { host, out: t.testdir() })
  t.match(received.error, { code: 'connect', exitCode: 3 })
  t.match(received.events.all, [
    { event: 'failed', transfer: 0, code: 'connect' },
    { event: 'done', files: 0, exitCode: 3 },
  ])
})

t.test('fails a receiver that dialled whoever is not a sender', async (t) => {
  const cases: [Buffer | string, object][] = [
    ['SSH-2.0-x\r\n', { code: 'incomplete', reason: 'magic' }],
    ['tcp-recv', { code: 'incomplete', reason: 'magic' }],
    [senderOpening, { code: 'incomplete', reason: 'broken' }],
    ['', { code: 'incomplete', reason: 'broken' }],
    [Buffer.concat([senderOpening, frame('D', Buffer.from('x'))]), { code: 'incomplete', reason: 'protocol' }],
  ]
  for (const [words, wanted] of cases) {
    const out = t.testdir()
    const listener = await listenAsPeer(t, (peer) => peer.finish(words))
    const received = await tryReceive(t, listener.port, { out })
    t.match(received.error, { exitCode: 6, ...wanted })
    t.strictSame(namesIn(out), [])
  }
})

t.test('ends both sides when either is interrupted', async (t) => {
  for (const who of ['sender', 'receiver']) {
    const out = t.testdir()
    const controller = new AbortController()
    const stream = new PassThrough()
    stream.write(bytesOf(100_000))
    const sender = await startSender(t, [{ stream, name: 'pipe' }])
    const received = await tryReceive(t, sender.port, {
      out,
      signal: controller.signal,
      onEvent: ({ event }) => {
        if (event !== 'progress') return
        if (who === 'receiver') controller.abort()
        else void sender.stop()
      },
    })
    const sent = await sender.ended
    const [interrupted, other] = who === 'sender' ? [sent, received] : [received, sent]
    t.match(interrupted.error, { code: 'interrupted', exitCode: 130 }, who)
    const reason = who === 'sender' ? 'aborted' : 'interrupted'
    t.match(other.error, { code: 'incomplete', exitCode: 6, reason }, who)
    t.ok(stream.destroyed)
    t.strictSame(namesIn(out), [])
  }
})

t.test('is interrupted in the moment that it has connected', async (t) => {
  const controller = new AbortController()
  const listener = await listenAsPeer(t, () => {})
  const received = await tryReceive(t, listener.port, {
    out: t.testdir(),
    signal: controller.signal,
    onEvent: ({ event }) => {
      if (event === 'connected') controller.abort()
    },
  })
  t.match(received.error, { code: 'interrupted', exitCode: 130 })
})
