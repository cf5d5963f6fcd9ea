import fc from 'fast-check'
import t from 'tap'
import { LineReader, linesOf, MAX_LINE } from '../../dist/chat/lines.js'

/** Everything that a reader gives for these bytes, in pieces as they come. */
function read(pieces: readonly (string | Uint8Array)[], max?: number): { lines: string[]; rest: string } {
  const reader = new LineReader(max)
  const lines: string[] = []
  for (const piece of pieces) {
    reader.push(Buffer.from(piece))
    for (let line = reader.take(); line !== null; line = reader.take()) lines.push(line)
  }
  return { lines, rest: reader.hasRest ? reader.takeRest() : '' }
}

t.test('a line ends with \\n or \\r\\n, and what is behind the last one is the rest', async (t) => {
  t.same(read(['one\ntwo\r\n\nfour\rfive\nsix']), { lines: ['one', 'two', '', 'four\rfive'], rest: 'six' })
  t.same(read([]), { lines: [], rest: '' })
})

t.test('gives the same lines whatever pieces they come in', async (t) => {
  const text = fc
    .array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\n', '\r\n', '\r', 'ä', '👋')))
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, fc.array(fc.nat(20)), fc.integer({ min: 2, max: 9 }), (text, cuts, max) => {
      const bytes = Buffer.from(text)
      const pieces: Uint8Array[] = []
      let at = 0
      for (const cut of cuts) {
        pieces.push(bytes.subarray(at, at + cut))
        at += cut
      }
      pieces.push(bytes.subarray(at))
      t.same(read(pieces, max), read([bytes], max))
    }),
  )
})

t.test(
  'a line that is too long becomes several, of which none cuts a character in two, and nothing is lost',
  async (t) => {
    t.same(read(['abcdefgh\nij\n'], 3), { lines: ['abc', 'def', 'gh', 'ij'], rest: '' })
    t.same(read(['abc\r\nabc\ndef'], 3), { lines: ['abc', 'abc'], rest: 'def' })
    t.same(read(['ab👋c\n'], 3), { lines: ['ab', '👋c'], rest: '' })
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 9 }), (text, max) => {
        const { lines, rest } = read([text.replaceAll('\n', '').replaceAll('\r', '')], max)
        t.equal([...lines, rest].join(''), text.replaceAll('\n', '').replaceAll('\r', ''))
        for (const line of lines) t.ok(line.length <= max && line.isWellFormed())
      }),
    )
  },
)

t.test('holds no more than one line and what was pushed last', async (t) => {
  const reader = new LineReader()
  for (let round = 0; round < 1000; round++) {
    reader.push(Buffer.alloc(64 * 1024, 'x'))
    let length = 0
    for (let line = reader.take(); line !== null; line = reader.take()) length += line.length
    if (round > 0) t.ok(length >= 64 * 1024 - MAX_LINE)
  }
  t.ok(reader.takeRest().length <= MAX_LINE + 1)
})

t.test('a break that follows the rest ends the line that was taken', async (t) => {
  for (const end of ['\n', '\r\n']) {
    const reader = new LineReader()
    reader.push(Buffer.from('hello'))
    t.equal(reader.take(), null)
    t.equal(reader.takeRest(), 'hello')
    for (const byte of end) reader.push(Buffer.from(byte))
    reader.push(Buffer.from('next\n'))
    t.equal(reader.take(), 'next')
    t.equal(reader.take(), null)
  }
})

t.test('half a character waits for the other half, and bytes that are no UTF-8 become U+FFFD', async (t) => {
  const [first, ...others] = Buffer.from('é')
  t.same(read([Buffer.of(first as number), Buffer.from([...others, 10])]).lines, ['é'])
  t.same(read([Buffer.of(0x61, 0xe9, 0x62, 0x0a)]).lines, ['a\ufffdb'])
})

t.test('what Telnet negotiates is no text', async (t) => {
  const negotiated = Buffer.from([255, 253, 3, 255, 250, 24, 1, 255, 255, 7, 255, 240, 255, 241, 255, 255])
  const text = Buffer.concat([negotiated, Buffer.from('a'), negotiated, Buffer.from('b\n'), negotiated])
  t.same(read([text]), { lines: ['ab'], rest: '' })
  t.same(read([...text].map((byte) => Buffer.of(byte))), { lines: ['ab'], rest: '' })
})

t.test('a text that is said becomes lines that can be said', async (t) => {
  t.same(linesOf('a\nb\r\n\rc'), ['a', 'b', '', 'c'])
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 3 * MAX_LINE, size: 'max' }), (text) => {
      for (const line of linesOf(text)) t.ok(line.length <= MAX_LINE && !/[\r\n]/.test(line))
      t.equal(linesOf(text).join(''), text.replace(/[\r\n]/g, ''))
    }),
  )
})
