import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { trySend } from '../fixtures/ends.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { listenAsPeer, type Peer } from '../fixtures/peer.ts'
import { digest, frame, receiverOpening } from '../fixtures/peer-frames.ts'

const text = 'a small file'
const stored = (entry: number) => frame('S', { entry, name: 'file.txt', bytes: text.length, blake3: digest(text) })
const refused = frame('R', { entry: 0, reason: 'exists', message: 'it is there' })

/** What a receiver may still do after its last answer, which it hands over itself. */
const ends: Record<string, (peer: Peer, answer: Buffer) => Promise<unknown>> = {
  'a refusal of the transfer': async (peer, answer) => {
    await peer.write(answer, frame('R', { entry: null, reason: 'local-file', message: 'it failed' }))
    peer.finish()
  },
  'a breach of the protocol': async (peer, answer) => {
    await peer.write(answer, frame('X', {}))
    peer.finish()
  },
  'a second answer': async (peer, answer) => {
    await peer.write(answer, stored(7))
    peer.finish()
  },
  garbage: async (peer, answer) => {
    await peer.write(answer, bytesOf(10_000))
    peer.finish()
  },
  'a close': async (peer, answer) => peer.finish(answer),
  'a reset': async (peer, answer) => {
    await peer.write(answer)
    await peer.reset()
  },
}

/** When the last answer comes: as soon as it can be given, or when the sender has ended its direction. */
type When = 'at once' | 'at the end'

/** Sends two files to a receiver that answers the second then, and ends so. */
async function sendTwo(t: Test, when: When, answer: Buffer, end: (typeof ends)[string]) {
  const folder = t.testdir({ 'a.txt': text, 'b.txt': text })
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('E')
    await peer.write(answer)
    await peer.next('E')
    if (when === 'at the end') await peer.ended
    await end(peer, stored(1))
    await peer.closed
  })
  return await trySend(t, listener.port, [`${folder}/a.txt`, `${folder}/b.txt`])
}

for (const [what, end] of Object.entries(ends)) {
  // A reset can overtake the answer while the sender still writes: nothing is confirmed then.
  const moments: When[] = what === 'a reset' ? ['at the end'] : ['at once', 'at the end']
  for (const when of moments) {
    t.test(`what was confirmed stays a success after ${what}; the last answer came ${when}`, async (t) => {
      const { summary, error, events } = await sendTwo(t, when, stored(0), end)
      t.equal(error, undefined)
      t.match(summary, { files: 2, bytes: 2 * text.length })
      t.equal(events.of('sent').length, 2)
      t.same(events.of('failed'), [])
      t.match(events.of('done'), [{ files: 2, exitCode: 0 }])
    })
  }

  t.test(`a refusal stays the only failure after ${what}`, async (t) => {
    const { error, events } = await sendTwo(t, 'at the end', refused, end)
    t.match(error, { code: 'refused', reason: 'exists' })
    t.match(events.of('failed'), [{ name: 'a.txt', code: 'refused', reason: 'exists' }])
    t.match(events.of('sent'), [{ name: 'b.txt' }])
    t.match(events.of('done'), [{ files: 1, exitCode: 5 }])
  })
}

t.test('a source that could not be opened any more leaves the others confirmed', async (t) => {
  const folder = t.testdir({ 'a.txt': text })
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('F')
    await ends['a refusal of the transfer']?.(peer, stored(0))
    await peer.closed
  })
  const { error, events } = await trySend(t, listener.port, [`${folder}/missing`, `${folder}/a.txt`])
  t.match(error, { code: 'local-file' })
  t.match(events.of('sent'), [{ name: 'a.txt' }])
  t.equal(events.of('failed').length, 1)
})

t.test('a user who fails at the last answer hears of it', async (t) => {
  const folder = t.testdir({ 'a.txt': text })
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('F')
    await peer.write(stored(0))
    await peer.ended
    peer.finish()
  })
  const onEvent = ({ event }: { event: string }) => {
    if (event === 'sent') throw new RangeError('boom')
  }
  const { error } = await trySend(t, listener.port, [`${folder}/a.txt`], { onEvent })
  t.match(error, { code: 'internal', message: 'internal error: boom' })
})

t.test('a user who fails at an answer ends the transfer, and the receiver is told', async (t) => {
  const folder = t.testdir({ 'a.txt': text })
  let told: object | undefined
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('E')
    await peer.write(stored(0))
    told = (await peer.next('A')).fields
    peer.finish()
  })
  const onEvent = ({ event }: { event: string }) => {
    if (event === 'sent') throw new RangeError('boom')
  }
  const pipe = { stream: new PassThrough(), name: 'pipe' }
  const { error, events } = await trySend(t, listener.port, [`${folder}/a.txt`, pipe], { onEvent })
  t.match(error, { code: 'internal', message: 'internal error: boom' })
  t.match(told, { entry: null, reason: 'internal' })
  t.match(events.of('failed'), [{ code: 'internal' }])
  t.notOk('name' in (events.of('failed')[0] ?? {}), 'it is no failure of a file')
})
