/** When a receiver that waits for so many transfers has had enough: what counts, what does not, and how long it waits. */
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { receive, type TransferEvent } from '../../dist/index.js'
import { fakeClock } from '../fixtures/clock.ts'
import { replaceDuring } from '../fixtures/disk.ts'
import { watchDiskRest } from '../fixtures/disk-at-rest.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { Peer } from '../fixtures/peer.ts'
import { frame, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { unusedPlace } from '../fixtures/ports.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

/** An entry that stops in the middle. */
const half = [senderOpening, frame('H', { name: 'half.bin', size: 4096 }), frame('D', bytesOf(1024))]

t.test('ends after as many successful transfers as it was asked for', async (t) => {
  const folder = t.testdir({ 'file.txt': 'text', out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 3 })
  for (let number = 1; number <= 3; number++) {
    t.equal(await stateOf(receiver.ended), 'pending')
    t.match((await trySend(t, receiver.port, join(folder, 'file.txt'))).summary, { files: 1 })
  }
  t.match((await receiver.ended).summary, { files: 3, bytes: 12 })
  t.match(receiver.events.of('done'), [{ files: 3, bytes: 12, exitCode: 0 }])
  t.match((await trySend(t, receiver.port, join(folder, 'file.txt'))).error, { code: 'connect' })
})

t.test('is not used up by what is not a transfer', async (t) => {
  const folder = t.testdir({ 'a.pdf': 'refused', 'b.txt': 'taken', out: {} })
  const diskAtRest = watchDiskRest(t)
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 1, accept: ['text/plain'] })

  const scan = await Peer.dial(t, receiver.port)
  scan.finish()
  await scan.ended
  const garbage = await Peer.dial(t, receiver.port)
  garbage.finish('GET / HTTP/1.1\r\n\r\n')
  await garbage.ended
  const opening = await Peer.dial(t, receiver.port)
  await opening.write(senderOpening)
  await opening.reset()
  const empty = await Peer.dial(t, receiver.port)
  empty.finish(senderOpening, frame('F', { entries: 0 }))
  await empty.ended
  t.match((await trySend(t, receiver.port, join(folder, 'a.pdf'))).error, { code: 'refused', reason: 'type' })
  t.match((await trySend(t, receiver.port, [{ path: join(folder, 'b.txt'), name: '../b.txt' }])).error, {
    code: 'refused',
    reason: 'name',
  })

  await diskAtRest()
  t.equal(await stateOf(receiver.ended), 'pending')
  t.match((await trySend(t, receiver.port, join(folder, 'b.txt'))).summary, { files: 1 })
  t.match((await receiver.ended).summary, { files: 1 })
  t.strictSame(filesIn(join(folder, 'out')), { 'b.txt': 'taken' })
})

t.test('does not report who came and went without a word', async (t) => {
  // Time stands still, so there is one progress event for the file.
  fakePerformanceNow(t)
  const receiver = await startReceiver(t, { out: t.testdir() })
  const scan = await Peer.dial(t, receiver.port)
  scan.finish()
  await scan.closed
  const rude = await Peer.dial(t, receiver.port)
  await rude.reset()
  // Who comes after them is handled after them.
  await trySend(t, receiver.port, [{ stream: Readable.from(['x']), name: 'file' }])
  await receiver.events.until('ended')
  await receiver.stop()
  const names = receiver.events.all.map(({ event }) => event)
  t.strictSame(
    names,
    ['listening', 'connected', 'progress', 'stored', 'ended', 'failed', 'done'],
    'the failure is the interruption',
  )
})

t.test('ends at once when a transfer into a stream breaks, because a stream cannot begin anew', async (t) => {
  const receiver = await startReceiver(t, { out: new PassThrough() })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(...half)
  const { error } = await receiver.ended
  t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
  t.equal(receiver.events.of('failed').length, 1, 'it is reported once')
})

t.test('may be started after its sender', async (t) => {
  const folder = t.testdir({ 'file.txt': 'text', out: {} })
  const place = await unusedPlace()
  const [host, port] = [place.host, Number(place.port)]
  const sending = trySend(t, port, join(folder, 'file.txt'), { host, wait: 600_000 })
  await settle()
  const receiver = await startReceiver(t, { out: join(folder, 'out'), host, port, count: 1 })
  t.match((await sending).summary, { files: 1 })
  t.match((await receiver.ended).summary, { files: 1 })
})

t.test('takes no more transfers at a time than it still wants', async (t) => {
  const diskAtRest = watchDiskRest(t)
  const folder = t.testdir({ 'file.txt': 'text', out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 1 })
  const first = await Peer.dial(t, receiver.port)
  await first.write(...half)
  await receiver.events.until('progress')
  const second = await trySend(t, receiver.port, join(folder, 'file.txt'))
  t.match(second.error, { code: 'refused', exitCode: 5, reason: 'busy' })
  t.match(second.error?.message, 'it has all the transfers that it waited for')
  await first.reset()
  await receiver.events.until('failed')
  await diskAtRest()
  const third = await trySend(t, receiver.port, join(folder, 'file.txt'))
  t.match(third.summary, { files: 1 })
  await receiver.ended
})

t.test('takes the next sender although it still closes what it needed for the last', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir(), count: 1 })
  const closing = gate()
  const isOver = () => receiver.events.of('refused').length > 0
  const ofTheFirst = new Set<number>()
  replaceDuring(t, 'open', (open) => {
    const noted = async (...args: Parameters<typeof open>) => {
      const fd = await open(...args)
      if (!isOver()) ofTheFirst.add(fd)
      return fd
    }
    return noted as typeof open
  })
  replaceDuring(t, 'close', (close) => async (fd) => {
    if (isOver() && ofTheFirst.has(fd)) await closing.opened
    // The number may be that of another file next.
    ofTheFirst.delete(fd)
    await close(fd)
  })
  const refused = await trySend(t, receiver.port, [{ stream: Readable.from(['x']), name: '..' }])
  t.match(refused.error, { code: 'refused', reason: 'name' })
  const next = await trySend(t, receiver.port, [{ stream: Readable.from(['x']), name: 'file' }])
  closing.open()
  t.match(next.summary, { files: 1 })
  await receiver.stop()
})

t.test('tells whoever is still connected at its end that it has had enough', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir(), count: 1 })
  const silent = await Peer.dial(t, receiver.port)
  const greeting = await Peer.dial(t, receiver.port)
  await greeting.write(senderOpening)
  await greeting.next('G')
  const good = await Peer.dial(t, receiver.port)
  good.finish(...transferFrames({ 'file.txt': 'text' }))
  for (const late of [silent, greeting]) {
    t.match((await late.next('R')).fields, { entry: null, reason: 'busy', message: 'it has done what it waited for' })
    t.equal(await late.ended, 'end')
    late.finish()
  }
  t.match((await receiver.ended).summary, { files: 1 })
})

t.test('refuses connections over the limit, and no others', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ 'file.txt': 'text', out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), maxConnections: 2 })
  const peers = [await Peer.dial(t, receiver.port), await Peer.dial(t, receiver.port)]
  await peers[1]?.write(...half)
  await receiver.events.until('progress')
  const refused = await trySend(t, receiver.port, join(folder, 'file.txt'))
  t.match(refused.error, { code: 'refused', exitCode: 5, reason: 'busy' })
  t.match(refused.error?.message, 'it has 2 connections already')
  await peers[0]?.reset()
  // What is left is the clock of the other connection, the watch over its progress, and the period of the refusal.
  await until(() => clock.timers === 3)
  t.match((await trySend(t, receiver.port, join(folder, 'file.txt'))).summary, { files: 1 })
  await peers[1]?.reset()
  await receiver.stop()
})

t.test('says that it cannot listen, in an event and by rejecting', async (t) => {
  const { port } = await startReceiver(t, { out: t.testdir() })
  const events: TransferEvent[] = []
  const second = receive({ port, host: '127.0.0.1', out: t.testdir(), onEvent: (event) => events.push(event) })
  await t.rejects(second, { code: 'connect', exitCode: 3 })
  t.match(events, [
    { event: 'failed', transfer: 0, code: 'connect' },
    { event: 'done', files: 0, exitCode: 3 },
  ])
})
