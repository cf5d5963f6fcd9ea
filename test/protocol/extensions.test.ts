/** The room for later versions: frames that a peer may skip, features of a receiver, and entries that it does not know. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { ReceiverDecoder, SenderDecoder } from '../../dist/protocol/decoder.js'
import { encode } from '../../dist/protocol/encode.js'
import { parsers } from '../../dist/protocol/parsers.js'
import { bytewise, cutAt, type Decoder, decode } from '../fixtures/decode.ts'
import { breach } from '../fixtures/fields.ts'
import { someDigest, textFrame } from '../fixtures/literals.ts'
import { frame, frameHeader, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'
import { ancillary, cuts, type PlannedFrame, receiverFrames, senderFrames, toStream } from '../fixtures/stream.ts'

type Message = { frame: string; bytes?: unknown }

const sides = [
  { side: 'sender', frames: senderFrames, create: (): Decoder<Message> => new SenderDecoder() },
  { side: 'receiver', frames: receiverFrames, create: (): Decoder<Message> => new ReceiverDecoder() },
] as const

/** Ancillary frames, each with the place among the frames of a stream where it is put. */
const insertions = fc.array(fc.tuple(fc.nat(), ancillary), { minLength: 1, maxLength: 6 })

/** Puts each frame between two others, after the greeting. After its last frame a sender has ended. */
function insert(frames: readonly PlannedFrame[], more: readonly (readonly [number, PlannedFrame])[], hasEnd: boolean) {
  return more.reduce<PlannedFrame[]>(
    (all, [place, one]) => all.toSpliced(1 + (place % (all.length - (hasEnd ? 1 : 0))), 0, one),
    [...frames],
  )
}

function holds<Values>(t: Test, property: fc.IProperty<Values>, numRuns = 300): void {
  t.doesNotThrow(() => fc.assert(property, { numRuns }), `holds for ${numRuns} cases`)
}

for (const { side, frames, create } of sides) {
  t.test(`reads the same messages of a ${side} with any lower-case frames between its own`, async (t) => {
    const property = fc.property(frames, insertions, cuts, (planned, more, places) => {
      const stream = toStream(side, insert(planned, more, side === 'sender'))
      const plain = decode(create(), [toStream(side, planned)])
      const decoded = [decode(create(), cutAt(stream, places)), decode(create(), bytewise(stream), { detach: true })]
      return plain.error === null && decoded.every((one) => isDeepStrictEqual(one, plain))
    })
    holds(t, property)
  })

  t.test(`refuses a lower-case frame before the greeting of a ${side}`, async (t) => {
    const property = fc.property(frames, ancillary, (planned, one) => {
      const { messages, error } = decode(create(), [toStream(side, [one, ...planned])])
      return messages.length === 0 && /^an ancillary frame may not come here/.test(`${(error as Error)?.message}`)
    })
    holds(t, property, 50)
  })
}

t.test('refuses a lower-case frame after the end of a sender', async (t) => {
  const property = fc.property(senderFrames, ancillary, (planned, one) => {
    const whole = decode(new SenderDecoder(), [toStream('sender', planned)])
    const { messages, error } = decode(new SenderDecoder(), [toStream('sender', [...planned, one])])
    const isRefused = /^an ancillary frame may not come here \(state: over\)$/.test(`${(error as Error)?.message}`)
    return isRefused && isDeepStrictEqual(messages, whole.messages)
  })
  holds(t, property, 100)
})

t.test(
  'skips a lower-case frame of every type, whatever its payload, within the limits of a control frame',
  async (t) => {
    for (const letter of 'abcdefghijklmnopqrstuvwxyz') {
      for (const payload of ['{}', '{"!must":1}', '[]', 'not JSON', '\u0000', 'x'.repeat(65_536)]) {
        const sender = decode(new SenderDecoder(), [senderOpening, textFrame(letter, payload)])
        t.strictSame(sender, { messages: [{ frame: 'greeting', version: 1 }], error: null })
        const receiver = decode(new ReceiverDecoder(), [receiverOpening, textFrame(letter, payload)])
        t.strictSame(receiver, { messages: [{ frame: 'greeting', version: 1, features: [] }], error: null })
      }
      const wrong: [number, RegExp][] = [
        [0, /^the ancillary frame is empty$/],
        [65_537, /^the ancillary frame has 65537 bytes, over the limit of 65536$/],
      ]
      for (const [length, message] of wrong) {
        t.match(decode(new SenderDecoder(), [senderOpening, frameHeader(letter, length)]).error, breach(message))
        t.match(decode(new ReceiverDecoder(), [receiverOpening, frameHeader(letter, length)]).error, breach(message))
      }
    }
  },
)

t.test('counts a lower-case frame inside an entry neither as data nor as the end of a chunk', async (t) => {
  const skipped = frame('q', { a: 1 })
  const header = frame('H', { name: 'a', size: 2048 })
  const [chunk, part] = [frame('D', Buffer.alloc(1024)), frame('D', Buffer.alloc(1))]
  const read = (...frames: Buffer[]) => decode(new SenderDecoder(), [Buffer.concat([senderOpening, ...frames])]).error
  const end = frame('E', { bytes: 2048, blake3: someDigest })
  t.equal(read(header, skipped, chunk, skipped, chunk, skipped, end, skipped), null)
  t.match(read(header, part, skipped, chunk), breach(/^data after a chunk of less than 1024 bytes$/))
})

const feature = fc.string({ unit: fc.constantFrom(...'abcxyz0189-'), minLength: 1, maxLength: 64 })

t.test('reads any features that a receiver writes', async (t) => {
  const property = fc.property(fc.array(feature, { maxLength: 64 }), cuts, (features, places) => {
    const { messages, error } = decode(new ReceiverDecoder(), cutAt(encode.receiverOpening(features), places))
    return error === null && isDeepStrictEqual(messages, [{ frame: 'greeting', version: 1, software, features }])
  })
  holds(t, property)
})

const software = 'tcp-send-recv'

t.test('writes features only if there are any', async (t) => {
  const json = (opening: Buffer) => opening.subarray(13).toString()
  t.equal(json(encode.receiverOpening()), '{"version":1,"software":"tcp-send-recv"}')
  t.strictSame(encode.receiverOpening([]), encode.receiverOpening())
  t.equal(json(encode.receiverOpening(['a', 'b-2'])), '{"version":1,"software":"tcp-send-recv","features":["a","b-2"]}')
})

/** What a sender makes of a receiver's features, and a receiver of a sender's. */
const fromReceiver = (json: string) => parsers.receiverGreeting(Buffer.from(`{"version":1,"features":${json}}`))
const fromSender = (json: string) => parsers.greeting(Buffer.from(`{"version":1,"features":${json}}`))

t.test('takes features that are absent, null or none for none', async (t) => {
  t.strictSame(parsers.receiverGreeting(Buffer.from('{"version":1}')), { version: 1, features: [] })
  for (const json of ['null', '[]']) t.strictSame(fromReceiver(json), { version: 1, features: [] })
})

t.test('takes 64 features of 64 characters, and refuses every other form, but ignores it in a sender', async (t) => {
  const most = JSON.stringify(Array(64).fill('x'.repeat(64)))
  t.equal(fromReceiver(most).features.length, 64)
  const expected = '"features" of the greeting frame must be at most 64 words of at most 64 characters a-z, 0-9 and -'
  const wrong: unknown[] = [true, 1, 'resume', {}, { 0: 'a', length: 1 }, [1], [null], [['a']], ['']]
  wrong.push(['A'], ['a b'], ['a_b'], ['é'], ['a\n'], ['x'.repeat(65)], Array(65).fill('a'), ['ok', 'Not'])
  for (const features of wrong) {
    const json = JSON.stringify(features)
    t.throws(() => fromReceiver(json), breach(new RegExp(`^${expected}, and is `)), json.slice(0, 40))
    t.strictSame(fromSender(json), { version: 1 })
  }
  t.strictSame(fromSender(most), { version: 1 })
})

t.test('refuses just the entry of any unknown kind, and reads the rest of its header as ever', async (t) => {
  const kinds = fc
    .string({ unit: 'binary', maxLength: 80 })
    .filter((kind) => !['file', 'message', 'directory'].includes(kind))
  const property = fc.property(kinds, fc.string({ maxLength: 20 }), fc.option(fc.nat()), (kind, name, size) => {
    const read = (more: object) => parsers.header(Buffer.from(JSON.stringify({ name, size, ...more })))
    const { unsupported, ...others } = read({ '!kind': kind })
    const isLine = /^the header frame needs the kind ".*", which this side \(version 1\) does not know$/
    return isLine.test(`${unsupported}`) && isDeepStrictEqual(others, read({}))
  })
  holds(t, property)
})

t.test('reads on behind an entry that it does not understand, whose data keep the rules of every entry', async (t) => {
  const header = frame('H', { name: 'a', size: 3, '!kind': 'album' })
  const data = frame('D', Buffer.from('abc'))
  const end = frame('E', { bytes: 3, blake3: someDigest })
  const next = frame('H', { name: 'b', size: null })
  const { messages, error } = decode(new SenderDecoder(), [Buffer.concat([senderOpening, header, data, end, next])])
  t.equal(error, null)
  t.match(messages.slice(1), [
    { frame: 'header', name: 'a', kind: 'file', unsupported: /the kind "album"/ },
    { frame: 'data' },
    { frame: 'end' },
    { frame: 'header', name: 'b', kind: 'file', unsupported: undefined },
  ])
  const more = frame('D', Buffer.from('abcd'))
  t.match(decode(new SenderDecoder(), [Buffer.concat([senderOpening, header, more])]).error, breach(/^more data than/))
})
