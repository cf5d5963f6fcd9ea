import { getEventListeners } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { TransferError } from '../../dist/errors.js'
import { CHUNK } from '../../dist/protocol/limits.js'
import type { OpenEntry } from '../../dist/sources/source.js'
import { StreamSource } from '../../dist/sources/stream-source.js'
import { systemError } from '../fixtures/disk.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { readPieces, readSource } from '../fixtures/sources.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

const never = new AbortController().signal

async function open(stream: Readable, signal = never): Promise<OpenEntry> {
  return await new StreamSource(stream, 'name.txt', 'standard input').open(signal)
}

async function readOne(opened: OpenEntry, buffer = Buffer.alloc(4 * CHUNK)): Promise<number> {
  return await opened.read(buffer, 0, buffer.length)
}

t.test('announces a stream without what it cannot know', async (t) => {
  const source = new StreamSource(Readable.from([]), 'name.txt', 'standard input')
  t.match(source, { path: '-', label: 'standard input', name: 'name.txt' })
  await source.inspect()
  const { header } = await source.open(never)
  t.strictSame(header, { kind: 'file', name: 'name.txt', size: null, type: 'text/plain', mtime: null, mode: null })
})

t.test('reads a stream to its end, and then nothing, as often as it is asked', async (t) => {
  const opened = await open(Readable.from([Buffer.from('content')]))
  t.equal(String(Buffer.concat(await readPieces(opened))), 'content')
  t.equal(await readOne(opened), 0)
  t.equal(await readOne(opened), 0)
  await t.resolves(opened.check())
})

t.test('reads an empty stream', async (t) => {
  t.equal((await readSource(new StreamSource(Readable.from([]), 'n', 'l'))).length, 0)
  const ended = new PassThrough()
  ended.end()
  t.equal((await readSource(new StreamSource(ended, 'n', 'l'))).length, 0)
  const kept = await open(new PassThrough({ autoDestroy: false }).end())
  for (let times = 0; times < 2; times++) t.equal(await readOne(kept), 0, 'a stream that does not destroy itself')
})

t.test('takes strings as UTF-8, also when they come one by one', async (t) => {
  const text = new PassThrough()
  text.setEncoding('utf8')
  text.end('déjà vu 漢')
  t.equal(String(await readSource(new StreamSource(text, 'n', 'l'))), 'déjà vu 漢')
  t.equal(String(await readSource(new StreamSource(Readable.from(['é', '', 'x', '漢']), 'n', 'l'))), 'éx漢')
})

t.test('gives whole chunks until the last one, however the pieces fall, and every byte once', async (t) => {
  const lengths = fc.array(fc.oneof(fc.nat({ max: 3 * CHUNK }), fc.constantFrom(0, 1, 1023, 1024, 1025, 2048, 9000)), {
    maxLength: 8,
  })
  const property = fc.asyncProperty(
    lengths,
    fc.integer({ min: 1, max: 5 }),
    fc.boolean(),
    async (lengths, chunks, late) => {
      const whole = bytesOf(lengths.reduce((sum, length) => sum + length, 0))
      const stream = new PassThrough()
      const reading = open(stream).then((opened) => readPieces(opened, chunks))
      let position = 0
      for (const length of lengths) {
        if (late) await new Promise(setImmediate)
        stream.write(whole.subarray(position, position + length))
        position += length
      }
      stream.end()
      const pieces = await reading
      const aligned = pieces.slice(0, -1).every((piece) => piece.length % CHUNK === 0)
      return aligned && Buffer.concat(pieces).equals(whole)
    },
  )
  await t.resolves(fc.assert(property, { numRuns: 150 }))
})

t.test('gives a whole chunk at once and does not wait for the end', async (t) => {
  const stream = new PassThrough()
  const opened = await open(stream)
  stream.write(bytesOf(CHUNK + 10))
  t.equal(await readOne(opened), CHUNK)
  const rest = readOne(opened)
  t.equal(await stateOf(rest), 'pending', 'the rest may not be the last chunk')
  stream.end()
  t.equal(await rest, 10)
  t.equal(await readOne(opened), 0)
})

t.test('takes no more from a producer than it was asked for', async (t) => {
  let produced = 0
  const stream = new Readable({
    highWaterMark: CHUNK,
    read() {
      produced += CHUNK
      this.push(Buffer.alloc(CHUNK))
    },
  })
  const opened = await open(stream)
  await readOne(opened)
  await settle()
  t.ok(produced <= 8 * CHUNK, `${produced} bytes were produced for a read of ${4 * CHUNK}`)
  await opened.close()
})

t.test('tells an error of the stream, before the first read, between two, and during one', async (t) => {
  const expected = { code: 'local-file', reason: 'disk', message: 'cannot read standard input: i/o error (EIO)' }
  const before = new PassThrough()
  const source = new StreamSource(before, 'n', 'standard input')
  before.destroy(systemError('EIO', 'read'))
  await settle()
  await t.rejects(readOne(await source.open(never)), expected)

  const between = new PassThrough()
  const opened = await open(between)
  between.write(Buffer.alloc(CHUNK))
  t.equal(await readOne(opened), CHUNK)
  between.destroy(systemError('EIO', 'read'))
  await t.rejects(readOne(opened), expected)

  const during = new PassThrough()
  const reading = open(during).then((opened) => readOne(opened))
  await settle()
  during.destroy(systemError('EIO', 'read'))
  await t.rejects(reading, expected)
})

t.test('tells the receiver of an error that it could not read, and not that it could not store', async (t) => {
  const stream = new PassThrough()
  const opened = await open(stream)
  stream.destroy(systemError('EIO', 'read'))
  const error = await readOne(opened).catch((thrown) => thrown)
  t.match(error.peerMessage, /read/)
  t.notMatch(error.peerMessage, /store/)
})

t.test('does not take a stream that was closed for one that has ended', async (t) => {
  const expected = { code: 'local-file', message: 'standard input was closed before its end' }
  const before = new PassThrough()
  before.write('half')
  before.destroy()
  await t.rejects(readOne(await open(before)), expected)

  const during = new PassThrough()
  const reading = open(during).then((opened) => readOne(opened))
  await settle()
  during.destroy()
  await t.rejects(reading, expected)
})

t.test('stops waiting for a producer when it is told to', async (t) => {
  const controller = new AbortController()
  const stream = new PassThrough()
  const opened = await open(stream, controller.signal)
  const reading = readOne(opened)
  t.equal(await stateOf(reading), 'pending')
  const reason = new TransferError('refused', 'no more of it')
  controller.abort(reason)
  t.equal(await reading.catch((thrown) => thrown), reason)
  t.equal(await readOne(opened).catch((thrown) => thrown), reason, 'and does not begin to wait again')
})

t.test('leaves no listener behind, however often it waited', async (t) => {
  const stream = new PassThrough()
  const listeners = () => stream.eventNames().map((name) => `${String(name)}: ${stream.listenerCount(name)}`)
  const { signal } = new AbortController()
  const opened = await open(stream, signal)
  const before = listeners()
  for (let times = 0; times < 5; times++) {
    const reading = readOne(opened)
    await settle()
    stream.write(Buffer.alloc(CHUNK))
    t.equal(await reading, CHUNK)
  }
  t.strictSame(listeners(), before)
  t.strictSame(getEventListeners(signal, 'abort'), [])
})

t.test('destroys the stream when it is closed, so that its producer learns of it', async (t) => {
  const stream = new PassThrough()
  const opened = await open(stream)
  await opened.close()
  t.ok(stream.destroyed)
})
