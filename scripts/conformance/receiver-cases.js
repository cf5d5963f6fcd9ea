/**
 * What is said to a receiver, and what the document demands of it. `stored` are the entries that it must store, `refused`
 * those that it must refuse and the reason, and `transfer` is the reason with which it refuses everything. `must` is true
 * where a receiver that stores what it ought to refuse would be unsafe or could not be extended; elsewhere it is only lax.
 */
import { CONTROL_LIMIT, DATA_LIMIT, digestOf, frame, framesIn, head, saidIn } from './wire.js'

const hello = Buffer.from('hello\n')

/** The transcripts that any receiver answers in the same way, whatever its user has chosen. */
const replayed = {
  'one-small-file': { section: 'Overview', stored: [0] },
  'empty-file': { section: 'Bytes', stored: [0] },
  'standard-input': { section: 'Frames of the sender', stored: [0] },
  'aborted-entry': { section: 'Frames of the sender', stored: [1], unanswered: [0] },
  extensions: { section: 'Extensions', stored: [1], refused: { 0: 'field' } },
  'without-digest': { section: 'Digests', refused: { 0: 'unverifiable' } },
  'version-refused': { section: 'Invalid input', transfer: 'version', lax: true },
}

/** All cases for a receiver that computes `algorithm`. `newName` gives a name that the receiver has not stored. */
export async function receiverCases(algorithm, newName) {
  const greeting = (more) => frame('G', { version: 1, ...(algorithm === 'sha256' && { digest: 'sha256' }), ...more })
  const begin = (more) => Buffer.concat([Buffer.from('tcp-send'), greeting(more)])
  const finished = (entries) => frame('F', { entries })
  const of = async (bytes) => ({ [algorithm]: await digestOf(algorithm, bytes) })
  const headerOf = (more) => frame('H', { name: newName(), size: hello.length, ...more })

  /** A file of the bytes `hello`, with other fields in its frames if `change` says so. */
  async function file({ header, end, data = [hello], headerDigest, before = [], between = [] } = {}) {
    const h = headerOf(header)
    const digest = headerDigest ?? (await digestOf(algorithm, h.subarray(5)))
    const e = { bytes: Buffer.concat(data).length, ...(await of(Buffer.concat(data))), header: digest, ...end }
    return [...before, h, ...between, ...data.map((piece) => frame('D', piece)), ...between, frame('E', e)]
  }
  const whole = (parts, entries = 1) => Buffer.concat([begin(), ...parts.flat(), finished(entries)])
  const wrong = 'f'.repeat(64)
  const twoPieces = [Buffer.alloc(DATA_LIMIT, 'a'), Buffer.from('the last chunk may be short')]
  const size = twoPieces[0].length + twoPieces[1].length
  const later = { later: { a: [1] }, 'x-later': null }
  const good = await file()

  const made = [
    ['nothing to send', 'Overview', Buffer.concat([begin(), finished(0)]), {}],
    ['a file', 'Overview', whole([good]), { stored: [0] }],
    ['several entries', 'Overview', whole([await file(), await file(), await file()], 3), { stored: [0, 1, 2] }],
    ['two data frames', 'Bytes', whole([await file({ header: { size }, data: twoPieces })]), { stored: [0] }],
    ['size null', 'Frames of the sender', whole([await file({ header: { size: null } })]), { stored: [0] }],
    [
      'optional fields that are null',
      'Frames of the sender',
      whole([await file({ header: { type: null, mtime: null, mode: null } })]),
      { stored: [0] },
    ],
    ['no digest of the header', 'Digests', whole([await file({ end: { header: undefined } })]), { stored: [0] }],
    [
      'an unknown field in every frame',
      'Invalid input',
      Buffer.concat([
        begin(later),
        ...(await file({ header: later, end: later })),
        frame('F', { entries: 1, ...later }),
      ]),
      { stored: [0] },
    ],
    [
      'unknown lower-case frames, not JSON',
      'Extensions',
      whole([await file({ before: [frame('x', Buffer.from('{"later":true}'))], between: [frame('q', { a: 1 })] })]),
      { stored: [0] },
    ],
    ['heartbeats', 'Time', whole([await file({ before: [frame('B')], between: [frame('B')] })]), { stored: [0] }],
    [
      'an unknown field with "!" in a header',
      'Extensions',
      whole([await file({ header: { '!later': 1 } }), await file()], 2),
      { stored: [1], refused: { 0: 'field' } },
    ],
    [
      'an unknown kind of entry',
      'Extensions',
      whole([await file({ header: { '!kind': 'later' } }), await file()], 2),
      { stored: [1], refused: { 0: 'field' } },
    ],
    [
      'a wrong digest',
      'Digests',
      whole([await file({ end: { [algorithm]: wrong } }), await file()], 2),
      { stored: [1], refused: { 0: 'digest' } },
    ],
    [
      'a wrong digest of the header',
      'Digests',
      whole([await file({ headerDigest: wrong })]),
      { refused: { 0: 'digest' } },
    ],
    [
      'a wrong number of bytes in E',
      'Frames of the sender',
      whole([await file({ end: { bytes: 7 } })]),
      { refused: { 0: 'size' }, either: 'protocol' },
    ],
    [
      'less data than the header says',
      'Frames of the sender',
      whole([await file({ header: { size: 9 } })]),
      { refused: { 0: 'size' }, lax: true },
    ],
    [
      'more data than the header says',
      'Frames of the sender',
      whole([await file({ header: { size: 3 } })]),
      { transfer: 'protocol', lax: true },
    ],
    [
      'an abort of the transfer',
      'Frames of the sender',
      Buffer.concat([
        begin(),
        headerOf(),
        frame('D', hello),
        frame('A', { entry: null, reason: 'interrupted', message: 'stopped' }),
      ]),
      { unanswered: [0] },
    ],
    ['the stream ends inside an entry', 'Invalid input', Buffer.concat([begin(), headerOf(), frame('D', hello)]), {}],
    [
      'the stream ends inside a frame',
      'Invalid input',
      Buffer.concat([begin(), headerOf(), head('D', 6), Buffer.from('hel')]),
      {},
    ],
    [
      'the stream ends before F',
      'Invalid input',
      Buffer.concat([begin(), ...(await file()), headerOf()]),
      { stored: [0] },
    ],
    [
      'data before a header',
      'Frames of the sender',
      Buffer.concat([begin(), frame('D', hello), finished(0)]),
      { transfer: 'protocol' },
    ],
    [
      'E before a header',
      'Frames of the sender',
      Buffer.concat([begin(), frame('E', { bytes: 0 }), finished(0)]),
      { transfer: 'protocol' },
    ],
    [
      'a header inside an entry',
      'Frames of the sender',
      whole([headerOf(), ...(await file())], 2),
      { transfer: 'protocol', lax: true },
    ],
    [
      'a frame before the greeting',
      'Frames of the sender',
      Buffer.concat([Buffer.from('tcp-send'), ...(await file()), finished(1)]),
      { transfer: 'protocol', lax: true },
    ],
    [
      'an incomplete chunk before the last D',
      'Frames of the sender',
      whole([await file({ header: { size: 12 }, data: [hello, hello] })]),
      { transfer: 'protocol', lax: true },
    ],
    [
      'an empty frame',
      'Bytes',
      Buffer.concat([begin(), headerOf(), head('D', 0), finished(1)]),
      { transfer: 'protocol', lax: true },
    ],
    [
      'a control frame that is too large',
      'Bytes',
      Buffer.concat([begin(), head('H', CONTROL_LIMIT + 1)]),
      { transfer: 'protocol', lax: true },
    ],
    [
      'a data frame that is too large',
      'Bytes',
      Buffer.concat([begin(), headerOf({ size: null }), head('D', DATA_LIMIT + 1)]),
      { transfer: 'protocol', lax: true },
    ],
    ['a frame of 4 GiB', 'Bytes', Buffer.concat([begin(), head('x', 0xffffffff)]), { transfer: 'protocol', lax: true }],
    [
      'a payload that is no JSON',
      'Bytes',
      Buffer.concat([begin(), frame('H', Buffer.from('{"name":')), finished(1)]),
      { transfer: 'protocol' },
    ],
    [
      'a field of the wrong type',
      'Invalid input',
      whole([await file({ header: { size: '6' } })]),
      { transfer: 'protocol', lax: true },
    ],
    [
      'a negative number',
      'Invalid input',
      whole([await file({ header: { size: -1 } })]),
      { transfer: 'protocol', lax: true },
    ],
    [
      '17 brackets in each other',
      'Bytes',
      whole([await file({ header: { later: JSON.parse(`${'['.repeat(16)}${']'.repeat(16)}`) } })]),
      { transfer: 'protocol', lax: true },
    ],
    [
      'an unknown upper-case frame',
      'Invalid input',
      whole([await file({ before: [frame('Q', { later: true })] })]),
      { transfer: 'protocol', lax: true },
    ],
    [
      'frames after F',
      'Frames of the sender',
      Buffer.concat([whole([await file()]), frame('Q', { later: true })]),
      { stored: [0] },
    ],
    ['a message', 'Frames of the sender', whole([await file({ header: { '!kind': 'message' } })]), { message: 0 }],
  ]
  const cases = made.map(([title, section, bytes, demand]) => ({ title, section, bytes, ...demand }))
  for (const [name, demand] of Object.entries(replayed)) {
    cases.push({ title: `transcript ${name}`, bytes: await replay(name, algorithm, newName), ...demand })
  }
  return cases
}

/** The sender's part of a transcript, with names that are not taken and with digests that the receiver computes. */
async function replay(name, algorithm, newName) {
  const said = saidIn(name, 'sender')
  const parts = [said.subarray(0, 8)]
  let header = Buffer.alloc(0)
  let data = []
  for (const { type, payload, fields } of framesIn(said.subarray(8)).frames) {
    if (type === 'D') data.push(payload)
    if (type === 'H') {
      data = []
      parts.push(frame('H', { ...fields, name: newName() }))
      header = parts.at(-1).subarray(5)
    } else if (type === 'E' && (fields.blake3 || fields.sha256)) {
      const digest = await digestOf(algorithm, Buffer.concat(data))
      parts.push(frame('E', { bytes: fields.bytes, [algorithm]: digest, header: await digestOf(algorithm, header) }))
    } else {
      parts.push(frame(type, type === 'G' && algorithm === 'sha256' ? { ...fields, digest: 'sha256' } : payload))
    }
  }
  return Buffer.concat(parts)
}
