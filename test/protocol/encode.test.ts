/** The bytes of every frame that is written, against literals; that they can be read again, against the decoders. */
import t from 'tap'
import { ReceiverDecoder, SenderDecoder } from '../../dist/protocol/decoder.js'
import { controlFrame, encode, writeFrameHeader } from '../../dist/protocol/encode.js'
import { decode } from '../fixtures/decode.ts'
import { hex, someDigest, someToken, textFrame } from '../fixtures/literals.ts'
import { receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'

const greeting = '{"version":1,"software":"tcp-send-recv"}'

t.test('opens each direction with its magic and a greeting', async (t) => {
  t.strictSame(
    encode.senderOpening(),
    Buffer.concat([hex('74 63 70 2d 73 65 6e 64  47 00000028'), Buffer.from(greeting)]),
  )
  t.strictSame(
    encode.receiverOpening(),
    Buffer.concat([hex('74 63 70 2d 72 65 63 76  47 00000028'), Buffer.from(greeting)]),
  )
  const named = textFrame('G', greeting.replace('}', ',"features":["one"]}'))
  const transfer = textFrame('G', greeting.replace('}', `,"transfer":"${someToken}"}`))
  t.strictSame(encode.senderOpening({ transfer: someToken }), Buffer.concat([Buffer.from('tcp-send'), transfer]))
  const joining = textFrame('G', greeting.replace('}', `,"join":"${someToken}"}`))
  t.strictSame(encode.senderOpening({ join: someToken }), Buffer.concat([Buffer.from('tcp-send'), joining]))
  t.strictSame(encode.receiverOpening(['one']), Buffer.concat([Buffer.from('tcp-recv'), named]))
  const dialled = textFrame('G', greeting.replace('}', `,"rtt":7,"join":"${someToken}"}`))
  const facts = { rtt: 7, join: someToken }
  t.strictSame(encode.receiverOpening([], facts), Buffer.concat([Buffer.from('tcp-recv'), dialled]))
})

t.test('writes a type, a big-endian length and JSON without white space', async (t) => {
  t.strictSame(encode.finished({ entries: 300 }), hex('46 0000000f 7b22656e7472696573223a3330307d'))
  t.strictSame(encode.heartbeat(), hex('42 00000002 7b7d'))
  const long = controlFrame('abort', { reason: 'x'.repeat(0x1234 - 13) })
  t.strictSame(long.subarray(0, 5), hex('41 00001234'))
  t.equal(long.length, 5 + 0x1234)
})

t.test('writes every message as the frame that the document gives it', async (t) => {
  const header = { name: 'é', size: null, type: 'text/plain', mtime: null, mode: 420 }
  t.strictSame(encode.header({ kind: 'file', ...header }), textFrame('H', JSON.stringify(header)))
  const facts = { name: 'message', size: 2, type: 'text/plain', mtime: null, mode: null }
  const marked = textFrame('H', JSON.stringify({ ...facts, '!kind': 'message' }))
  t.strictSame(encode.header({ kind: 'message', ...facts }), marked)
  const asking = { ...header, size: 5, source: someToken, edition: someToken, id: 7, resume: 'compare' as const }
  t.strictSame(encode.header({ kind: 'file', ...asking }), textFrame('H', JSON.stringify(asking)))
  t.strictSame(encode.digests({ digests: [someDigest] }), textFrame('V', `{"digests":["${someDigest}"]}`))
  t.strictSame(encode.position({ offset: 1024 }), textFrame('P', '{"offset":1024}'))
  const wanted = { entry: 0, ranges: [0, 1024], changed: true }
  t.strictSame(encode.wanted(wanted), textFrame('W', JSON.stringify(wanted)))
  const listed = { entry: 0, items: ['1 2 a'], more: true }
  t.strictSame(encode.listed(listed), textFrame('I', JSON.stringify(listed)))
  t.strictSame(encode.bundle({ connections: 4 }), textFrame('U', '{"connections":4}'))
  t.strictSame(encode.bundle(), textFrame('U', '{}'))
  const end = { bytes: 5, blake3: someDigest }
  t.strictSame(encode.end(end), textFrame('E', JSON.stringify(end)))
  const abort = { entry: 0, reason: 'changed', message: 'it changed' }
  t.strictSame(encode.abort(abort), textFrame('A', JSON.stringify(abort)))
  const stored = { entry: 0, name: 'é', bytes: 5, blake3: someDigest }
  t.strictSame(encode.stored(stored), textFrame('S', JSON.stringify(stored)))
  const refused = { entry: null, reason: 'no-space', message: 'full' }
  t.strictSame(encode.refused(refused), textFrame('R', JSON.stringify(refused)))
})

t.test('counts the length of a payload in bytes, not in characters', async (t) => {
  const frame = encode.stored({ entry: 0, name: '😀é', bytes: 0, blake3: someDigest })
  t.equal(frame.readUInt32BE(1), frame.length - 5)
  const { messages, error } = decode(new ReceiverDecoder(), [receiverOpening, frame])
  t.equal(error, null)
  t.match(messages[1], { frame: 'stored', name: '😀é' })
})

t.test('writes the header of a data frame where it is told to, and nothing else', async (t) => {
  const buffer = Buffer.alloc(12, 0xaa)
  writeFrameHeader(buffer, 'data', 0x100000, 3)
  t.strictSame(buffer, hex('aaaaaa 44 00100000 aaaaaaaa'))
  writeFrameHeader(buffer, 'stored', 1)
  t.strictSame(buffer.subarray(0, 5), hex('53 00000001'))
})

t.test('refuses to write a payload that no peer would take', async (t) => {
  const fitting = { reason: 'x'.repeat(65_536 - 13) }
  t.equal(controlFrame('abort', fitting).length, 5 + 65_536)
  const tooLong = { reason: 'x'.repeat(65_536 - 12) }
  t.throws(() => controlFrame('abort', tooLong), { name: 'RangeError', message: /65537 bytes is over 65536$/ })
})

t.test('writes whole conversations that the decoders take', async (t) => {
  const sender = Buffer.concat([
    encode.senderOpening(),
    encode.header({ kind: 'file', name: 'a', size: 0, type: 'text/plain', mtime: 1, mode: 420 }),
    encode.heartbeat(),
    encode.end({ bytes: 0, blake3: someDigest }),
    encode.header({
      ...{ kind: 'file', name: 'b', size: 4096, type: 'text/plain', mtime: 1, mode: 420, id: 0 },
      ...{ source: someToken, edition: someToken, resume: 'compare' },
    }),
    encode.digests({ digests: Array(200).fill(someDigest) }),
    encode.position({ offset: 1024 }),
    encode.end({ bytes: 4096, blake3: someDigest }),
    encode.finished({ entries: 2 }),
  ])
  t.equal(decode(new SenderDecoder(), [sender]).error, null)
  t.equal(
    decode(new SenderDecoder(), [senderOpening, encode.abort({ entry: null, reason: 'x', message: 'y' })]).error,
    null,
  )
  const receiver = Buffer.concat([
    encode.receiverOpening(),
    encode.heartbeat(),
    encode.stored({ entry: 0, name: 'a', bytes: 0, blake3: someDigest }),
    encode.wanted({
      entry: 1,
      ranges: Array.from({ length: 200 }, (_, index) => Number.MAX_SAFE_INTEGER - 200 + index),
    }),
    encode.refused({ entry: null, reason: 'busy', message: 'no more' }),
  ])
  t.equal(decode(new ReceiverDecoder(), [receiver]).error, null)
})
