/** What each side may say, and when: the order of frames, and the counts that they must agree with. */
import t from 'tap'
import { ReceiverDecoder, SenderDecoder } from '../../dist/protocol/decoder.js'
import { decode } from '../fixtures/decode.ts'
import { breach } from '../fixtures/fields.ts'
import { hex, someDigest, textFrame } from '../fixtures/literals.ts'
import { frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'

/** What a receiver makes of a sender that has opened and then says this. */
function fromSender(...frames: Buffer[]) {
  return decode(new SenderDecoder(), [Buffer.concat([senderOpening, ...frames])])
}

/** What a sender makes of a receiver that has opened and then says this. */
function fromReceiver(...frames: Buffer[]) {
  return decode(new ReceiverDecoder(), [Buffer.concat([receiverOpening, ...frames])])
}

const header = (size: number | null) => frame('H', { name: 'a', size })
const data = (length: number) => frame('D', Buffer.alloc(length, 'x'))
const end = (bytes: number) => frame('E', { bytes, blake3: someDigest })
const abort = (entry: number | null) => frame('A', { entry, reason: 'changed', message: 'it changed' })
const finished = (entries: number) => frame('F', { entries })
const beat = textFrame('B', '{}')

t.test('reads a whole transfer from its bytes', async (t) => {
  const decoded = decode(new SenderDecoder(), [
    hex(`74 63 70 2d 73 65 6e 64
      47 0000000d  7b 22 76 65 72 73 69 6f 6e 22 3a 31 7d
      48 00000018  7b 22 6e 61 6d 65 22 3a 22 61 22 2c 22 73 69 7a 65 22 3a 6e 75 6c 6c 7d`),
    hex('44 00000003  61 62 63'),
    textFrame('E', `{"bytes":3,"blake3":"${someDigest}"}`),
    hex('46 0000000d  7b 22 65 6e 74 72 69 65 73 22 3a 31 7d'),
  ])
  t.strictSame(decoded, {
    messages: [
      { frame: 'greeting', version: 1 },
      {
        frame: 'header',
        kind: 'file',
        name: 'a',
        size: null,
        type: 'application/octet-stream',
        mtime: null,
        mode: null,
      },
      { frame: 'data', bytes: Buffer.from('abc') },
      { frame: 'end', bytes: 3, blake3: someDigest },
      { frame: 'finished', entries: 1 },
    ],
    error: null,
  })
})

t.test('lets heartbeats stand between any two frames after the greeting', async (t) => {
  const { messages, error } = fromSender(beat, header(3), beat, data(3), beat, beat, end(3), beat, finished(1))
  t.equal(error, null)
  const expected = 'greeting heartbeat header heartbeat data heartbeat heartbeat end heartbeat finished'
  t.equal(messages.map(({ frame }) => frame).join(' '), expected)
})

t.test('ignores the fields of a heartbeat of a sender, which has none', async (t) => {
  const { messages, error } = fromSender(frame('B', { entry: 'x', bytes: -1 }), finished(0))
  t.equal(error, null)
  t.strictSame(messages[1], { frame: 'heartbeat' })
})

t.test('refuses what a sender may not say', async (t) => {
  const cases: [what: string, frames: Buffer[], message: RegExp][] = [
    ['data before a header', [data(1)], /^a data frame may not come here \(state: idle\)$/],
    ['an end before a header', [end(0)], /^an end frame may not come here \(state: idle\)$/],
    ['two headers', [header(1), header(1)], /^a header frame may not come here \(state: entry\)$/],
    ['an end inside no entry', [header(0), end(0), end(0)], /^an end frame may not come here \(state: idle\)$/],
    ['finishing inside an entry', [header(0), finished(1)], /^a finished frame may not come here \(state: entry\)$/],
    ['a second greeting', [frame('G', { version: 1 })], /^a greeting frame may not come here \(state: idle\)$/],
    ['anything after finished', [finished(0), beat], /^a heartbeat frame may not come here \(state: over\)$/],
    ['anything after it gave up', [abort(null), beat], /^a heartbeat frame may not come here \(state: over\)$/],
    ['a heartbeat that holds no object', [textFrame('B', '[]')], /^the heartbeat frame is not a JSON object$/],
    ['an answer', [frame('S', { entry: 0, name: 'a', bytes: 0, blake3: someDigest })], /^a stored frame may not/],
    ['a refusal', [frame('R', { entry: 0, reason: 'name', message: 'no' })], /^a refused frame may not come here/],
  ]
  for (const [what, frames, message] of cases) {
    const { messages, error } = fromSender(...frames)
    t.match(error, breach(message), what)
    t.equal(messages.length, frames.length, `${what}: what came before it was read`)
  }
})

t.test('refuses any frame before the greeting', async (t) => {
  for (const one of [header(0), data(1), abort(null), finished(0), beat]) {
    const { error } = decode(new SenderDecoder(), [Buffer.from('tcp-send'), one])
    t.match(error, breach(/may not come here \(state: greeting\)$/))
  }
  for (const one of [beat, frame('R', { entry: null, reason: 'busy', message: 'no' })]) {
    const { error } = decode(new ReceiverDecoder(), [Buffer.from('tcp-recv'), one])
    t.match(error, breach(/^a [a-z]+ frame may not come here$/))
  }
})

t.test('refuses another version with both named, whatever else its greeting says', async (t) => {
  for (const version of [2, Number.MAX_SAFE_INTEGER]) {
    const greeting = frame('G', { version, software: 12, '!must': true })
    const sender = decode(new SenderDecoder(), [Buffer.from('tcp-send'), greeting])
    const ours = 'of the protocol, this side version 1$'
    t.match(sender.error, breach(new RegExp(`^the sender speaks version ${version} ${ours}`), 'version'))
    const receiver = decode(new ReceiverDecoder(), [Buffer.from('tcp-recv'), greeting])
    t.match(receiver.error, breach(new RegExp(`^the receiver speaks version ${version} ${ours}`), 'version'))
  }
})

t.test('keeps the payload of the latest header as it came, also when the memory is used again', async (t) => {
  const decoder = new SenderDecoder()
  for (const payload of ['{"size": 0, "name": "one"}', '{ "name":"two","size":null}']) {
    const bytes = Buffer.concat([...(payload.includes('one') ? [senderOpening] : []), textFrame('H', payload), end(0)])
    t.equal(decode(decoder, [bytes]).error, null)
    bytes.fill(0)
    t.equal(String(decoder.headerPayload), payload)
  }
})

t.test('takes an incomplete chunk at the end of an entry only', async (t) => {
  for (const lengths of [[1], [1023], [1024], [1024, 1025], [2048, 1024, 1]]) {
    t.equal(fromSender(header(null), ...lengths.map(data), end(0)).error, null, lengths.join())
  }
  for (const lengths of [
    [1, 1],
    [1023, 1024],
    [1024, 1025, 1024],
  ]) {
    const { error } = fromSender(header(null), ...lengths.map(data))
    t.match(error, breach(/^data after a chunk of less than 1024 bytes$/), lengths.join())
  }
  // The next entry begins anew.
  t.equal(fromSender(header(1), data(1), end(1), header(1), data(1), end(1), finished(2)).error, null)
})

t.test('refuses more data than the header announced, as soon as its frame begins', async (t) => {
  t.equal(fromSender(header(2048), data(1024), data(1024), end(2048)).error, null)
  const { messages, error } = fromSender(header(1025), data(1024), data(2))
  t.match(error, breach(/^more data than the 1025 bytes that the header announced$/))
  t.strictSame(messages.at(-1), { frame: 'data', bytes: Buffer.alloc(1024, 'x') }, 'nothing of the frame is passed on')
  t.match(fromSender(header(0), data(1)).error, breach(/^more data than the 0 bytes/))
  // What one entry had does not count for the next.
  t.equal(fromSender(header(3), data(3), end(3), header(3), data(3), end(3), finished(2)).error, null)
})

t.test('leaves less data than announced to whoever compares the counts', async (t) => {
  t.equal(fromSender(header(5000), data(1024), end(1024), finished(1)).error, null)
})

t.test('takes an abort of the entry under way, and of the whole transfer anywhere', async (t) => {
  t.equal(fromSender(header(9), abort(0), header(9), data(9), abort(1), finished(2)).error, null)
  t.match(fromSender(abort(null)).messages.at(-1), {
    frame: 'abort',
    entry: null,
    reason: 'changed',
    message: 'it changed',
  })
  t.equal(fromSender(header(9), data(9), abort(null)).error, null)
})

t.test('refuses an abort of any other entry', async (t) => {
  const cases: [what: string, frames: Buffer[], entry: number][] = [
    ['before the first', [abort(0)], 0],
    ['one to come', [header(9), abort(1)], 1],
    ['one that has ended', [header(0), end(0), abort(0)], 0],
    ['one that was aborted', [header(0), abort(0), abort(0)], 0],
    ['one before this', [header(0), end(0), header(0), abort(0)], 0],
  ]
  for (const [what, frames, entry] of cases) {
    t.match(fromSender(...frames).error, breach(new RegExp(`^an abort of entry ${entry} may not come here$`)), what)
  }
})

t.test('refuses a count of entries that is not that of the headers', async (t) => {
  t.equal(fromSender(finished(0)).error, null)
  t.equal(fromSender(header(0), end(0), header(0), abort(1), finished(2)).error, null, 'an aborted entry counts')
  for (const entries of [0, 2]) {
    const { error } = fromSender(header(0), end(0), finished(entries))
    t.match(error, breach(new RegExp(`^the sender says it sent ${entries} entries, and sent 1$`)))
  }
})

t.test('reads the answers of a receiver in any order', async (t) => {
  const stored = { entry: 7, name: 'a_bak', bytes: 5, blake3: someDigest }
  const refused = { entry: 3, reason: 'exists', message: 'it is there' }
  const all = { entry: null, reason: 'no-space', message: 'full' }
  const { messages, error } = fromReceiver(beat, frame('S', stored), frame('R', refused), beat, frame('R', all))
  t.equal(error, null)
  t.strictSame(messages, [
    { frame: 'greeting', version: 1, features: [] },
    { frame: 'heartbeat' },
    { frame: 'stored', ...stored },
    { frame: 'refused', ...refused },
    { frame: 'heartbeat' },
    { frame: 'refused', ...all },
  ])
})

t.test('refuses what a receiver may not say', async (t) => {
  for (const one of [header(0), data(1), end(0), abort(null), finished(0)]) {
    t.match(fromReceiver(one).error, breach(/^an? [a-z]+ frame may not come from a receiver$/))
  }
  t.match(fromReceiver(frame('G', { version: 1 })).error, breach(/^a greeting frame may not come here$/))
})
