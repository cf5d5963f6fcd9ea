/** Compressed frames as a receiver reads them: every cut gives the same pieces, and nothing else gets through. */
import fc from 'fast-check'
import t from 'tap'
import type { CompressedPiece, Compressor } from '../../dist/protocol/compressed.js'
import { SenderDecoder } from '../../dist/protocol/decoder.js'
import { encode } from '../../dist/protocol/encode.js'
import { ProtocolError } from '../../dist/protocol/protocol-error.js'
import { bytewise, cutAt, decode } from '../fixtures/decode.ts'
import { breach } from '../fixtures/fields.ts'
import { compressedFrame, frame, frameHeader, senderOpening } from '../fixtures/peer-frames.ts'

const both = ['zstd', 'brotli'] as const

function decoderOf(allowed: readonly Compressor[]): SenderDecoder {
  const decoder = new SenderDecoder()
  decoder.allow(allowed)
  return decoder
}

const anyPiece = fc.record({
  compressor: fc.constantFrom(...both),
  // Whole chunks, so that another piece may follow.
  length: fc.integer({ min: 1, max: 1024 }).map((chunks) => chunks * 1024),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
})

t.test('gives the pieces that were sent, however the stream is cut', async () => {
  fc.assert(
    fc.property(fc.array(anyPiece, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 8 }), (pieces, places) => {
      const size = pieces.reduce((sum, { length }) => sum + length, 0)
      const header = frame('H', { name: 'a', size })
      const stream = Buffer.concat([senderOpening, header, ...pieces.map((piece) => encode.compressed(piece))])
      for (const cut of [cutAt(stream, places), bytewise(stream)]) {
        const { messages, error } = decode<{ frame: string; bytes?: unknown }>(decoderOf(both), cut, { detach: true })
        if (error) throw error
        const found = messages.filter((message) => message.frame === 'compressed')
        // `decode` joins neighbours.
        const joined = Buffer.concat(found.map(({ bytes }) => bytes as Buffer))
        if (!joined.equals(Buffer.concat(pieces.map(({ bytes }) => bytes)))) throw new Error('other bytes')
      }
    }),
  )
})

t.test('tells the algorithm and the length of each', async (t) => {
  for (const compressor of both) {
    const piece: CompressedPiece = { compressor, length: 1_048_576, bytes: Buffer.from('packed') }
    const stream = [senderOpening, frame('H', { name: 'a', size: 1_048_576 }), encode.compressed(piece)]
    t.match(decode(decoderOf([compressor]), stream).messages.at(-1), { frame: 'compressed', ...piece })
  }
})

const packed = Buffer.from('packed')
const header = (size: number | null = null) => frame('H', { name: 'a', size })

/** What is wrong, and what the decoder says of it. */
const wrong: Record<string, [frames: Buffer[], message: RegExp, allowed?: Compressor[]]> = {
  'before it was allowed': [[header(), compressedFrame(packed, 10)], /unknown frame type 90/, []],
  'of an algorithm that was not named': [[header(), compressedFrame(packed, 10, 'z')], /not named/, ['brotli']],
  'of no algorithm': [[header(), compressedFrame(packed, 10, 'x')], /not named/],
  'outside of an entry': [[compressedFrame(packed, 10)], /may not come here/],
  'without data': [[header(), compressedFrame(Buffer.alloc(0), 10)], /without data/],
  'of a letter': [[header(), frame('Z', Buffer.from('b'))], /without data/],
  'of nothing': [[header(), compressedFrame(packed, 0)], /of 0 bytes/],
  'of too much': [[header(), compressedFrame(packed, 1_048_577)], /of 1048577 bytes/],
  'that is empty': [[header(), frameHeader('Z', 0)], /is empty/],
  'that is too long': [[header(), frameHeader('Z', 1_048_577)], /over the limit/],
  'of more than the size': [[header(9), compressedFrame(packed, 10)], /more data than the 9 bytes/],
  'behind an incomplete chunk': [[header(), compressedFrame(packed, 10), compressedFrame(packed, 10)], /data after/],
}

for (const [what, [frames, message, allowed = both]] of Object.entries(wrong)) {
  t.test(`throws for a frame ${what}`, async (t) => {
    const { error } = decode(decoderOf(allowed), [senderOpening, ...frames])
    t.throws(() => {
      throw error
    }, breach(message))
  })
}

t.test('takes or refuses whatever comes, and never more data than the size', async () => {
  const anyFrame = fc.oneof(
    anyPiece.map((piece) => encode.compressed(piece)),
    fc.tuple(fc.uint8Array({ maxLength: 20 })).map(([bytes]) => frame('Z', Buffer.from([98, ...bytes]))),
    fc.integer({ min: 1, max: 3 }).map((chunks) => frame('D', Buffer.alloc(1024 * chunks))),
  )
  const size = 600 * 1024
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 6 }), (frames) => {
      let bytes = 0
      try {
        for (const message of decoderOf(both).push(Buffer.concat([senderOpening, header(size), ...frames]))) {
          if (message.frame === 'compressed') bytes += message.length
          if (message.frame === 'data') bytes += message.bytes.length
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
      }
      if (bytes > size) throw new Error(`${bytes} bytes got through`)
    }),
  )
})
