/**
 * The decoders against the naive one, over streams that nobody thought of: however a stream is cut, spoiled or made up,
 * what comes out is the same messages, or a ProtocolError, within the same bounds of memory.
 */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { ReceiverDecoder, SenderDecoder } from '../../dist/protocol/decoder.js'
import { ProtocolError } from '../../dist/protocol/protocol-error.js'
import { bytewise, cutAt, type Decoded, type Decoder, decode, joinData } from '../fixtures/decode.ts'
import { hex } from '../fixtures/literals.ts'
import { receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'
import { referenceDecode } from '../fixtures/reference-decoder.ts'
import { cuts, damage, receiverFrames, senderFrames, toStream } from '../fixtures/stream.ts'

type Message = { frame: string; bytes?: unknown }

const sides = [
  {
    side: 'sender',
    frames: senderFrames,
    opening: senderOpening,
    create: (): Decoder<Message> => new SenderDecoder(),
  },
  {
    side: 'receiver',
    frames: receiverFrames,
    opening: receiverOpening,
    create: (): Decoder<Message> => new ReceiverDecoder(),
  },
] as const

/** The most bytes of a control payload, which is all that a decoder may ever hold. */
const MOST_HELD = 65_536

/** What a decoder threw, as the reason of a breach; anything but a breach is a defect and goes on its way. */
function reasonOf({ error }: Decoded<Message>): string | null {
  if (error === null) return null
  if (error instanceof ProtocolError) return error.reason
  throw error
}

/** Fails the property; fast-check then looks for the smallest stream that does so. */
function mustEqual(found: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(found, expected)) throw new Error(`other ${what} than the reference decoder`)
}

/** A stream comes to the same whether it comes at once or in pieces. */
function mustNotDepend(create: () => Decoder<Message>, stream: Buffer, places: readonly number[]): void {
  const whole = decode(create(), [stream])
  const cut = decode(create(), cutAt(stream, places), { detach: true })
  if (!isDeepStrictEqual([cut.messages, reasonOf(cut)], [whole.messages, reasonOf(whole)])) {
    throw new Error('another outcome when cut')
  }
}

function holds<Values>(t: Test, property: fc.IProperty<Values>, numRuns: number): void {
  t.doesNotThrow(() => fc.assert(property, { numRuns }), `holds for ${numRuns} streams`)
}

/** Collects the sizes of the buffers that are made until the test ends. */
function watchAllocations(t: Test): number[] {
  const sizes: number[] = []
  for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const) {
    const make = Buffer[name]
    Buffer[name] = (size: number) => {
      sizes.push(size)
      return make(Math.min(size, MOST_HELD))
    }
    t.teardown(() => {
      Buffer[name] = make
    })
  }
  return sizes
}

for (const { side, frames, opening, create } of sides) {
  t.test(`reads any valid stream of a ${side} alike, however it is cut`, async (t) => {
    const property = fc.property(frames, cuts, fc.boolean(), (planned, places, detach) => {
      const stream = toStream(side, planned)
      const expected = joinData(referenceDecode(side, stream).messages)
      const decoded = decode(create(), cutAt(stream, places), { detach })
      mustEqual(reasonOf(decoded), null, 'end')
      mustEqual(decoded.messages, expected, 'messages')
    })
    holds(t, property, 300)
  })

  t.test(`reads any valid stream of a ${side} one byte at a time`, async (t) => {
    const property = fc.property(frames, fc.boolean(), (planned, detach) => {
      const stream = toStream(side, planned)
      const decoded = decode(create(), bytewise(stream), { detach })
      mustEqual(reasonOf(decoded), null, 'end')
      mustEqual(decoded.messages, joinData(referenceDecode(side, stream).messages), 'messages')
    })
    holds(t, property, 40)
  })

  t.test(`judges a spoiled stream of a ${side} as the reference decoder does`, async (t) => {
    const property = fc.property(frames, damage, fc.option(fc.nat()), cuts, (planned, spoil, end, places) => {
      const whole = toStream(side, spoil(planned))
      const stream = end === null ? whole : whole.subarray(0, end % (whole.length + 1))
      const expected = referenceDecode(side, stream)
      const decoded = decode(create(), cutAt(stream, places))
      mustEqual(decoded.messages, joinData(expected.messages), 'messages')
      // What is wrong with a frame may be told before the whole of it is there.
      if (!expected.isCut) mustEqual(reasonOf(decoded), expected.reason, 'reason')
      else reasonOf(decoded)
    })
    holds(t, property, 600)
  })

  t.test(`makes of any bytes at all messages or a ProtocolError, the same for every cut (${side})`, async (t) => {
    const sizes = watchAllocations(t)
    const starts = fc.constantFrom(Buffer.alloc(0), opening.subarray(0, 8), opening)
    const lengths = fc.oneof(
      fc.nat(100),
      fc.integer({ min: 65_500, max: 65_600 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    )
    const heads = fc
      .tuple(fc.constantFrom(...'GHDVPEAFSRWIBXx'), lengths)
      .map(([letter, length]) => Buffer.concat([Buffer.from(letter), hex(length.toString(16).padStart(8, '0'))]))
    const junk = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes))
    const pieces = fc.array(fc.oneof(heads, junk), { maxLength: 6 })
    const property = fc.property(starts, pieces, cuts, (start, rest, places) =>
      mustNotDepend(create, Buffer.concat([start, ...rest]), places),
    )
    holds(t, property, 600)
    t.ok(Math.max(...sizes) > 65_000, 'what comes in pieces is held')
    t.ok(Math.max(...sizes) <= MOST_HELD, `no buffer is larger than ${MOST_HELD} bytes: ${Math.max(...sizes)}`)
  })

  t.test(`survives any change of single bytes in a valid stream of a ${side}`, async (t) => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 })
    const property = fc.property(frames, changes, cuts, (planned, bytes, places) => {
      const stream = toStream(side, planned)
      for (const [place, value] of bytes) stream[place % stream.length] = value
      mustNotDepend(create, stream, places)
    })
    holds(t, property, 300)
  })
}
