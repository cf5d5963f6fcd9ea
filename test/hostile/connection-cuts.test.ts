/** The connection ends at every place where it can: a file is there whole or not at all, and the receiver lives. */
import { unlinkSync } from 'node:fs'
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

/** Every byte of the opening and the header, and the surroundings of every later frame's edge. */
function places(): number[] {
  const [opening, header] = frames as [Buffer, Buffer]
  const dense = Array.from({ length: opening.length + header.length + 7 }, (_, index) => index)
  const edges: number[] = []
  let at = 0
  for (const { length } of frames) {
    at += length
    edges.push(at - 1, at, at + 1)
  }
  return [...new Set([...dense, ...edges])].filter((place) => place <= whole.length)
}

for (const how of ['end', 'reset'] as const) {
  t.test(
    `survives the ${how} of a sender at every byte of its opening and header, and at every frame's edge`,
    async (t) => {
      const out = t.testdir()
      const receiver = await startReceiver(t, { out })
      const leftOpen = watchOpenFiles(out)
      for (const place of places()) {
        const before = receiver.events.all.length
        const peer = await Peer.dial(t, receiver.port)
        await peer.write(whole.subarray(0, place))
        if (how === 'reset') await peer.reset()
        else peer.finish()
        await peer.closed
        // The connections come one after the other, so when the next one is answered this one is over.
        const next = await Peer.dial(t, receiver.port)
        next.finish(senderOpening, frame('F', { entries: 0 }))
        await next.closed
        const news = receiver.events.all.slice(before).map(({ event }) => event)
        const isWhole = filesIn(out)['file.txt'] === content
        t.ok(isWhole || namesIn(out).every((name) => name === '.tcp-recv'), `nothing half-written, cut at ${place}`)
        const hasEnd = place >= whole.length - (frames.at(-1) as Buffer).length
        if (how === 'end') t.equal(isWhole, hasEnd, `cut at ${place}`)
        if (!hasEnd) t.notOk(news.includes('stored'))
        if (isWhole) unlinkSync(join(out, 'file.txt'))
      }
      const good = await Peer.dial(t, receiver.port)
      good.finish(whole)
      t.match((await good.next('S')).fields, { name: 'file.txt' })
      await good.closed
      await receiver.stop()
      t.strictSame(filesIn(out), { 'file.txt': content })
      t.strictSame(await leftOpen(), [])
    },
  )
}

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
  const receiver = await startReceiver(t, { out })
  const cuts = [
    { direction: 'to-receiver', after: 1_500_000 },
    { direction: 'to-receiver', after: 30 },
    { direction: 'to-sender', after: 30 },
  ] as const
  for (const cut of cuts) {
    const port = await damagedPort(t, receiver.port, { cut })
    const sent = await trySend(t, port, join(folder, 'file.bin'))
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
