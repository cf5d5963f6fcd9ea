/** The bytes of the exchange of a code. What comes in pieces means the same, and nothing but the right length is taken. */
import fc from 'fast-check'
import t from 'tap'
import {
  associatedData,
  encodeAnswer,
  encodeOpening,
  isOpening,
  type Opening,
  parseAnswer,
  parseOpening,
} from '../../dist/protocol/code-exchange.js'

const of = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes))
const opening = fc.record({
  role: fc.constantFrom<Opening['role']>('sender', 'receiver', 'chat'),
  sid: of(16),
  share: of(32),
})

t.test('reads an opening that is whole, and waits for the rest of one that is not', async (t) => {
  const property = fc.property(opening, fc.integer({ min: 0, max: 57 }), (given, length) => {
    const bytes = encodeOpening(given)
    t.strictSame(parseOpening(bytes), { ...given })
    t.equal(parseOpening(bytes.subarray(0, length)), undefined)
    t.equal(isOpening(bytes.subarray(0, length)), true)
    t.equal(parseOpening(Buffer.concat([bytes, Buffer.of(0)])), 'invalid')
  })
  fc.assert(property)
})

t.test('waits for the role behind the version', async (t) => {
  t.equal(parseOpening(associatedData('sender').subarray(0, 9)), undefined)
})

t.test('says of other bytes what they are', async (t) => {
  t.strictSame(associatedData('receiver'), Buffer.from('7463702d636f64650172', 'hex'))
  const property = fc.property(of(50), fc.nat(255), fc.nat(255), (rest, version, role) => {
    const read = parseOpening(Buffer.concat([Buffer.from('tcp-code'), Buffer.of(version, role), rest.subarray(2)]))
    const expected = version !== 1 ? 'version' : 'src'.includes(String.fromCharCode(role)) ? 'object' : 'invalid'
    t.equal(typeof read === 'object' ? 'object' : read, expected)
  })
  fc.assert(property)
  for (const start of ['tcp-send', 'tcp-recv', 'x', 'tcp_', '\x16\x03']) t.equal(isOpening(Buffer.from(start)), false)
})

t.test('reads every answer that a listener gives, and takes all others for those of strangers', async (t) => {
  fc.assert(
    fc.property(of(32), fc.integer({ min: 1, max: 32 }), (share, length) => {
      const bytes = encodeAnswer('share', share)
      t.strictSame(parseAnswer(bytes), share)
      t.equal(parseAnswer(bytes.subarray(0, length)), undefined)
      t.equal(parseAnswer(Buffer.concat([bytes, Buffer.of(1)])), 'stranger')
    }),
  )
  for (const status of ['used', 'burnt', 'role', 'version', 'invalid'] as const)
    t.equal(parseAnswer(encodeAnswer(status)), status)
  t.equal(parseAnswer(Buffer.alloc(0)), undefined)
  fc.assert(
    fc.property(fc.integer({ min: 6, max: 255 }), of(10), (first, rest) => {
      if (first !== 0x15) t.equal(parseAnswer(Buffer.concat([Buffer.of(first), rest])), 'stranger')
    }),
  )
  const alert = Buffer.from('15030300020231', 'hex')
  t.equal(parseAnswer(alert), 'busy')
  for (let length = 1; length < 7; length++) t.equal(parseAnswer(alert.subarray(0, length)), undefined)
  t.equal(parseAnswer(Buffer.from('15030300020273', 'hex')), 'stranger')
})
