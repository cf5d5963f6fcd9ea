/** The fields of each control frame: which values are taken, and which are refused. */
import t from 'tap'
import { parsers } from '../../dist/protocol/parsers.js'
import { breach, type ControlFrame, counts, withField } from '../fixtures/fields.ts'
import { someDigest, someToken } from '../fixtures/literals.ts'

function parse(frame: ControlFrame, payload: string | Uint8Array): object {
  return parsers[frame](Buffer.from(payload))
}

t.test('takes a count from 0 to the largest whole number that a double holds exactly', async (t) => {
  for (const [frame, field] of counts) {
    for (const value of [0, 1, 9_007_199_254_740_991]) {
      t.match(parse(frame, withField(frame, field, `${value}`)), { [field]: value })
    }
  }
})

t.test('refuses everything else for a count, and says what it got', async (t) => {
  const wrong = ['-1', '1.5', '"12"', 'true', '[]', '{}', '1e400', '9007199254740993', '9223372036854775808', '1e20']
  for (const [frame, field] of counts) {
    const expected = `^"${field}" of the ${frame} frame must be a whole number from 0 to 9007199254740991, and is `
    for (const json of wrong) {
      t.throws(() => parse(frame, withField(frame, field, json)), breach(new RegExp(expected)), `${field}: ${json}`)
    }
  }
  t.throws(() => parse('end', withField('end', 'bytes', '"12"')), breach(/, and is "12"$/))
  t.throws(() => parse('end', withField('end', 'bytes', 'null')), breach(/, and is null$/))
  t.throws(() => parse('end', `{"blake3":"${someDigest}"}`), breach(/, and is missing$/))
})

t.test('takes a name that is any well-formed text, since the rules for names are not those of the wire', async (t) => {
  for (const name of [
    'a',
    '',
    '../x',
    'é',
    'e\u0301',
    '😀',
    '\u0000\n\u001b[2J',
    '\ufeff',
    '\u202e',
    'x'.repeat(60_000),
  ]) {
    t.match(parse('header', JSON.stringify({ name, size: 1 })), { name })
    t.match(parse('stored', withField('stored', 'name', JSON.stringify(name))), { name })
  }
})

t.test('refuses a text that is none, or is not well-formed', async (t) => {
  const texts: [ControlFrame, string][] = [
    ['greeting', 'software'],
    ['header', 'name'],
    ['abort', 'reason'],
    ['abort', 'message'],
    ['stored', 'name'],
    ['refused', 'reason'],
    ['refused', 'message'],
  ]
  for (const [frame, field] of texts) {
    const message = new RegExp(`^"${field}" of the ${frame} frame must be a string, and is `)
    for (const json of ['12', 'true', '[]', '["a"]', '{}', '"\\ud800"', '"a\\udc00b"', '"\\udc00\\ud800"']) {
      t.throws(() => parse(frame, withField(frame, field, json)), breach(message), `${field}: ${json}`)
    }
  }
  t.throws(() => parse('header', '{"size":0}'), breach(/^"name" of the header frame must be a string, and is missing$/))
})

t.test('takes a media type without parameters, and refuses everything else', async (t) => {
  const long = 'x'.repeat(127)
  for (const type of ['text/plain', 'image/svg+xml', 'application/vnd.a-b_c.d!#$&^+1', 'X/Y', `${long}/${long}`]) {
    t.match(parse('header', withField('header', 'type', JSON.stringify(type))), { type })
  }
  const wrong = [
    'text',
    'text/',
    '/plain',
    'a/b/c',
    'text/plain; charset=utf-8',
    'text/plain\n',
    ' a/b',
    'a b/c',
    'é/x',
    '*/*',
  ]
  for (const type of [...wrong, '', `${long}x/a`, `a/${long}x`, 12, true, ['a/b'], {}]) {
    t.throws(
      () => parse('header', withField('header', 'type', JSON.stringify(type))),
      breach(/^"type" of the header frame must be a media type such as text\/plain, and is /),
    )
  }
})

t.test('takes a digest of 64 lower-case hexadecimal digits, and refuses everything else', async (t) => {
  for (const frame of ['end', 'stored'] as const) {
    t.match(parse(frame, withField(frame, 'blake3', `"${someDigest}"`)), { blake3: someDigest })
    const wrong = [
      someDigest.slice(1),
      `${someDigest}0`,
      someDigest.toUpperCase(),
      `g${someDigest.slice(1)}`,
      '',
      `${someDigest}\n`,
    ]
    for (const value of [...wrong, 12, true, [someDigest]]) {
      t.throws(
        () => parse(frame, withField(frame, 'blake3', JSON.stringify(value))),
        breach(new RegExp(`^"blake3" of the ${frame} frame must be 64 lower-case hexadecimal digits, and is `)),
      )
    }
  }
})

t.test('takes a digest that is null or absent for one that nobody could compute', async (t) => {
  for (const frame of ['end', 'stored'] as const) {
    t.match(parse(frame, withField(frame, 'blake3', 'null')), { blake3: null })
  }
  t.strictSame(parse('end', '{"bytes":5}'), { bytes: 5, blake3: null })
  t.strictSame(parse('stored', '{"entry":1,"name":"a","bytes":5}'), { entry: 1, name: 'a', bytes: 5, blake3: null })
})

t.test('takes the kind of an entry, which is a file unless the header says another', async (t) => {
  for (const kind of ['message', 'directory']) {
    t.match(parse('header', withField('header', '!kind', `"${kind}"`)), { kind, unsupported: undefined })
  }
  for (const json of ['"file"', 'null']) {
    t.match(parse('header', withField('header', '!kind', json)), { kind: 'file', unsupported: undefined })
  }
  t.match(parse('header', withField('header', 'kind', '"message"')), { kind: 'file' }, 'without the mark it is no kind')
  for (const json of ['1', 'true', '[]', '{}', '"\\ud800"']) {
    const message = /^"!kind" of the header frame must be a string, and is /
    t.throws(() => parse('header', withField('header', '!kind', json)), breach(message))
  }
  for (const frame of ['end', 'abort', 'heartbeat'] as const) {
    t.throws(() => parse(frame, withField(frame, '!kind', '"message"')), breach(/needs "!kind"/, 'field'))
  }
})

t.test('takes a header of an unknown kind or with an unknown mandatory field for what must be refused', async (t) => {
  const unsupported = (what: string) => `the header frame needs ${what}, which this side (version 1) does not know`
  for (const kind of ['album', '', 'File', 'Directory', 'message ', '__proto__']) {
    const header = parse('header', withField('header', '!kind', JSON.stringify(kind)))
    t.match(header, { kind: 'file', name: 'a', size: null, unsupported: unsupported(`the kind "${kind}"`) })
  }
  for (const json of ['1', 'null', 'false', '[[]]']) {
    const header = parse('header', withField('header', '!sparse', json))
    t.match(header, { kind: 'file', name: 'a', size: null, unsupported: unsupported('"!sparse"') })
  }
  t.match(parse('header', '{"name":"a","size":1,"!kind":"album","!sparse":1}'), { unsupported: /"album"/ })
  t.match(parse('header', '{"name":"a","size":1,"!kind":"directory","!sparse":1}'), { unsupported: /"!sparse"/ })
  t.match(parse('header', '{"name":"a","size":1,"!\\u001b[2J":1}'), { unsupported: /needs "!\\u\{1b\}\[2J", which/ })
  t.match(parse('header', '{"name":"a","size":1,"!kind":"\\u202e"}'), { unsupported: /kind "\\u\{202e\}", which/ })
  const long = parse('header', withField('header', '!kind', `"${'x'.repeat(60_000)}"`))
  t.match(long, { unsupported: /the kind "x{59}…", which/ })
  t.throws(() => parse('header', '{"size":1,"!kind":"directory"}'), breach(/^"name" of the header frame/))
})

t.test('takes the times that a date can hold, and refuses others', async (t) => {
  for (const mtime of [0, -1, 1_700_000_000_000, 8_640_000_000_000_000, -8_640_000_000_000_000, null]) {
    t.match(parse('header', withField('header', 'mtime', `${mtime}`)), { mtime })
  }
  for (const json of ['8640000000000001', '-8640000000000001', '1e20', '-1e20', '0.5', '"0"', 'true']) {
    t.throws(
      () => parse('header', withField('header', 'mtime', json)),
      breach(/^"mtime" of the header frame must be a whole/),
    )
  }
})

t.test('takes the mode bits of a file, and refuses what can be none', async (t) => {
  for (const mode of [0, 0o644, 0o4755, 0o100_644, 0o177_777, null]) {
    t.match(parse('header', withField('header', 'mode', `${mode}`)), { mode })
  }
  for (const json of ['65536', '-1', '1e9', '1.5', '"644"', '[]']) {
    t.throws(
      () => parse('header', withField('header', 'mode', json)),
      breach(/^"mode" of the header frame must be a whole/),
    )
  }
})

t.test('takes what may be absent as what the document says it is then', async (t) => {
  t.strictSame(parse('header', '{"name":"a","size":null}'), {
    kind: 'file',
    name: 'a',
    size: null,
    type: 'application/octet-stream',
    mtime: null,
    mode: null,
  })
  t.strictSame(parse('greeting', '{"version":1}'), { version: 1 })
  t.strictSame(parse('greeting', '{"version":1,"software":"x 1.0"}'), { version: 1, software: 'x 1.0' })
})

t.test('shortens the name of the software, which nobody needs at length', async (t) => {
  const { software } = parsers.greeting(Buffer.from(JSON.stringify({ version: 1, software: 'x'.repeat(201) })))
  t.equal(software, 'x'.repeat(200))
})

t.test('refuses a version that is no version number', async (t) => {
  for (const json of ['0', '-1', '1.5', '"1"', 'true', 'null', '1e400']) {
    t.throws(
      () => parse('greeting', `{"version":${json}}`),
      breach(/^"version" of the greeting frame must be a whole number/),
    )
  }
  t.throws(() => parse('greeting', '{}'), breach(/^"version" of the greeting frame must be .*, and is missing$/))
})

t.test('takes a token of 32 lower-case hexadecimal digits, and refuses everything else', async (t) => {
  const tokens: [ControlFrame, string][] = [
    ['greeting', 'transfer'],
    ['greeting', 'bundle'],
    ['greeting', 'join'],
    ['header', 'source'],
    ['header', 'edition'],
  ]
  for (const [frame, field] of tokens) {
    t.match(parse(frame, withField(frame, field, `"${someToken}"`)), { [field]: someToken })
    t.notOk(field in parse(frame, withField(frame, field, 'null')), 'null is like absent')
    const wrong = [
      someToken.slice(1),
      `${someToken}0`,
      someToken.toUpperCase(),
      `g${someToken.slice(1)}`,
      '',
      `${someToken}\n`,
    ]
    for (const value of [...wrong, 12, true, [someToken], {}]) {
      t.throws(
        () => parse(frame, withField(frame, field, JSON.stringify(value))),
        breach(new RegExp(`^"${field}" of the ${frame} frame must be 32 lower-case hexadecimal digits, and is `)),
      )
    }
  }
  t.strictSame(
    parse('receiverGreeting', `{"version":1,"transfer":12}`),
    { version: 1, features: [] },
    'of a sender only',
  )
})

t.test('takes 1 to 64 connections of a bundle, and refuses everything else', async (t) => {
  for (const connections of [1, 64]) t.strictSame(parse('bundle', `{"connections":${connections}}`), { connections })
  for (const payload of ['{}', '{"connections":null}']) t.strictSame(parse('bundle', payload), {})
  for (const json of ['0', '65', '-1', '1.5', '"2"', 'true', '[2]', '{}']) {
    const message = /^"connections" of the bundle frame must be a whole number from 1 to 64, and is /
    t.throws(() => parse('bundle', `{"connections":${json}}`), breach(message), json)
  }
})

t.test('takes what a receiver says of its connection, and refuses what is none of that', async (t) => {
  const said = { rtt: 70, join: someToken }
  t.match(parse('receiverGreeting', JSON.stringify({ version: 1, ...said })), said)
  for (const wrong of [{ rtt: -1 }, { rtt: 0.5 }, { rtt: '70' }, { join: 12 }, { join: someToken.slice(1) }]) {
    t.throws(
      () => parse('receiverGreeting', JSON.stringify({ version: 1, ...wrong })),
      breach(/ of the greeting frame /),
    )
  }
})

t.test('takes a header that asks in one of three ways', async (t) => {
  const asking = (resume: unknown) =>
    JSON.stringify({ name: 'a', size: 5, source: someToken, edition: someToken, resume })
  for (const resume of ['offset', 'compare', 'delta']) t.match(parse('header', asking(resume)), { resume })
  t.notOk('resume' in parse('header', asking(null)))
  for (const resume of ['', 'Offset', 'offset ', 'constructor', 1, true, ['offset'], {}]) {
    const message = /^"resume" of the header frame must be offset or compare or delta or list, and is /
    t.throws(() => parse('header', asking(resume)), breach(message), JSON.stringify(resume))
  }
})

t.test('takes an entry that asks and is of an unknown kind for one that must be refused', async (t) => {
  const header = { name: 'a', size: 5, source: someToken, edition: someToken, resume: 'offset', '!kind': 'album' }
  t.match(parse('header', JSON.stringify(header)), { resume: 'offset', unsupported: /the kind "album"/ })
})

t.test('takes as many lengths as digests, up to 100 and none of them 0, and refuses everything else', async (t) => {
  const parseLengths = (digests: number, lengths: unknown) =>
    parse('digests', JSON.stringify({ digests: Array(digests).fill(someDigest), lengths }))
  for (const count of [1, 100]) t.match(parseLengths(count, Array(count).fill(7)), { lengths: Array(count).fill(7) })
  t.notOk('lengths' in parseLengths(1, null))
  for (const lengths of [[], [0], [-1], [1.5], ['1'], [null], [1, 1], { 0: 1, length: 1 }, 1, '1', true]) {
    const message = /^"lengths" of the digests frame must be the lengths of all chunks, at most 100, and is /
    t.throws(() => parseLengths(1, lengths), breach(message), JSON.stringify(lengths))
  }
  t.throws(() => parseLengths(101, Array(101).fill(1)), breach(/^"lengths"/))
})

t.test('takes 1 to 32 samples, and refuses everything else', async (t) => {
  const parseSamples = (samples: unknown) =>
    parse('digests', JSON.stringify({ digests: [someDigest], lengths: [7], samples }))
  for (const count of [1, 32])
    t.match(parseSamples(Array(count).fill(someDigest)), { samples: Array(count).fill(someDigest) })
  t.notOk('samples' in parseSamples(null))
  for (const samples of [[], Array(33).fill(someDigest), [''], [1], [null], {}, 1, someDigest, true]) {
    const message = /^"samples" of the digests frame must be 1 to 32 digests, and is /
    t.throws(() => parseSamples(samples), breach(message), JSON.stringify(samples))
  }
})

t.test('takes 1 to 200 digests in a frame, and refuses everything else', async (t) => {
  for (const count of [1, 200]) {
    const digests = Array(count).fill(someDigest)
    t.strictSame(parse('digests', JSON.stringify({ digests })), { digests })
  }
  const wrong = [[], Array(201).fill(someDigest), [someDigest.slice(1)], [someDigest, null], [[someDigest]], someDigest]
  for (const value of [...wrong, null, 1, {}, { 0: someDigest, length: 1 }]) {
    t.throws(
      () => parse('digests', JSON.stringify({ digests: value })),
      breach(/^"digests" of the digests frame must be 1 to 200 digests, and is /),
    )
  }
})

t.test('takes the ends of up to 100 ranges that ascend, and refuses everything else', async (t) => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => 1024 * index)
  for (const ranges of [[], [0, 1], [0, 1024, 2048, 4096], many(200), [0, Number.MAX_SAFE_INTEGER]]) {
    t.strictSame(parse('wanted', JSON.stringify({ entry: 3, ranges })), { entry: 3, ranges })
  }
  const wrong = [[1], [0, 0], [1024, 0], [0, 1024, 1024, 2048], [0, 2048, 1024, 4096], [-1, 1], [0, 1.5], many(202)]
  for (const value of [...wrong, [0, 2 ** 53], ['0', '1'], [[0, 1]], [null, 1], null, 1, '', {}]) {
    t.throws(
      () => parse('wanted', JSON.stringify({ entry: 3, ranges: value })),
      breach(/^"ranges" of the wanted frame must be the ends of at most 100 ranges, and is /),
      JSON.stringify(value),
    )
  }
})

t.test('takes true or false for whether a file has changed', async (t) => {
  for (const changed of [true, false])
    t.match(parse('wanted', withField('wanted', 'changed', `${changed}`)), { changed })
  t.notOk('changed' in parse('wanted', withField('wanted', 'changed', 'null')))
  for (const json of ['1', '0', '"true"', '[]', '{}']) {
    const message = /^"changed" of the wanted frame must be true or false, and is /
    t.throws(() => parse('wanted', withField('wanted', 'changed', json)), breach(message))
  }
})

t.test('takes a list of up to 200 texts, and refuses everything else', async (t) => {
  for (const items of [[], ['1 2 a'], Array(200).fill('')]) {
    t.strictSame(parse('listed', JSON.stringify({ entry: 3, items })), { entry: 3, items })
  }
  t.match(parse('listed', '{"entry":3,"items":["a"],"more":true}'), { more: true })
  t.match(parse('listed', '{"entry":3,"items":[],"more":false}'), { more: false })
  t.throws(() => parse('listed', '{"entry":3,"items":[],"more":true}'), breach(/^a list without a file has "more"$/))
  for (const json of [
    'null',
    '1',
    '"a"',
    '{}',
    '[1]',
    '[null]',
    '[["a"]]',
    '["\\ud800"]',
    JSON.stringify(Array(201).fill('')),
  ]) {
    const message = /^"items" of the listed frame must be at most 200 strings, and is /
    t.throws(() => parse('listed', withField('listed', 'items', json)), breach(message), json.slice(0, 20))
  }
})
