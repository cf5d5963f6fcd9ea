/** A peer that cannot compute BLAKE3 leaves it out: the sizes are compared, and nothing is called verified. */
import { join } from 'node:path'
import t from 'tap'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'

const header = frame('H', { name: 'file.txt', size: 5 })
const data = frame('D', Buffer.from('hello'))

for (const [how, end] of Object.entries({
  'without the field': { bytes: 5 },
  'with null in it': { bytes: 5, blake3: null },
})) {
  t.test(`stores what comes ${how}, and says what it got`, async (t) => {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out, count: 1 })
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(senderOpening, header, data, frame('E', end), frame('F', { entries: 1 }))
    const answer = { entry: 0, name: 'file.txt', bytes: 5, blake3: digest('hello') }
    t.match((await peer.next('S')).fields, answer, 'the sender may compare')
    t.match((await receiver.ended).summary, { files: 1 })
    t.match(receiver.events.of('stored'), [{ verified: false, blake3: digest('hello') }])
    t.strictSame(filesIn(out), { 'file.txt': 'hello' })
  })
}

t.test('stores nothing that has another size than was announced, or than was sent', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  for (const [first, end] of [
    [{ name: 'file.txt', size: 6 }, { bytes: 5 }],
    [{ name: 'file.txt', size: 5 }, { bytes: 6 }],
    [{ name: 'file.txt', size: null }, { bytes: 4 }],
  ]) {
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(senderOpening, frame('H', first as object), data, frame('E', end as object), frame('F', { entries: 1 }))
    t.match((await peer.next('R')).fields, { entry: 0, code: 'size' })
    await peer.closed
  }
  await receiver.stop()
  t.match(receiver.events.of('failed'), Array(3).fill({ name: 'file.txt', code: 'incomplete', reason: 'size' }))
  t.strictSame(namesIn(out), [])
})

/** A receiver that answers every entry with these fields. */
async function answering(t: Parameters<typeof listenAsPeer>[0], answer: object): Promise<number> {
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('F')
    peer.finish(frame('S', { entry: 0, name: 'file.txt', ...answer }))
  })
  return port
}

t.test('believes a receiver that compared nothing, and does not call it verified', async (t) => {
  const path = join(t.testdir({ 'file.txt': 'hello' }), 'file.txt')
  for (const answer of [{ bytes: 5 }, { bytes: 5, blake3: null }]) {
    const sent = await trySend(t, await answering(t, answer), path)
    t.match(sent.summary, { files: 1, bytes: 5 })
    t.match(sent.events.of('sent'), [{ storedAs: 'file.txt', blake3: digest('hello'), verified: false }])
  }
})

t.test('does not believe a receiver that has another number of bytes, or another digest', async (t) => {
  const path = join(t.testdir({ 'file.txt': 'hello' }), 'file.txt')
  for (const answer of [{ bytes: 4 }, { bytes: 6, blake3: null }, { bytes: 5, blake3: digest('other') }]) {
    const sent = await trySend(t, await answering(t, answer), path)
    t.match(sent.error, { code: 'digest-mismatch', exitCode: 7, reason: 'digest' })
    t.match(sent.error?.message, /the receiver stored \d bytes/)
    t.strictSame(sent.events.of('sent'), [])
  }
})
