/** `ifExists: 'reuse'`, as both ends see it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, entryFrames, frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'
import { right, text } from '../fixtures/scripted-receiver.ts'

t.test('both sides are told which files were there, whether small, large or of unknown size', async (t) => {
  const large = bytesOf(3 * 1024 * 1024 + 1)
  const folder = t.testdir({ 'small.txt': 'small', 'large.bin': large, 'other.txt': 'new', 'free.txt': 'free' })
  const out = join(folder, 'out')
  mkdirSync(out)
  for (const name of ['small.txt', 'large.bin']) writeFileSync(join(out, name), readFileSync(join(folder, name)))
  writeFileSync(join(out, 'other.txt'), 'old')
  writeFileSync(join(out, 'stream'), 'streamed')
  const receiver = await startReceiver(t, { out, ifExists: 'reuse', count: 1 })
  const stream = new PassThrough()
  stream.end('streamed')
  const names = ['small.txt', 'large.bin', 'other.txt', 'free.txt']
  const sources = [...names.map((name) => join(folder, name)), { stream, name: 'stream' }]
  const { summary, events } = await trySend(t, receiver.port, sources)
  t.match(summary, { files: 5 })
  t.match((await receiver.ended).summary, { files: 5 })
  const expected = [
    ['small.txt', 'small.txt', true],
    ['large.bin', 'large.bin', true],
    ['other.txt', 'other_bak.txt', undefined],
    ['free.txt', 'free.txt', undefined],
    ['stream', 'stream', true],
  ]
  t.strictSame(
    events.of('sent').map(({ name, storedAs, reused }) => [name, storedAs, reused]),
    expected,
  )
  t.strictSame(
    receiver.events.of('stored').map(({ name, path, reused }) => [name, path.slice(out.length + 1), reused]),
    expected,
  )
  t.strictSame(namesIn(out), ['free.txt', 'large.bin', 'other.txt', 'other_bak.txt', 'small.txt', 'stream'])
})

t.test('a directory gets a backup name, also if the same is there', async (t) => {
  const folder = t.testdir({ d: { a: 'a' }, out: { d: { a: 'a' } } })
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, { out, ifExists: 'reuse', count: 1 })
  const { events } = await trySend(t, receiver.port, join(folder, 'd'))
  await receiver.ended
  t.match(events.of('sent').at(-1), { storedAs: 'd_bak' })
  t.match(events.of('sent').at(-1)?.reused, undefined)
  t.strictSame(filesIn(join(out, 'd_bak')), { a: 'a' })
})

t.test('a sender that comes back is given the same answer', async (t) => {
  const out = t.testdir({ a: 'hello' })
  const receiver = await startReceiver(t, { out, ifExists: 'reuse' })
  const greeting = Buffer.concat([
    senderOpening.subarray(0, senderOpening.indexOf('G')),
    frame('G', { version: 1, transfer: 'c'.repeat(32) }),
  ])
  for (const time of ['first', 'second']) {
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(greeting, ...entryFrames('a', 'hello'))
    const { fields } = await peer.next('S')
    t.strictSame(fields, { entry: 0, name: 'a', bytes: 5, blake3: digest('hello'), reused: true }, time)
    await peer.closed
  }
  await receiver.stop()
  t.strictSame(filesIn(out), { a: 'hello' })
})

for (const reused of [true, false, null]) {
  t.test(`a receiver that says reused: ${reused} is understood`, async (t) => {
    const listener = await listenAsPeer(t, async (peer) => {
      await peer.write(receiverOpening)
      await peer.next('F')
      peer.finish(frame('S', { entry: 0, ...right, reused }))
    })
    const { summary, events } = await trySend(t, listener.port, join(t.testdir({ 'file.txt': text }), 'file.txt'))
    t.match(summary, { files: 1 })
    t.strictSame(
      events.of('sent').map((event) => event.reused),
      [reused || undefined],
    )
  })
}
