/** Senders that go on with a file wrongly, or with somebody else's, against the real receiver. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Listening, startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn } from '../fixtures/folder.ts'
import { key, otherKey } from '../fixtures/keys.ts'
import { someDigest, someToken } from '../fixtures/literals.ts'
import { Peer } from '../fixtures/peer.ts'
import { digest, entryFrames, frame, senderOpening } from '../fixtures/peer-frames.ts'
import { damagedPort } from '../fixtures/proxy.ts'

const SEGMENT = 16_777_216
const HALF = 524_288
const content = bytesOf(1_049_600)
const size = content.length
const otherToken = someToken.replaceAll('0', 'f')

const header = (fields: object = {}) =>
  frame('H', { name: 'half.bin', size, source: someToken, edition: someToken, ...fields })
const position = (offset: number) => frame('P', { offset })
const data = (from: number, to: number) => frame('D', content.subarray(from, to))
const end = frame('E', { bytes: size, blake3: digest(content) })
const digests = (count: number) => frame('V', { digests: Array(count).fill(someDigest) })
const good = entryFrames('good.txt', 'good')
const opening = (transfer: string) => Buffer.concat([Buffer.from('tcp-send'), frame('G', { version: 1, transfer })])

/** Half of the file comes over a connection that then breaks. */
async function sendHalf(t: Test, receiver: Listening): Promise<void> {
  const before = receiver.events.of('failed').length
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(senderOpening, header(), data(0, HALF))
  await peer.ended
  t.match(await receiver.events.until('failed', before + 1), { name: 'half.bin', reason: 'broken', kept: String })
}

/** The answers but for heartbeats, one a line. */
const answersOf = (peer: Peer) =>
  peer.frames.filter(({ type }) => type !== 'B' && type !== 'G').map(({ type, fields }) => ({ type, ...fields }))

const toEnd = { type: 'W', entry: 0, ranges: [HALF, size] }
const everything = { type: 'W', entry: 0, ranges: [0, size] }
const nothingWanted = (at: number) => `the sender sent bytes at ${at}, which were not asked for`

/** What costs the sender one entry: the frames after a header with this `resume`, and the answers. */
const breaches: Record<string, [resume: string, frames: Buffer[], answers: object[]]> = {
  'data from the start': ['offset', [data(0, 1024)], [toEnd, { reason: 'protocol', message: nothingWanted(0) }]],
  'a place before the range': [
    'offset',
    [position(1024), data(1024, 2048)],
    [toEnd, { reason: 'protocol', message: nothingWanted(1024) }],
  ],
  'a place in the range that is not its start': [
    'offset',
    [position(HALF + 1024)],
    [toEnd, { reason: 'protocol', message: nothingWanted(HALF + 1024) }],
  ],
  'a gap in the range': [
    'offset',
    [position(HALF), data(HALF, HALF + 1024), position(HALF + 4096), data(HALF + 4096, size)],
    [toEnd, { reason: 'protocol', message: nothingWanted(HALF + 4096) }],
  ],
  'an end before anything': ['offset', [end], [toEnd, { reason: 'size' }]],
  'an end before the rest': ['offset', [position(HALF), data(HALF, size - 1024), end], [toEnd, { reason: 'size' }]],
  'data before digests': ['compare', [data(0, 1024)], [{ reason: 'protocol', message: nothingWanted(0) }]],
  'an end before digests': ['compare', [end], [{ reason: 'size' }]],
  'a digest too many in a frame': [
    'compare',
    [digests(2)],
    [{ reason: 'protocol', message: 'the sender sent digests of more segments than the file has' }],
  ],
  'a frame of digests too many': [
    'compare',
    [digests(1), digests(1)],
    [everything, { reason: 'protocol', message: 'the sender sent digests of more segments than the file has' }],
  ],
  'wrong bytes': [
    'offset',
    [position(HALF), frame('D', Buffer.alloc(size - HALF)), end],
    [toEnd, { reason: 'damaged' }],
  ],
  'wrong bytes after digests': [
    'compare',
    [digests(1), frame('D', Buffer.alloc(1_048_576)), frame('D', Buffer.alloc(1024)), end],
    [everything, { reason: 'digest' }],
  ],
}

for (const [what, [resume, frames, answers]] of Object.entries(breaches)) {
  t.test(`refuses a file with ${what}, and takes the next`, async (t) => {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out })
    await sendHalf(t, receiver)
    const peer = await Peer.dial(t, receiver.port)
    const last = frames.includes(end) ? [] : [frame('A', { entry: 0, reason: 'x', message: 'x' })]
    peer.finish(senderOpening, header({ resume }), ...frames, ...last, ...good, frame('F', { entries: 2 }))
    t.equal(await peer.ended, 'end')
    const expected = answers.map((answer) => ('type' in answer ? answer : { type: 'R', entry: 0, ...answer }))
    t.match(answersOf(peer), [...expected, { type: 'S', entry: 1, name: 'good.txt' }])
    t.equal(answersOf(peer).length, expected.length + 1)
    await peer.closed
    await receiver.stop()
    t.strictSame(filesIn(out), { 'good.txt': 'good' })
  })
}

/** What costs the sender its connection. */
const broken: Record<string, Buffer[]> = {
  'digests that nobody asks for': [header({ resume: 'offset' }), digests(1)],
  'digests of a file that does not go on': [header(), digests(1)],
  'digests after data': [header({ resume: 'compare' }), digests(1), data(0, 1024), digests(1)],
  'digests outside of an entry': [digests(1)],
  'a place in a file that does not go on': [header(), position(1024)],
  'a place outside of an entry': [position(1024)],
  'the place 0': [header({ resume: 'offset' }), position(0)],
  'a place that is no chunk': [header({ resume: 'offset' }), position(HALF + 1)],
  'the place behind the end': [header({ resume: 'offset' }), position(size)],
  'the same place twice': [header({ resume: 'offset' }), position(HALF), position(HALF)],
  'a place behind an incomplete chunk': [
    header({ resume: 'offset' }),
    position(HALF),
    frame('D', Buffer.alloc(5)),
    position(HALF + 1024),
  ],
  'data behind the end': [header({ resume: 'offset' }), position(HALF), frame('D', Buffer.alloc(size - HALF + 1024))],
  'a file that goes on without a source': [header({ resume: 'offset', source: null })],
  'a file that goes on without an edition': [header({ resume: 'compare', edition: null })],
  'a file that goes on without a size': [header({ resume: 'offset', size: null })],
  'a message that goes on': [header({ resume: 'offset', '!kind': 'message' })],
  'a way that nobody knows': [header({ resume: 'guess' })],
  'a frame of the receiver': [header({ resume: 'offset' }), frame('W', { entry: 0, ranges: [] })],
}

t.test('ends a connection with a breach, and takes the next', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  for (const [what, frames] of Object.entries(broken)) {
    await t.test(what, async (t) => {
      await sendHalf(t, receiver)
      const before = receiver.events.all.filter((event) => 'message' in event).length
      const peer = await Peer.dial(t, receiver.port)
      await peer.write(senderOpening, ...frames)
      t.match((await peer.next('R')).fields, { entry: null, reason: 'protocol' })
      t.equal(await peer.ended, 'end')
      peer.finish()
      await peer.closed
      await receiver.events.until('ended', receiver.events.of('connected').length)
      t.equal(receiver.events.all.filter((event) => 'message' in event).length, before + 1, 'it is reported once')
    })
  }
  await receiver.stop()
  t.strictSame(filesIn(out), {})
})

/** Asks for a file, and takes back the question. Returns what the receiver can do and what it wants. */
async function ask(t: Test, receiver: Listening, fields: object): Promise<{ features: unknown; wanted: object }> {
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, header({ resume: 'offset', ...fields }))
  const { features } = (await peer.next('G')).fields
  const wanted = (await peer.next('W')).fields
  peer.finish(frame('A', { entry: 0, reason: 'x', message: 'x' }), frame('F', { entries: 1 }))
  await peer.ended
  return { features, wanted }
}

t.test('gives nobody a part of a file of another name or source', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  await sendHalf(t, receiver)
  t.match(await ask(t, receiver, { source: otherToken }), { wanted: { ranges: [0, size] } })
  t.match(await ask(t, receiver, { name: 'other.bin' }), { wanted: { ranges: [0, size] } })
  const { wanted } = await ask(t, receiver, {})
  t.strictSame(wanted, { entry: 0, ranges: [HALF, size] }, 'it is still there')
  await receiver.stop()
})

t.test('throws away a part of another edition, and says so once', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  await sendHalf(t, receiver)
  const { wanted } = await ask(t, receiver, { edition: otherToken })
  t.strictSame(wanted, { entry: 0, ranges: [0, size], changed: true })
  t.strictSame((await ask(t, receiver, {})).wanted, { entry: 0, ranges: [0, size] })
  await receiver.stop()
})

t.test('gives nobody a part of a file that has come with another key', async (t) => {
  const root = t.testdir({ 'half.bin': content, out: {} })
  const [file, out] = [join(root, 'half.bin'), join(root, 'out')]
  const receiver = await startReceiver(t, {
    out,
    key: [
      { name: 'a', key },
      { name: 'b', key: otherKey },
    ],
  })
  const cut = { direction: 'to-receiver' as const, after: 700_000 }
  const port = await damagedPort(t, receiver.port, { cut })
  t.match((await trySend(t, port, file, { key, retry: 0 })).error, { exitCode: 6 })
  await receiver.events.until('failed')
  const other = await trySend(t, receiver.port, file, { key: otherKey, retry: 0 })
  t.equal(other.events.of('sent')[0]?.resumed, undefined)
  const own = await trySend(t, receiver.port, file, { key, retry: 0 })
  t.ok(Number(own.events.of('sent')[0]?.resumed) > 0, 'its own sender goes on')
  await receiver.stop()
  t.strictSame(
    readdirSync(out).map((name) => readFileSync(join(out, name)).equals(content)),
    [true, true],
  )
})

t.test('stores nothing of another content in place of an entry that it has stored', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const first = await Peer.dial(t, receiver.port)
  first.finish(opening(someToken), ...good, frame('F', { entries: 1 }))
  t.match((await first.next('S')).fields, { entry: 0, name: 'good.txt' })
  await first.closed
  const second = await Peer.dial(t, receiver.port)
  const same = entryFrames('good.txt', 'good', { id: 0 })
  second.finish(opening(someToken), ...entryFrames('good.txt', 'evil', { id: 0 }), ...same, frame('F', { entries: 2 }))
  t.equal(await second.ended, 'end')
  t.match(answersOf(second), [
    { type: 'R', entry: 0, reason: 'digest', message: 'it was stored before, with another content' },
    { type: 'S', entry: 1, name: 'good.txt', bytes: 4, blake3: digest('good') },
  ])
  await receiver.stop()
  t.strictSame(filesIn(out), { 'good.txt': 'good' })
  t.equal(receiver.events.of('stored').length, 1)
})

t.test('wants nothing of what it has stored, and says so once after all digests', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const first = await Peer.dial(t, receiver.port)
  first.finish(opening(someToken), ...good, frame('F', { entries: 1 }))
  await first.closed
  const second = await Peer.dial(t, receiver.port)
  // Its digests do not fit into one frame.
  const asking = header({ id: 0, resume: 'compare', size: 201 * SEGMENT })
  second.finish(
    opening(someToken),
    asking,
    digests(200),
    digests(1),
    end,
    ...entryFrames('b', 'b'),
    frame('F', { entries: 2 }),
  )
  t.equal(await second.ended, 'end')
  t.match(answersOf(second), [
    { type: 'W', entry: 0, ranges: [] },
    { type: 'R', entry: 0, reason: 'digest' },
    { type: 'S', entry: 1 },
  ])
  t.equal(answersOf(second).length, 3)
  await receiver.stop()
})

t.test('ends the old connection of a transfer that has a new one, and goes on with its file', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const old = await Peer.dial(t, receiver.port)
  await old.write(opening(someToken), header(), data(0, HALF))
  await receiver.events.until('progress')
  const fresh = await Peer.dial(t, receiver.port)
  await fresh.write(opening(someToken), header({ resume: 'offset' }))
  t.match((await old.next('R')).fields, { entry: null, reason: 'broken' })
  const { ranges } = (await fresh.next('W')).fields as { ranges: number[] }
  const [start = 0] = ranges
  t.equal(ranges[1], size)
  const rest = [...(start > 0 ? [position(start)] : []), data(start, size - 1024), data(size - 1024, size)]
  fresh.finish(...rest, end, frame('F', { entries: 1 }))
  t.match((await fresh.next('S')).fields, { entry: 0, blake3: digest(content) })
  old.finish()
  await receiver.stop()
  t.ok(readFileSync(join(out, 'half.bin')).equals(content))
})

t.test(
  'lists nothing of a directory that it has stored, and keeps nothing of a repeated entry that breaks off',
  async (t) => {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out })
    const first = await Peer.dial(t, receiver.port)
    first.finish(opening(someToken), ...good, frame('F', { entries: 1 }))
    await first.closed
    const second = await Peer.dial(t, receiver.port)
    const asking = { name: 'd', size: null, '!kind': 'directory', id: 0, source: someToken, resume: 'list' }
    await second.write(opening(someToken), frame('H', asking))
    t.strictSame((await second.next('I')).fields, { entry: 0, items: [] })
    second.finish(frame('D', Buffer.from('x')))
    t.match((await second.next('R')).fields, { entry: null, reason: 'broken' })
    t.notOk((await receiver.events.until('failed')).kept)
    await receiver.stop()
    t.strictSame(filesIn(out), { 'good.txt': 'good' })
  },
)

t.test('a transfer has failed whose sender does not send again what was damaged', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  await sendHalf(t, receiver)
  const wrong = frame('E', { bytes: size, blake3: someDigest })
  const resumed = [header({ resume: 'offset' }), position(HALF), data(HALF, size), wrong]
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(senderOpening, ...resumed, ...good, frame('F', { entries: 2 }))
  await peer.ended
  t.match(answersOf(peer), [toEnd, { type: 'R', entry: 0, reason: 'damaged' }, { type: 'S', entry: 1 }])
  const [, ended] = [await receiver.events.until('ended', 2), receiver.events.of('ended').at(-1)]
  t.match(ended, { files: 1, complete: false })
  t.match(receiver.events.of('failed').at(-1), { name: 'half.bin', code: 'incomplete', reason: 'damaged' })
  t.match(receiver.events.of('warning'), [{ reason: 'damaged' }])
  await receiver.stop()
  t.strictSame(filesIn(out), { 'good.txt': 'good' })
})
