import { spawn } from 'node:child_process'
import { createWriteStream, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import t from 'tap'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { Peer } from '../fixtures/peer.ts'
import { digest, frame, senderOpening } from '../fixtures/peer-frames.ts'
import { unusedPlace } from '../fixtures/ports.ts'

const content = bytesOf(3 * 1024 * 1024 + 17)

/** A stream that keeps what it is given. */
function collector(): { stream: Writable; bytes(): Buffer } {
  const pieces: Buffer[] = []
  const stream = new Writable({
    write(bytes, _encoding, done) {
      pieces.push(Buffer.from(bytes))
      done()
    },
  })
  return { stream, bytes: () => Buffer.concat(pieces) }
}

/** `content` in pieces that fit no chunk. */
function* odd(): Generator<Buffer> {
  for (let at = 0; at < content.length; at += 70_001) yield content.subarray(at, at + 70_001)
}

t.test('carries a stream of unknown length into a file', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, count: 1 })
  const stream = Readable.from(odd())
  const sent = await trySend(t, receiver.port, [{ stream, name: 'dump.sql', label: 'the database' }])
  await receiver.ended
  t.match(sent.summary, { files: 1, bytes: content.length })
  t.ok(readFileSync(join(out, 'dump.sql')).equals(content))
  t.match(sent.events.of('sent'), [{ path: '-', name: 'dump.sql', blake3: digest(content) }])
  t.match(sent.events.of('progress')[0], { size: null, bytes: 0 })
  t.ok(stream.destroyed)
})

t.test('carries a stream that gives text, and one that gives nothing', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, count: 1 })
  const text = new PassThrough({ encoding: 'utf8' })
  text.end('grüße')
  const sent = await trySend(t, receiver.port, [
    { stream: text, name: 'text' },
    { stream: Readable.from([]), name: 'empty' },
  ])
  await receiver.ended
  t.match(sent.summary, { files: 2, bytes: 7 })
  t.strictSame(filesIn(out), { empty: '', text: 'grüße' })
})

t.test('passes a file on to a stream, and leaves the stream open', async (t) => {
  const folder = t.testdir({ 'file.bin': content })
  const output = collector()
  const receiver = await startReceiver(t, { out: output.stream })
  const sent = await trySend(t, receiver.port, join(folder, 'file.bin'))
  const { summary } = await receiver.ended
  t.match(summary, { files: 1, bytes: content.length })
  t.match(sent.events.of('sent'), [{ storedAs: '-', blake3: digest(content) }])
  t.match(receiver.events.of('stored'), [{ path: '-', name: 'file.bin' }])
  t.ok(output.bytes().equals(content))
  t.ok(output.stream.writable)
})

t.test('passes on a stream from end to end while it is still being written', async (t) => {
  const input = new PassThrough()
  const output = new PassThrough()
  const receiver = await startReceiver(t, { out: output })
  const sending = trySend(t, receiver.port, [{ stream: input, name: 'pipe' }])
  const chunk = bytesOf(1024)
  input.write(chunk)
  for await (const piece of output.iterator({ destroyOnReturn: false })) {
    t.ok(chunk.equals(piece), 'a whole chunk is passed on before the next one is there')
    break
  }
  input.end('the end')
  t.match((await sending).summary, { bytes: 1031 })
  await receiver.ended
  t.equal(String(output.read()), 'the end')
})

t.test('waits for a slow reader of the output, and for nothing else', async (t) => {
  const folder = t.testdir({ 'file.bin': content })
  const reading = gate()
  let waiting = 0
  let most = 0
  let taken = 0
  const slow = new Writable({
    highWaterMark: 1,
    write(bytes, _encoding, done) {
      most = Math.max(most, ++waiting)
      void reading.opened.then(() => {
        waiting--
        taken += bytes.length
        done()
      })
    },
  })
  const receiver = await startReceiver(t, { out: slow })
  const sending = trySend(t, receiver.port, join(folder, 'file.bin'))
  await receiver.events.until('connected')
  reading.open()
  t.match((await sending).summary, { files: 1 })
  await receiver.ended
  t.equal(taken, content.length)
  t.equal(most, 1, 'one write at a time')
  t.equal(slow.writableLength, 0)
})

t.test('makes an output that is a file durable', async (t) => {
  const folder = t.testdir({ 'file.bin': content })
  const fd = openSync(join(folder, 'copy.bin'), 'w')
  const stream = createWriteStream('', { fd })
  const receiver = await startReceiver(t, { out: stream })
  await trySend(t, receiver.port, join(folder, 'file.bin'))
  t.match((await receiver.ended).summary, { files: 1 })
  t.ok(readFileSync(join(folder, 'copy.bin')).equals(content))
  stream.destroy()
})

t.test('refuses the second file of a transfer into a stream, and the sender learns which', async (t) => {
  const folder = t.testdir({ 'one.txt': 'one', 'two.txt': 'two' })
  const output = collector()
  const receiver = await startReceiver(t, { out: output.stream })
  const sent = await trySend(t, receiver.port, [join(folder, 'one.txt'), join(folder, 'two.txt')])
  t.match(sent.error, { code: 'refused', exitCode: 5, reason: 'policy' })
  t.match(sent.events.of('sent'), [{ name: 'one.txt' }])
  t.match(sent.events.of('failed'), [{ name: 'two.txt' }])
  t.equal(output.bytes().toString(), 'one')
  await receiver.stop()
})

t.test('never adds a second transfer to what a stream has been given', async (t) => {
  const output = collector()
  const receiver = await startReceiver(t, { out: output.stream, maxSize: 100_000 })
  const input = new PassThrough()
  const sending = trySend(t, receiver.port, [{ stream: input, name: 'large' }])
  input.write(bytesOf(1024))
  await receiver.events.until('progress')
  input.end(bytesOf(200_000))
  const first = await sending
  t.match(first.error, { code: 'refused', reason: 'too-large' })
  t.not(output.bytes().length, 0, 'some of the refused file is in the stream already')
  const second = await trySend(t, receiver.port, [{ stream: Readable.from(['good']), name: 'small' }])
  const { error } = await receiver.ended
  t.ok(second.error, 'the next sender is not told that its file has arrived whole')
  t.match(error, { code: 'refused', reason: 'too-large' })
})

t.test('fails when the reader of the output has gone, and tells the sender', async (t) => {
  const folder = t.testdir({ 'file.bin': content })
  const reader = spawn('true', { stdio: ['pipe', 'ignore', 'ignore'] })
  await new Promise((resolve) => reader.once('exit', resolve))
  const receiver = await startReceiver(t, { out: reader.stdin })
  const sent = await trySend(t, receiver.port, join(folder, 'file.bin'))
  const { error } = await receiver.ended
  t.match(sent.error, { code: 'refused', exitCode: 5, reason: 'output' })
  t.match(sent.error?.message, 'the reader of its output has gone')
  t.match(error, { code: 'local-file', exitCode: 8, reason: 'output' })
})

t.test('names the file whose sender breaks off while the reader of the output has stopped', async (t) => {
  const stopped = gate()
  const out = new Writable({ write: () => stopped.open() })
  const receiver = await startReceiver(t, { out })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, frame('H', { name: 'file', size: null }), frame('D', Buffer.alloc(1024)))
  await stopped.opened
  await peer.reset()
  t.match((await receiver.ended).error, { exitCode: 6 })
  t.match(receiver.events.of('failed'), [{ name: 'file', code: 'incomplete', reason: 'broken' }])
})

t.test('fails when a source breaks in the middle, and nothing is stored', async (t) => {
  const folder = t.testdir({ out: {}, 'good.txt': 'good' })
  const receiver = await startReceiver(t, { out: join(folder, 'out') })
  const stream = new PassThrough()
  stream.write(content.subarray(0, 100_000))
  const sending = trySend(t, receiver.port, [{ stream, name: 'pipe', label: 'the pipe' }, join(folder, 'good.txt')])
  await receiver.events.until('progress')
  stream.destroy(new Error('the producer died'))
  const sent = await sending
  t.match(sent.error, { code: 'local-file', exitCode: 8, message: 'cannot read the pipe: the producer died' })
  t.match(sent.events.of('sent'), [{ name: 'good.txt' }], 'the next source is sent all the same')
  t.match(receiver.events.of('failed'), [{ name: 'pipe', code: 'incomplete', reason: 'aborted' }])
  await receiver.stop()
  t.strictSame(namesIn(join(folder, 'out')), ['good.txt'])
})

t.test('destroys a stream that it could not send, so that its producer learns of it', async (t) => {
  const stream = new PassThrough()
  const { host, port } = await unusedPlace()
  const sent = await trySend(t, Number(port), [{ stream, name: 'pipe' }], { host })
  t.match(sent.error, { code: 'connect', exitCode: 3 })
  t.ok(stream.destroyed)
})
