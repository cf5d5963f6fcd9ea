/** Messages: texts that are sent like a file, and shown instead of being stored. */
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { MessageSource } from '../../dist/sources/message-source.js'
import { readPieces, readSource } from '../fixtures/sources.ts'

const MOST = 65_536
const header = { kind: 'message' as const, name: 'message', size: 5, type: 'text/plain', mtime: null, mode: null }

t.test('gives a text as an entry that is a message', async (t) => {
  for (const text of ['hello', '', 'Grüße 👋', 'two\nlines', 'x'.repeat(MOST)]) {
    const source = new MessageSource(text)
    await source.inspect()
    const opened = await source.open()
    const size = Buffer.byteLength(text)
    t.strictSame(opened.header, { ...header, size })
    t.equal(Buffer.concat(await readPieces(opened)).toString(), text)
    await opened.check()
    await opened.close()
  }
})

t.test('gives it as often as it is opened', async (t) => {
  const source = new MessageSource(Readable.from(['hel', 'lo']))
  await source.inspect()
  for (let times = 0; times < 2; times++) t.equal((await readSource(source)).toString(), 'hello')
})

t.test('gives whole chunks in as many pieces as are asked for', async (t) => {
  const source = new MessageSource('x'.repeat(10_000))
  await source.inspect()
  const pieces = await readPieces(await source.open(), 4)
  t.strictSame(
    pieces.map(({ length }) => length),
    [4096, 4096, 1808],
  )
})

t.test('reads a stream to its end before it is sent, in any pieces', async (t) => {
  const bytes = Buffer.from('Grüße 👋')
  const streams = {
    bytes: Readable.from([...bytes].map((byte) => Buffer.from([byte]))),
    text: Readable.from(['Grü', 'ße 👋']),
    'decoded text': new PassThrough({ encoding: 'utf8' }).end(bytes),
    'exactly as much as may be, and its newline': Readable.from([Buffer.alloc(MOST - 1, 'x'), 'x', '\n']),
    'exactly as much as may be': Readable.from([Buffer.alloc(MOST - 1, 'x'), 'x']),
    nothing: Readable.from([]),
  }
  for (const [what, stream] of Object.entries(streams)) {
    const source = new MessageSource(stream)
    await source.inspect()
    const given = (await readSource(source)).toString()
    const expected = what === 'nothing' ? '' : what.startsWith('exactly') ? 'x'.repeat(MOST) : bytes.toString()
    t.equal(given, expected, what)
  }
})

t.test('takes the final newline of a stream off, and nothing else', async (t) => {
  for (const [given, sent] of [
    ['line\n', 'line'],
    ['two\nlines\n\n', 'two\nlines\n'],
    ['\n', ''],
    ['\r\n', '\r'],
    [' x ', ' x '],
  ] as const) {
    const source = new MessageSource(Readable.from([given]))
    await source.inspect()
    t.equal((await readSource(source)).toString(), sent)
  }
  const text = new MessageSource('as it is\n')
  await text.inspect()
  t.equal((await readSource(text)).toString(), 'as it is\n')
})

t.test('sends no text that is too long, and stops reading a stream that is', async (t) => {
  let given = 0
  const endless = Readable.from(
    (function* () {
      for (;;) {
        given++
        yield Buffer.alloc(1024, 'x')
      }
    })(),
  )
  const lines = Readable.from(['x'.repeat(MOST), '\n', 'more'])
  for (const text of ['x'.repeat(MOST + 1), 'ü'.repeat(MOST / 2 + 1), endless, lines]) {
    const message = 'the message is longer than 65536 bytes; send it as a file'
    await t.rejects(new MessageSource(text).inspect(), {
      code: 'local-file',
      reason: 'too-large',
      exitCode: 8,
      message,
    })
  }
  t.ok(given < 200, `${given} pieces were read`)
  t.ok(endless.destroyed, 'its producer learns of it')
})

t.test('sends nothing that is no text', async (t) => {
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0x68, 0xc3]]) {
    const source = new MessageSource(Readable.from([Buffer.from(bytes)]))
    const message = 'the message is not UTF-8; send it as a file'
    await t.rejects(source.inspect(), { code: 'local-file', reason: 'policy', exitCode: 8, message })
  }
})

t.test('says when its stream cannot be read', async (t) => {
  const stream = new PassThrough()
  stream.write('half')
  const inspecting = new MessageSource(stream).inspect()
  stream.destroy(new Error('the producer died'))
  await t.rejects(inspecting, { code: 'local-file', message: 'cannot read the message: the producer died' })
})

t.test('is called the message, wherever it came from', async (t) => {
  t.match(new MessageSource('x'), { label: 'the message', path: '-', name: 'message' })
})
