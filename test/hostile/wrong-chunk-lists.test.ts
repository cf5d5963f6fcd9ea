/** Senders that list the chunks of a file wrongly, and receivers that want them wrongly. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { MAX_ALL_RANGES } from '../../dist/protocol/limits.js'
import { newPending, type Pending } from '../../dist/transfer/answers.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn } from '../fixtures/folder.ts'
import { someDigest, someToken } from '../fixtures/literals.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, entryFrames, frame, senderOpening } from '../fixtures/peer-frames.ts'

const old = bytesOf(1_049_600)
const size = old.length
const LONGEST = 262_144

const header = (fields: object = {}) =>
  frame('H', { name: 'old.bin', size, source: someToken, edition: someToken, resume: 'delta', ...fields })
const chunks = (...lengths: number[]) => frame('V', { digests: lengths.map(() => someDigest), lengths })
const whole = chunks(LONGEST, LONGEST, LONGEST, LONGEST, size - 4 * LONGEST)
const good = entryFrames('good.txt', 'good')
const abort = frame('A', { entry: 0, reason: 'x', message: 'x' })

const wrongChunk = { reason: 'protocol', message: /^the sender lists a chunk of \d+ bytes at \d+, which cannot be$/ }
const notWanted = { reason: 'protocol', message: /^the sender sent bytes at \d+, which were not asked for$/ }

/** What costs the sender one entry: the frames after its header, and the refusal. */
const breaches: Record<string, [frames: Buffer[], refusal: object]> = {
  'a chunk that is too short': [[chunks(1_024, LONGEST)], wrongChunk],
  'a chunk that is too long': [[chunks(LONGEST + 1)], wrongChunk],
  'a chunk beyond the end': [[chunks(LONGEST, LONGEST, LONGEST, LONGEST, LONGEST)], wrongChunk],
  'chunks behind the end': [[whole, chunks(1)], wrongChunk],
  'a list that never ends': [Array(80).fill(chunks(...Array(100).fill(16_384))), wrongChunk],
  'data before the end of the list': [[chunks(LONGEST), frame('D', old.subarray(0, 1_024))], notWanted],
  'an end before the end of the list': [
    [chunks(LONGEST), frame('E', { bytes: size, blake3: digest(old) })],
    { reason: 'size' },
  ],
  'an end before the data': [[whole, frame('E', { bytes: size, blake3: digest(old) })], { reason: 'size' }],
  'other data than it says': [
    [
      whole,
      frame('D', Buffer.alloc(1_048_576)),
      frame('D', Buffer.alloc(1_024)),
      frame('E', { bytes: size, blake3: digest(old) }),
    ],
    { reason: 'digest' },
  ],
}

for (const [what, [frames, refusal]] of Object.entries(breaches)) {
  t.test(`refuses a file with ${what}, leaves the old one alone, and takes the next`, async (t) => {
    const out = t.testdir({ 'old.bin': old })
    const receiver = await startReceiver(t, { out, ifExists: 'overwrite' })
    const peer = await Peer.dial(t, receiver.port)
    const isEnded = frames.at(-1)?.[0] === 'E'.charCodeAt(0)
    peer.finish(senderOpening, header(), ...frames, ...(isEnded ? [] : [abort]), ...good, frame('F', { entries: 2 }))
    t.equal(await peer.ended, 'end')
    t.ok(((await peer.next('G')).fields.features as string[]).includes('delta'))
    t.match(await refusalOf(peer), { entry: 0, ...refusal })
    t.match(
      peer.frames.filter(({ type }) => type === 'S').map(({ fields }) => fields),
      [{ entry: 1 }],
    )
    await receiver.stop()
    t.strictSame(Object.keys(filesIn(out)), ['good.txt', 'old.bin'])
    t.ok(readFileSync(join(out, 'old.bin')).equals(old))
  })
}

async function refusalOf(peer: Peer): Promise<object> {
  return (await peer.next('R')).fields
}

t.test('ends a connection with a list that has another form', async (t) => {
  const out = t.testdir({ 'old.bin': old })
  const receiver = await startReceiver(t, { out, ifExists: 'overwrite' })
  const lists: Record<string, Buffer[]> = {
    'no lengths': [header(), frame('V', { digests: [someDigest] })],
    'a length too few': [header(), frame('V', { digests: [someDigest, someDigest], lengths: [LONGEST] })],
    'an empty chunk': [header(), chunks(0)],
    'too many chunks in a frame': [header(), chunks(...Array(101).fill(16_384))],
    'too many samples': [
      header(),
      frame('V', { digests: [someDigest], lengths: [LONGEST], samples: Array(33).fill(someDigest) }),
    ],
    'chunks after data': [header(), whole, frame('D', old.subarray(0, 1_024)), chunks(LONGEST)],
    'chunks where segments are compared': [header({ resume: 'compare' }), chunks(LONGEST)],
    'a file without an edition': [header({ edition: null })],
    'a file without a size': [header({ size: null })],
    'a directory': [header({ '!kind': 'directory', size: null })],
  }
  for (const [what, frames] of Object.entries(lists)) {
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(senderOpening, ...frames)
    await peer.ended
    t.match(peer.frames.find(({ type }) => type === 'R')?.fields, { reason: 'protocol' }, what)
    await peer.closed
  }
  await receiver.stop()
  t.ok(readFileSync(join(out, 'old.bin')).equals(old))
})

t.test('takes nothing from a file that it would not replace', async (t) => {
  for (const ifExists of ['backup', 'skip', 'fail'] as const) {
    const out = t.testdir({ 'old.bin': old })
    const receiver = await startReceiver(t, { out, ifExists })
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(senderOpening, header(), abort, frame('F', { entries: 1 }))
    await peer.ended
    t.notOk(((await peer.next('G')).fields.features as string[]).includes('delta'))
    const answers = peer.frames.filter(({ type }) => 'WR'.includes(type)).map(({ fields }) => fields)
    t.match(answers, ifExists === 'backup' ? [{ ranges: [0, size] }] : [{ entry: 0 }])
    await receiver.stop()
  }
})

t.test('says nothing of a file of another name, and of a chunk by its digest alone', async (t) => {
  const out = t.testdir({ 'old.bin': old, 'other.bin': bytesOf(size, 2) })
  const receiver = await startReceiver(t, { out, ifExists: 'overwrite' })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(senderOpening, header({ name: 'other.bin' }), whole, abort, frame('F', { entries: 1 }))
  await peer.ended
  t.strictSame((await peer.next('W')).fields, { entry: 0, ranges: [0, size] })
  await receiver.stop()
})

/** What a receiver says instead of what it should, and what the sender makes of it. */
const wants = (ranges: number[], more: object = {}) => frame('W', { entry: 0, ranges, ...more })
const answers: Record<string, [frames: Buffer[], message: RegExp]> = {
  'a range that touches one of the frame before': [
    [wants([0, 1_024], { more: true }), wants([1_024, 2_048])],
    /^the receiver wants too much of a file$/,
  ],
  'the same again': [[wants([0, 1_024], { more: true }), wants([0, 1_024])], /^the receiver wants too much of a file$/],
  'more without a range': [[wants([], { more: true })], /^a frame that wants nothing has "more"$/],
  'another answer after the last': [
    [wants([0, 1_024], { more: true }), wants([]), wants([4_096, 8_192])],
    /^the receiver wants something of entry 0 that it cannot get$/,
  ],
}

for (const [what, [frames, message]] of Object.entries(answers)) {
  t.test(`fails at a receiver that wants ${what}`, async (t) => {
    const path = join(t.testdir({ 'old.bin': old }), 'old.bin')
    const error = await sendTo(t, path, frames)
    t.match(error, { reason: 'protocol', message })
  })
}

async function sendTo(t: Test, path: string, frames: Buffer[]) {
  const features = ['resume', 'delta']
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 1, features })]))
    await peer.next('H')
    await peer.write(...frames)
    await peer.ended
  })
  return (await trySend(t, port, path, { delta: true, retry: 0 })).error
}

function pendingFile(): Pending {
  const facts = { number: 0, header: { resume: 'delta' }, stop: new AbortController() }
  return newPending(facts as unknown as Pick<Pending, 'number' | 'entry' | 'header' | 'algorithm' | 'stop'>)
}

t.test('holds no more ranges than a file can have', async (t) => {
  const { onWanted } = pendingFile()
  const give = (index: number) => onWanted?.({ entry: 0, ranges: [index * 2_048, index * 2_048 + 1_024], more: true })
  for (let index = 0; index < MAX_ALL_RANGES; index++) give(index)
  t.throws(() => give(MAX_ALL_RANGES), { reason: 'protocol', message: 'the receiver wants too much of a file' })
})

t.test('puts together what a receiver wants, however it is cut', async (t) => {
  const parts = fc.array(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }), { minLength: 1 })
  await fc.assert(
    fc.asyncProperty(parts, async (parts) => {
      const { onWanted, wanted } = pendingFile()
      const all: number[] = []
      parts.forEach((gaps, index) => {
        const ranges = gaps.flatMap((gap) => {
          const start = (all.at(-1) ?? 0) + gap
          all.push(start, start + 1)
          return [start, start + 1]
        })
        const more = index < parts.length - 1 ? { more: true } : {}
        onWanted?.({ entry: 0, ranges, changed: true, ...more })
      })
      t.strictSame(await wanted, { entry: 0, ranges: all, changed: true })
    }),
    { numRuns: 50 },
  )
})
