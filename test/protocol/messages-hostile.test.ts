/** Control payloads that nobody means well by: what is not JSON, what nobody knows, and what would lead astray. */
import fc from 'fast-check'
import t from 'tap'
import { parsers } from '../../dist/protocol/parsers.js'
import { ProtocolError } from '../../dist/protocol/protocol-error.js'
import { isUnsafe } from '../../dist/text.js'
import {
  breach,
  type ControlFrame,
  controlFrames,
  counts,
  frameName,
  leastFields,
  withField,
} from '../fixtures/fields.ts'
import { hex } from '../fixtures/literals.ts'

function parse(frame: ControlFrame, payload: string | Uint8Array): object {
  return parsers[frame](Buffer.from(payload))
}

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
const list = (commas: number) => `[1${',{}'.repeat(commas)}]`

t.test('refuses what is nested too deep or has too many commas, before it is parsed', async (t) => {
  const tooMuch = /^the \w+ frame is nested deeper than 16 or has over 256 commas$/
  for (const frame of controlFrames) {
    const commas = Object.keys(leastFields[frame]).length
    t.doesNotThrow(() => parse(frame, withField(frame, 'later', nested(15))))
    t.doesNotThrow(() => parse(frame, withField(frame, 'later', list(256 - commas))))
    for (const json of [nested(16), `{"a":${nested(15)}}`, nested(30_000), list(257 - commas), '['.repeat(60_000)]) {
      t.throws(() => parse(frame, withField(frame, 'later', json)), breach(tooMuch))
    }
  }
  t.throws(() => parse('finished', ','.repeat(257)), breach(tooMuch), 'it need not be JSON')
})

t.test('refuses a payload that is not JSON in UTF-8', async (t) => {
  const payloads = [
    ...['', ' ', '{', '{} {}', "{'a':1}", '{"a":NaN}', '{"a":01}', '{"name":"a\nb"}', 'G'].map((text) =>
      Buffer.from(text),
    ),
    // A byte that begins nothing, an overlong slash, a surrogate, a truncated character.
    ...['ff', 'c0 af', 'ed a0 80', 'c3'].map((bytes) => hex(`7b 22 6e 61 6d 65 22 3a 22 ${bytes} 22 7d`)),
    // A byte order mark, and UTF-16.
    hex('ef bb bf 7b 7d'),
    hex('7b 00 7d 00'),
  ]
  for (const frame of controlFrames) {
    for (const payload of payloads) {
      t.throws(() => parse(frame, payload), breach(new RegExp(`^the ${frameName(frame)} frame is not JSON in UTF-8$`)))
    }
  }
})

t.test('refuses JSON that is not an object', async (t) => {
  for (const frame of controlFrames) {
    for (const payload of ['null', 'true', '1', '"x"', '[]', '[{}]']) {
      t.throws(() => parse(frame, payload), breach(new RegExp(`^the ${frameName(frame)} frame is not a JSON object$`)))
    }
  }
})

t.test('ignores a field that it does not know, in every frame, whatever it holds', async (t) => {
  for (const frame of controlFrames) {
    const plain = parse(frame, JSON.stringify(leastFields[frame]))
    for (const json of [
      '1',
      'null',
      '{"a":[1,2,{}]}',
      '"\\ud800"',
      '1e400',
      nested(15),
      list(200),
      // What is in a string is no nesting and no comma.
      JSON.stringify(`\\"${'[{,'.repeat(5000)}`),
    ]) {
      t.strictSame(parse(frame, withField(frame, 'later', json)), plain)
      t.strictSame(parse(frame, withField(frame, 'not!first', json)), plain)
    }
  }
})

t.test('refuses a field that must be understood and is not, by its name', async (t) => {
  // A header with such a field is refused by itself, without ending the connection.
  for (const frame of controlFrames.filter((name) => name !== 'header')) {
    for (const json of ['1', 'null', 'false']) {
      t.throws(
        () => parse(frame, withField(frame, '!sparse', json)),
        breach(
          new RegExp(`^the ${frameName(frame)} frame needs "!sparse", which this side \\(version 1\\) does not know$`),
          'field',
        ),
      )
    }
  }
  t.throws(() => parse('heartbeat', '{"!\\u001b[2J":1}'), breach(/needs "!\\u\{1b\}\[2J", which/, 'field'))
  t.throws(() => parse('heartbeat', `{"!${'x'.repeat(59)}":1}`), breach(/needs "!x{59}", which/, 'field'))
  t.throws(() => parse('heartbeat', `{"!${'x'.repeat(60)}":1}`), breach(/needs "!x{58}…", which/, 'field'))
})

t.test('lets no key of an object reach a prototype, or stand for a field', async (t) => {
  const nasty = '"__proto__":{"polluted":1,"name":"x","size":5},"constructor":{"prototype":{"polluted":1}},"toString":1'
  for (const frame of controlFrames) {
    const plain = parse(frame, JSON.stringify(leastFields[frame]))
    const message = parse(
      frame,
      JSON.stringify(leastFields[frame]).replace(
        /\}$/,
        `${Object.keys(leastFields[frame]).length === 0 ? '' : ','}${nasty}}`,
      ),
    )
    t.strictSame(message, plain)
    t.strictSame(Object.keys(message), Object.keys(plain))
    t.equal(Object.getPrototypeOf(message), Object.prototype)
  }
  t.equal(({} as { polluted?: number }).polluted, undefined)
  t.throws(() => parse('header', `{${nasty}}`), breach(/^"name" of the header frame must be a string, and is missing$/))
})

t.test('quotes a wrong value short, and without what could harm a terminal', async (t) => {
  const property = fc.property(fc.constantFrom(...counts), fc.jsonValue(), ([frame, field], value) => {
    try {
      parse(frame, withField(frame, field, JSON.stringify([value])))
    } catch (error) {
      return error instanceof ProtocolError && !isUnsafe(error.message) && error.message.length < 500
    }
    return false
  })
  t.doesNotThrow(() => fc.assert(property))
  t.throws(() => parse('finished', '{"entries":"\u009b\u202e"}'), breach(/, and is "\\u\{9b\}\\u\{202e\}"$/))
  t.throws(() => parse('finished', `{"entries":"${'x'.repeat(60_000)}"}`), breach(/, and is "x{38}…$/))
})

t.test('refuses a wrong value however deep it is nested', async (t) => {
  for (const [frame, field] of counts) {
    t.throws(
      () => parse(frame, withField(frame, field, nested(15))),
      breach(new RegExp(`^"${field}" of the ${frame} frame must be`)),
    )
  }
})

t.test('gives a breach as an error that the peer may be told in full', async (t) => {
  const error = new ProtocolError('one line')
  t.match(error, {
    name: 'TransferError',
    code: 'incomplete',
    exitCode: 6,
    reason: 'protocol',
    peerMessage: 'one line',
  })
  t.match(new ProtocolError('two', 'magic'), { reason: 'magic', peerMessage: 'two' })
})
