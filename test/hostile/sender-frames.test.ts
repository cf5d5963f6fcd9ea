/** Senders that break the protocol, or say what no file system should hear, against the real receiver. */

import t, { type Test } from 'tap'
import { startReceiver } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { stagedFiles } from '../fixtures/folder-store.ts'
import { memoryInUse } from '../fixtures/memory.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { Peer } from '../fixtures/peer.ts'
import { digest, entryFrames, frame, frameHeader, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { until } from '../fixtures/turns.ts'

const header = (fields: object = {}) => frame('H', { name: 'bad.txt', size: 5, ...fields })
const end = frame('E', { bytes: 5, blake3: digest('12345') })
const data = frame('D', Buffer.from('12345'))
const finished = frame('F', { entries: 1 })
/** JSON that `JSON.stringify` would not write. */
const rawHeader = (json: string | Buffer) => frame('H', Buffer.from(json))

/** What breaks the protocol, and the reason of the refusal. */
const breaches: Record<string, [Buffer[], string]> = {
  'data before a header': [[data], 'protocol'],
  'an end before a header': [[end], 'protocol'],
  'two headers': [[header(), header()], 'protocol'],
  'a header after half of the data': [[header(), frame('D', Buffer.from('123')), header()], 'protocol'],
  'a second greeting': [[frame('G', { version: 1 })], 'protocol'],
  'a frame of the receiver': [[frame('S', { entry: 0, name: 'x', bytes: 5, blake3: digest('12345') })], 'protocol'],
  'an abort of no entry': [[frame('A', { entry: 0, reason: 'x', message: 'x' })], 'protocol'],
  'an abort of another entry': [[header(), frame('A', { entry: 7, reason: 'x', message: 'x' })], 'protocol'],
  'an unknown frame': [[frame('X', { a: 1 })], 'protocol'],
  'an unknown frame inside an entry': [[header(), frame('\0', { a: 1 })], 'protocol'],
  'an empty data frame': [[header(), frameHeader('D', 0)], 'protocol'],
  'an empty control frame': [[frameHeader('H', 0)], 'protocol'],
  'a control frame over its limit': [[frameHeader('H', 65_537)], 'protocol'],
  'a data frame over its limit': [[header({ size: null }), frameHeader('D', 1_048_577)], 'protocol'],
  'a length of four gigabytes': [[frameHeader('H', 0xffff_ffff)], 'protocol'],
  'more data than announced': [[header(), frame('D', Buffer.from('123456'))], 'protocol'],
  'data after an incomplete chunk': [
    [header(), frame('D', Buffer.from('1')), frame('D', Buffer.from('2345'))],
    'protocol',
  ],
  'finished inside an entry': [[header(), finished], 'protocol'],
  'finished with another count': [[header(), data, end, frame('F', { entries: 2 })], 'protocol'],
  'a header that is not JSON': [[rawHeader('{"name":')], 'protocol'],
  'a header that is a list': [[rawHeader('[]')], 'protocol'],
  'a header that is null': [[rawHeader('null')], 'protocol'],
  'a header that is not UTF-8': [[rawHeader(Buffer.from('7b226e616d65223a22ff227d', 'hex'))], 'protocol'],
  'a header that is nested too deep': [[rawHeader(`{"name":"bad.txt","size":5,"a":${'['.repeat(16)}`)], 'protocol'],
  'a header of too many fields': [
    [header(Object.fromEntries(Array.from({ length: 257 }, (_, index) => [`k${index}`, 1])))],
    'protocol',
  ],
  'a header without a name': [[frame('H', { size: 5 })], 'protocol'],
  'a name that is a number': [[header({ name: 5 })], 'protocol'],
  'a name with half a character': [[rawHeader('{"name":"\\ud800.txt"}')], 'protocol'],
  'an abort with a mandatory field of the future': [
    [header(), frame('A', { entry: 0, reason: 'x', message: 'x', '!a': 1 })],
    'field',
  ],
  'an end with one': [[header(), data, frame('E', { bytes: 5, blake3: digest('12345'), '!a': 1 })], 'field'],
  'a finish with one': [[frame('F', { entries: 0, '!a': null })], 'field'],
  'a heartbeat with one': [[frame('B', { '!a': false })], 'field'],
  'a type that is no type': [[header({ type: 'text/\u001b[2J' })], 'protocol'],
  'an end with a wrong digest field': [[header(), data, frame('E', { bytes: 5, blake3: 'x' })], 'protocol'],
}

t.test('refuses a breach by name, closes that connection, and takes the next', async (t) => {
  const out = t.testdir()
  const leftOpen = watchOpenFiles(out)
  const receiver = await startReceiver(t, { out })
  for (const [what, [frames, reason]] of Object.entries(breaches)) {
    await t.test(what, async (t) => {
      const before = receiver.events.all.length
      const peer = await Peer.dial(t, receiver.port)
      await peer.write(senderOpening, ...frames)
      const refused = await peer.next('R')
      t.match(refused.fields, { entry: null, reason })
      t.notMatch(refused.fields.message, /[\p{Cc}\u202a-\u202e]/u)
      t.equal(await peer.ended, 'end')
      peer.finish()
      await peer.closed
      const ofThisOne = () => receiver.events.all.slice(before).filter((event) => 'message' in event)
      await until(() => ofThisOne().length > 0)
      t.equal(ofThisOne().length, 1, 'it is reported once')
    })
  }
  const good = await Peer.dial(t, receiver.port)
  good.finish(...transferFrames({ 'good.txt': 'good' }))
  t.match((await good.next('S')).fields, { name: 'good.txt' })
  await good.closed
  await receiver.stop()
  // One breach came after a whole entry, which was stored, confirmed, and stays.
  t.strictSame(filesIn(out), { 'bad.txt': '12345', 'good.txt': 'good' })
  t.strictSame(await leftOpen(), [])
})

t.test('refuses a greeting with a mandatory field of the future', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write('tcp-send', frame('G', { version: 1, '!a': 1 }))
  t.match((await peer.next('R')).fields, { entry: null, reason: 'field', message: /"!a"/ })
  peer.finish()
  t.match(await receiver.events.until('refused'), { reason: 'field' })
})

t.test('refuses another version, and names both', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write('tcp-send', frame('G', { version: 2, '!unknown': 1 }))
  t.match((await peer.next('G')).fields, { version: 1 })
  const { fields } = await peer.next('R')
  t.match(fields, { entry: null, reason: 'version' })
  t.match(fields.message, /version 2.*version 1/)
  peer.finish()
  t.match(await receiver.events.until('refused'), { reason: 'version' })
})

/** Sends one entry as it is given and then a good one; how both were answered. */
async function answersTo(t: Test, out: string, frames: Buffer[]) {
  const receiver = await startReceiver(t, { out })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(senderOpening, ...frames, ...entryFrames('good.txt', 'good'), frame('F', { entries: 2 }))
  t.equal(await peer.ended, 'end')
  await peer.closed
  await receiver.stop()
  const answers = peer.frames.filter(({ type }) => type === 'S' || type === 'R').map(({ fields }) => fields)
  return { answers, receiver }
}

t.test('does not store an entry whose bytes are not what the end says, and takes the next', async (t) => {
  const cases: [string, string, Buffer[]][] = [
    ['no data', 'size', [header(), end]],
    ['too little data', 'size', [header(), frame('D', Buffer.from('1234')), end]],
    ['another count', 'size', [header(), data, frame('E', { bytes: 4, blake3: digest('12345') })]],
    [
      'another count of a stream',
      'size',
      [header({ size: null }), data, frame('E', { bytes: 6, blake3: digest('12345') })],
    ],
    ['another digest', 'digest', [header(), data, frame('E', { bytes: 5, blake3: digest('12346') })]],
    ['other bytes', 'digest', [header(), frame('D', Buffer.from('12346')), end]],
  ]
  for (const [what, reason, frames] of cases) {
    const out = t.testdir()
    const { answers, receiver } = await answersTo(t, out, frames)
    t.match(answers, [
      { entry: 0, reason },
      { entry: 1, name: 'good.txt' },
    ])
    const code = reason === 'size' ? 'incomplete' : 'digest-mismatch'
    t.match(receiver.events.of('failed')[0], { name: 'bad.txt', code, reason }, what)
    t.strictSame(filesIn(out), { 'good.txt': 'good' })
  }
})

t.test('refuses an entry that it does not understand, drops its data, and takes the next', async (t) => {
  const cases: [string, object, string][] = [
    ['an unknown kind', { '!kind': 'album' }, 'the kind "album"'],
    ['an unknown mandatory field', { '!sparse': [1] }, '"!sparse"'],
    ['a message with one', { '!kind': 'message', '!until': 1 }, '"!until"'],
  ]
  for (const [what, fields, missing] of cases) {
    const out = t.testdir()
    const { answers, receiver } = await answersTo(t, out, [header(fields), data, frame('B', {}), end])
    const message = `the header frame needs ${missing}, which this side (version 1) does not know`
    t.strictSame(answers[0], { entry: 0, reason: 'field', message }, what)
    t.match(answers[1], { entry: 1, name: 'good.txt' })
    t.match(receiver.events.of('refused'), [{ name: 'bad.txt', code: 'refused', reason: 'field', message }])
    t.strictSame(receiver.events.of('message'), [])
    t.strictSame(filesIn(out), { 'good.txt': 'good' })
  }
})

t.test('drops an entry that the sender gives up', async (t) => {
  const out = t.testdir()
  const abort = frame('A', { entry: 0, reason: 'changed\n', message: '\u001b[31mred\u202e' })
  const { answers, receiver } = await answersTo(t, out, [header(), data, abort])
  t.match(answers, [{ entry: 1, name: 'good.txt' }])
  t.match(receiver.events.of('failed')[0], {
    name: 'bad.txt',
    code: 'incomplete',
    reason: 'aborted',
    message: 'the sender gave up: \\u{1b}[31mred\\u{202e} (changed\\u{a})',
  })
  t.strictSame(filesIn(out), { 'good.txt': 'good' })
})

t.test('keeps nothing on the disk of an entry that was given up, while the transfer goes on', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const peer = await Peer.dial(t, receiver.port)
  const abort = frame('A', { entry: 0, reason: 'changed', message: 'it changed' })
  await peer.write(senderOpening, header(), data, abort)
  await receiver.events.until('failed')
  t.strictSame(stagedFiles(out), [])
  await peer.reset()
  await receiver.stop()
})

t.test('takes what it may: odd but legal headers', async (t) => {
  const out = t.testdir()
  const odd = JSON.stringify({ name: 'odd', size: 5, type: null, future: [1, { a: 2 }] })
  const evil = odd.replace('{', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},')
  const { answers } = await answersTo(t, out, [rawHeader(evil), data, frame('B', {}), end])
  t.match(answers, [{ entry: 0, name: 'odd' }, { entry: 1 }])
  t.notOk('polluted' in {})
})

t.test('refuses a size that no disk has', async (t) => {
  const out = t.testdir()
  const { answers } = await answersTo(t, out, [
    header({ size: Number.MAX_SAFE_INTEGER }),
    frame('A', { entry: 0, reason: 'no-space', message: 'refused' }),
  ])
  t.match(answers, [{ entry: 0, reason: 'no-space', message: `the file has ${Number.MAX_SAFE_INTEGER} bytes` }, {}])
})

t.test('ends a transfer of too many files with one refusal, and keeps no memory of them', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, maxFiles: 3 })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening)
  const many = Array.from({ length: 2_000 }, (_, index) => entryFrames(`${index}`, '')).flat()
  await peer.write(...many)
  t.match((await peer.next('R')).fields, { entry: null, reason: 'files' })
  peer.finish()
  await peer.closed
  await receiver.stop()
  t.equal(receiver.events.of('refused').length, 1)
  t.strictSame(namesIn(out), ['0', '1', '2'])
})

t.test('needs no memory for what it refuses', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, maxSize: 10 })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, header({ name: 'flood', size: null }))
  const piece = frame('D', bytesOf(1_048_576))
  await peer.write(piece)
  t.match((await peer.next('R')).fields, { entry: 0, reason: 'too-large' })
  const before = await memoryInUse()
  for (let megabytes = 0; megabytes < 64; megabytes++) await peer.write(piece)
  t.ok((await memoryInUse()) - before < 16 * 1_048_576)
  peer.finish(frame('A', { entry: 0, reason: 'too-large', message: 'refused' }), frame('F', { entries: 1 }))
  t.equal(await peer.ended, 'end')
  await receiver.stop()
  t.strictSame(namesIn(out), [])
})
