/** The connection ends at every place where it can: a file is there whole or not at all, and the receiver lives. */
import { join } from 'node:path'
import t from 'tap'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, receiverOpening, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { damagedPort } from '../fixtures/proxy.ts'
import { settle } from '../fixtures/turns.ts'

const content = 'x'.repeat(1_500)
const frames = transferFrames({ 'file.txt': content })
const whole = Buffer.concat(frames)

t.test('reports each connection that broke after its first byte, once', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const [opening, header, data] = frames as [Buffer, Buffer, Buffer]
  const cuts = [1, opening.length, opening.length + 3, opening.length + header.length + data.length]
  for (const [index, cut] of cuts.entries()) {
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(whole.subarray(0, cut))
    await peer.closed
    const name = cut < opening.length + header.length ? 'refused' : 'failed'
    const event = await receiver.events.until(name, name === 'refused' ? index + 1 : 1)
    t.match(event, { transfer: index + 1, message: 'the sender closed the connection before the end' })
  }
  await receiver.stop()
  t.equal(receiver.events.of('refused').length, 3)
  t.equal(receiver.events.of('failed').length, 2, 'the last one is the interruption')
})

t.test('takes a transfer that comes one byte at a time', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, count: 1 })
  const peer = await Peer.dial(t, receiver.port)
  for (const byte of whole) {
    await peer.write(Buffer.from([byte]))
    await settle(1)
  }
  peer.finish()
  t.match((await peer.next('S')).fields, { entry: 0, name: 'file.txt', bytes: content.length })
  t.match((await receiver.ended).summary, { files: 1 })
  t.strictSame(filesIn(out), { 'file.txt': content })
})

t.test('takes several entries in one piece, and in pieces that fit no frame', async (t) => {
  const files = { 'a.txt': 'a'.repeat(3_000), 'b.txt': '', 'c.txt': 'c' }
  const bytes = Buffer.concat(transferFrames(files))
  for (const size of [bytes.length, 7, 1_000]) {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out, count: 1 })
    const peer = await Peer.dial(t, receiver.port)
    for (let at = 0; at < bytes.length; at += size) {
      await peer.write(bytes.subarray(at, at + size))
      await settle(1)
    }
    peer.finish()
    await peer.closed
    await receiver.ended
    t.strictSame(filesIn(out), files)
    t.strictSame(
      peer.frames.map(({ type }) => type),
      ['G', 'S', 'S', 'S'],
    )
  }
})

t.test('keeps the entries that were stored before the connection broke', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, ...entryFrames('first.txt', 'first'))
  await peer.next('S')
  await peer.write(...entryFrames('second.txt', 'second').slice(0, 2))
  await receiver.events.until('progress', 2)
  await peer.reset()
  t.match(await receiver.events.until('failed'), { name: 'second.txt', code: 'incomplete', reason: 'broken' })
  await receiver.stop()
  t.match(receiver.events.of('done'), [{ files: 1, bytes: 5 }])
  t.strictSame(filesIn(out), { 'first.txt': 'first' })
})

t.test('ends both real ends with an incomplete transfer when the network between them breaks', async (t) => {
  const folder = t.testdir({ 'file.bin': bytesOf(3 * 1_048_576), out: {} })
  const out = join(folder, 'out')
  const leftOpen = watchOpenFiles(folder)
  const receiver = await startReceiver(t, { out, keepPartial: 0 })
  const cuts = [
    { direction: 'to-receiver', after: 1_500_000 },
    { direction: 'to-receiver', after: 30 },
    { direction: 'to-sender', after: 30 },
  ] as const
  for (const cut of cuts) {
    const port = await damagedPort(t, receiver.port, { cut })
    const sent = await trySend(t, port, join(folder, 'file.bin'), { retry: 0 })
    t.match(sent.error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
    t.match(sent.events.of('done'), [{ files: 0, exitCode: 6 }])
  }
  await receiver.stop()
  t.strictSame(namesIn(out), [])
  t.equal((await leftOpen()).length, cuts.length, 'only the proxies still listen')
})

t.test('ends a sender with an incomplete transfer when its receiver ends at any byte of its answer', async (t) => {
  const path = join(t.testdir({ 'file.txt': 'text' }), 'file.txt')
  const answer = Buffer.concat([receiverOpening, frame('R', { entry: 0, reason: 'policy', message: 'no' })])
  for (const how of ['end', 'reset'] as const) {
    for (let cut = 0; cut < answer.length; cut++) {
      const listener = await listenAsPeer(t, async (peer) => {
        await peer.next('H')
        await peer.write(answer.subarray(0, cut))
        if (how === 'reset') await peer.reset()
        else peer.finish()
      })
      const { error } = await trySend(t, listener.port, path)
      t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken' }, `${how} at ${cut}`)
    }
  }
})
