/** The frames of a connection in a bundle: however they are cut, and whatever a peer makes of them. */
import fc from 'fast-check'
import t from 'tap'
import { encodeLane, LaneDecoder, type LaneMessage } from '../../dist/protocol/bundle-frames.js'
import { ProtocolError } from '../../dist/protocol/protocol-error.js'
import { bytewise, cutAt, type Decoded, decode, joinData } from '../fixtures/decode.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { frame } from '../fixtures/peer-frames.ts'

const place = fc.maxSafeNat()

/** One of the messages that may come at any place before the end of the stream, as frames. */
const part = fc.oneof(
  fc
    .tuple(place, fc.integer({ min: 1, max: 3000 }))
    .map(([offset, length]) =>
      Buffer.concat([frame('P', { offset }), frame('D', bytesOf(length, offset % 1000 || 1))]),
    ),
  fc.record({ blocks: place, limit: place }).map((fields) => frame('K', fields)),
  fc.integer({ min: 1, max: 64 }).map((connections) => frame('U', { connections })),
  fc.constantFrom(frame('B', {}), frame('U', {}), frame('x', { later: 1 }), frame('K', { blocks: 0, limit: 0, x: 1 })),
  fc.constantFrom('A', 'R').map((letter) => frame(letter, { entry: null, reason: 'broken', message: 'gone' })),
)

const stream = fc.array(part, { maxLength: 12 }).map((parts) => Buffer.concat(parts))
const cuts = fc.array(fc.nat(1_000_000), { maxLength: 24 })

function outcomeOf({ messages, error }: Decoded<LaneMessage>): unknown {
  if (error !== null && !(error instanceof ProtocolError)) throw error
  return [joinData(messages), error?.message]
}

t.test('reads the same however a connection is cut', (t) => {
  const same = (bytes: Buffer, places: number[]) => {
    const whole = decode(new LaneDecoder(), [bytes])
    if (whole.error) throw whole.error
    const cut = decode(new LaneDecoder(), cutAt(bytes, places), { detach: true })
    if (JSON.stringify(outcomeOf(cut)) !== JSON.stringify(outcomeOf(whole))) throw new Error('another outcome')
  }
  fc.assert(fc.property(stream, cuts, same), { numRuns: 300 })
  t.end()
})

t.test('ends hostile bytes with a ProtocolError, wherever they are cut', (t) => {
  const hostile = fc
    .tuple(stream, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 30 }))
    .map(([bytes, at, wrong]) => {
      const from = at % (bytes.length + 1)
      return Buffer.concat([bytes.subarray(0, from), wrong, bytes.subarray(from + wrong.length)])
    })
  const same = (bytes: Buffer) => {
    const whole = outcomeOf(decode(new LaneDecoder(), [bytes]))
    const cut = outcomeOf(decode(new LaneDecoder(), bytewise(bytes), { detach: true }))
    if (JSON.stringify(cut) !== JSON.stringify(whole)) throw new Error('another outcome')
  }
  fc.assert(fc.property(hostile, same), { numRuns: 300 })
  t.end()
})

t.test('reads each frame', (t) => {
  const bytes = Buffer.concat([
    frame('P', { offset: 7 }),
    frame('D', Buffer.from('block')),
    encodeLane.received({ blocks: 1, limit: 9 }),
    encodeLane.bundle({ connections: 3 }),
    frame('B', {}),
    frame('q', { later: true }),
    frame('R', { entry: null, reason: 'policy', message: 'no' }),
    encodeLane.ended({ bytes: 12 }),
  ])
  t.match(
    [...new LaneDecoder().push(bytes)],
    [
      { frame: 'data', offset: 7, first: true, length: 5, bytes: Buffer.from('block') },
      { frame: 'received', blocks: 1, limit: 9 },
      { frame: 'bundle', connections: 3 },
      { frame: 'heartbeat' },
      { frame: 'ancillary' },
      { frame: 'abort', reason: 'policy', message: 'no' },
      { frame: 'ended', bytes: 12 },
    ],
  )
  t.end()
})

t.test('allows nothing between a block and its data, no data alone, and no block after the end', (t) => {
  const block = frame('P', { offset: 0 })
  for (const bytes of [
    Buffer.concat([block, frame('B', {})]),
    Buffer.concat([block, block]),
    frame('D', Buffer.from('x')),
    Buffer.concat([frame('E', { bytes: 0 }), block]),
    Buffer.concat([frame('E', { bytes: 0 }), frame('E', { bytes: 0 })]),
  ])
    t.throws(() => [...new LaneDecoder().push(bytes)], { message: /may not come/ })
  t.throws(() => [...new LaneDecoder().push(frame('H', {}))], { message: /unknown frame type/ })
  t.end()
})
