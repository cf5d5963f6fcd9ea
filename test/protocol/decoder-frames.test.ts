/** The lowest layer of both directions: the eight bytes that begin each, the frames, and their limits. */
import t from 'tap'
import { ReceiverDecoder, SenderDecoder } from '../../dist/protocol/decoder.js'
import { isUnsafe } from '../../dist/text.js'
import { bytewise, decode } from '../fixtures/decode.ts'
import { breach } from '../fixtures/fields.ts'
import { hex, textFrame } from '../fixtures/literals.ts'
import { frame, frameHeader, senderOpening } from '../fixtures/peer-frames.ts'

const MAGIC = hex('74 63 70 2d 73 65 6e 64')

/** What a receiver makes of these bytes. */
function read(...parts: Uint8Array[]) {
  return decode(new SenderDecoder(), [Buffer.concat(parts)])
}

t.test('reads a greeting from its bytes', async (t) => {
  const { messages, error } = read(MAGIC, hex('47 0000000d 7b 22 76 65 72 73 69 6f 6e 22 3a 31 7d'))
  t.equal(error, null)
  t.strictSame(messages, [{ frame: 'greeting', version: 1 }])
})

t.test('says nothing before anything has come', async (t) => {
  t.strictSame(read(), { messages: [], error: null })
  t.strictSame(read(MAGIC), { messages: [], error: null })
  t.strictSame(read(MAGIC, hex('47 000000')), { messages: [], error: null })
})

t.test('refuses a magic at its first wrong byte, without waiting for the rest', async (t) => {
  for (let place = 0; place < MAGIC.length; place++) {
    const decoder = new SenderDecoder()
    t.strictSame(decode(decoder, bytewise(MAGIC.subarray(0, place))).error, null)
    t.match(
      decode(decoder, [hex('58')]).error,
      breach(/does not speak this protocol \(its first bytes are ".*X"\)/, 'magic'),
    )
  }
})

t.test('refuses the magic of its own side, so that two of a kind notice', async (t) => {
  t.match(read(Buffer.from('tcp-recv')).error, breach(/^the other side is a receiver, as this side is/, 'magic'))
  const { error } = decode(new ReceiverDecoder(), [MAGIC])
  t.match(error, breach(/^the other side is a sender, as this side is/, 'magic'))
})

t.test('quotes a wrong magic without the bytes that could harm a terminal', async (t) => {
  const { error } = read(hex('1b 5b 32 4a 9b 0d 0a 07'))
  t.match(error, breach(/"\\u\{1b\}\[2J\\u\{9b\}\\u\{d\}\\u\{a\}\\u\{7\}"/, 'magic'))
  t.notOk(isUnsafe((error as Error).message))
})

t.test('refuses every type that no frame has', async (t) => {
  const letters = new Set(Buffer.from('GHDVPEAFSRWIUBabcdefghijklmnopqrstuvwxyz'))
  for (let type = 0; type < 256; type++) {
    if (letters.has(type)) continue
    const { error } = read(MAGIC, Buffer.of(type, 0, 0, 0, 2), Buffer.from('{}'))
    t.match(error, breach(new RegExp(`^unknown frame type ${type}$`)))
  }
})

t.test('refuses a frame of every type that is empty', async (t) => {
  for (const letter of 'GHDVPEAFSRWIUBaz') {
    t.match(read(senderOpening, frameHeader(letter, 0)).error, breach(/^the [a-z]+ frame is empty$/))
  }
})

t.test('takes a control payload of 65,536 bytes, and refuses one byte more by its length alone', async (t) => {
  const padded = (length: number) => `{"entries":0,"pad":"${'x'.repeat(length - 22)}"}`
  t.equal(padded(65_536).length, 65_536)
  const { messages, error } = read(senderOpening, textFrame('F', padded(65_536)))
  t.equal(error, null)
  t.match(messages.at(-1), { frame: 'finished', entries: 0 })
  for (const letter of 'GHVPEAFSRWIUBaz') {
    t.match(
      read(senderOpening, frameHeader(letter, 65_537)).error,
      breach(/^the [a-z]+ frame has 65537 bytes, over the limit of 65536$/),
    )
  }
})

t.test('puts the longest control payload together from pieces of any size', async (t) => {
  const pad = Array.from({ length: 10_000 }, (_, index) => `${100_000 + index} `)
    .join('')
    .slice(0, 65_536 - 40)
  const payload = JSON.stringify({ entry: null, reason: 'x', message: pad })
  const stream = Buffer.concat([senderOpening, textFrame('A', payload)])
  t.equal(payload.length, 65_536)
  for (const size of [1, 1000, 32_768, 65_535]) {
    const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, index) =>
      stream.subarray(index * size, (index + 1) * size),
    )
    const { messages, error } = decode(new SenderDecoder(), pieces)
    t.equal(error, null)
    t.match(messages, [{ frame: 'greeting' }, { frame: 'abort', message: pad }])
  }
})

t.test('takes a data payload of 1,048,576 bytes, and refuses one byte more by its length alone', async (t) => {
  const header = textFrame('H', '{"name":"a","size":null}')
  const { messages, error } = read(senderOpening, header, frame('D', Buffer.alloc(1_048_576, 1)))
  t.equal(error, null)
  t.strictSame(messages.at(-1), { frame: 'data', bytes: Buffer.alloc(1_048_576, 1) })
  t.match(
    read(senderOpening, header, frameHeader('D', 1_048_577)).error,
    breach(/^the data frame has 1048577 bytes, over the limit of 1048576$/),
  )
})

t.test('reads a length as an unsigned number', async (t) => {
  t.match(read(senderOpening, hex('48 ffffffff')).error, breach(/has 4294967295 bytes, over/))
  t.match(read(senderOpening, hex('44 80000000')).error, breach(/has 2147483648 bytes, over/))
})

t.test('passes data on as slices of what it was given, not as copies', async (t) => {
  const content = Buffer.alloc(1024, 'x')
  const bytes = Buffer.concat([senderOpening, textFrame('H', '{"name":"a","size":1024}'), frame('D', content)])
  const messages = [...new SenderDecoder().push(bytes)]
  const data = messages.at(-1)
  if (data?.frame !== 'data') throw new Error('no data came')
  t.equal(data.bytes.buffer, bytes.buffer)
  t.strictSame(data.bytes, content)
})

t.test('gives the data of one frame in the pieces in which it comes', async (t) => {
  const decoder = new SenderDecoder()
  const opening = Buffer.concat([senderOpening, textFrame('H', '{"name":"a","size":5}'), frameHeader('D', 5)])
  const pushed = [opening, Buffer.from('ab'), Buffer.from('c'), Buffer.from('de')].map((bytes) => [
    ...decoder.push(bytes),
  ])
  t.strictSame(pushed.slice(1), [
    [{ frame: 'data', bytes: Buffer.from('ab') }],
    [{ frame: 'data', bytes: Buffer.from('c') }],
    [{ frame: 'data', bytes: Buffer.from('de') }],
  ])
})

t.test('keeps what is still to be read when its memory is taken away between two messages', async (t) => {
  const stream = Buffer.concat([
    senderOpening,
    textFrame('H', '{"name":"a","size":3}'),
    frame('D', Buffer.from('abc')),
    textFrame('A', '{"entry":0,"reason":"changed","message":"it did"}'),
  ])
  const decoder = new SenderDecoder()
  const memory = Buffer.from(stream)
  const found: unknown[] = []
  for (const message of decoder.push(memory)) {
    found.push(message.frame === 'data' ? message.bytes.toString() : message.frame)
    decoder.detach(Buffer.from)
    memory.fill(0)
  }
  t.strictSame(found, ['greeting', 'header', 'abc', 'abort'])
})
