/** What the sender's user says of the input beforehand: anything else is never stored, on either end. */
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { listenAsPeer } from '../fixtures/peer.ts'
import { digest } from '../fixtures/peer-frames.ts'

const text = 'exactly this'
const size = text.length
const blake3 = digest(text)

async function sendWith(t: Test, expect: SendOptions['expect']) {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const stream = Readable.from([text])
  const sent = await trySend(t, receiver.port, [{ stream, name: 'file', label: 'standard input' }], { expect })
  await receiver.stop()
  return { sent, receiver, out }
}

t.test('stores an input that is as expected', async (t) => {
  for (const expect of [{}, { size }, { blake3 }, { size, blake3 }]) {
    const { sent, out } = await sendWith(t, expect)
    t.match(sent.summary, { files: 1 })
    t.strictSame(filesIn(out), { file: text })
  }
})

t.test('does not store an input of another size', async (t) => {
  for (const wrong of [0, size - 1, size + 1]) {
    const { sent, receiver, out } = await sendWith(t, { size: wrong, blake3 })
    t.match(sent.error, { code: 'incomplete', exitCode: 6, reason: 'size' })
    const isMore = wrong < size
    const text = isMore ? `more than the ${wrong} bytes that were` : `${size} bytes, and ${wrong} were`
    t.equal(sent.error?.message, `standard input has ${text} expected`)
    t.match(receiver.events.of('failed')[0], {
      code: 'incomplete',
      reason: 'aborted',
      name: 'file',
      message: /\(size\)/,
    })
    t.strictSame(namesIn(out), [])
  }
})

t.test('does not store an input with another digest', async (t) => {
  const wrong = digest('something else')
  const { sent, receiver, out } = await sendWith(t, { size, blake3: wrong })
  t.match(sent.error, { code: 'digest-mismatch', exitCode: 7, reason: 'digest' })
  t.equal(sent.error?.message, `standard input has the BLAKE3 ${blake3}, and ${wrong} was expected`)
  t.match(receiver.events.of('failed')[0], {
    code: 'incomplete',
    reason: 'aborted',
    name: 'file',
    message: /\(digest\)/,
  })
  t.strictSame(namesIn(out), [])
})

t.test('does not store an empty input in place of an expected one', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const dead = new PassThrough()
  dead.end()
  const sent = await trySend(t, receiver.port, [{ stream: dead, name: 'dump' }], { expect: { size } })
  await receiver.stop()
  t.match(sent.error, { code: 'incomplete', reason: 'size' })
  t.strictSame(namesIn(out), [])
})

t.test('says the same of a file', async (t) => {
  const folder = t.testdir({ file: text, out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out') })
  const wrong = await trySend(t, receiver.port, join(folder, 'file'), { expect: { size: 1 } })
  const right = await trySend(t, receiver.port, join(folder, 'file'), { expect: { size, blake3 } })
  await receiver.stop()
  t.match(wrong.error, { code: 'incomplete', reason: 'size' })
  t.match(right.summary, { files: 1 })
  t.strictSame(filesIn(join(folder, 'out')), { file: text })
})

/** A producer that never ends, as /dev/zero. */
function endless(): Readable {
  return new Readable({
    read() {
      this.push(Buffer.alloc(65_536))
    },
  })
}

t.test('ends an input that never ends as soon as it is too long', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const stream = endless()
  const sent = await trySend(t, receiver.port, [{ stream, name: 'zero' }], { expect: { size: 1024, blake3 } })
  await receiver.stop()
  t.match(sent.error, { code: 'incomplete', exitCode: 6, reason: 'size' })
  t.equal(sent.error?.message, 'zero has more than the 1024 bytes that were expected')
  t.ok(stream.destroyed, 'its producer learns of it')
  t.match(receiver.events.of('failed')[0], { name: 'zero', reason: 'aborted', message: /\(size\)/ })
  t.strictSame(namesIn(out), [])
})

t.test('ends one at the limit of the receiver, too', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, maxSize: 100_000 })
  const stream = endless()
  const sent = await trySend(t, receiver.port, [{ stream, name: 'zero' }])
  await receiver.stop()
  t.match(sent.error, { code: 'refused', exitCode: 5, reason: 'too-large' })
  t.ok(stream.destroyed)
  t.strictSame(namesIn(out), [])
})

t.test('connects to nobody for a file, or a message, that is known to have another size', async (t) => {
  const path = join(t.testdir({ file: text }), 'file')
  const listener = await listenAsPeer(t, () => {})
  const input = () => ({ text: Readable.from([text]) })
  for (const source of [() => path, () => ({ path, name: 'other' }), () => ({ text }), input]) {
    for (const wrong of [0, size - 1, size + 1]) {
      const sent = await trySend(t, listener.port, [source()], { expect: { size: wrong } })
      t.match(sent.error, { code: 'incomplete', exitCode: 6, reason: 'size' })
      t.match(sent.error?.message, `has ${size} bytes, and ${wrong} were expected`)
      t.match(sent.events.of('failed'), [{ transfer: 0, reason: 'size' }])
      t.strictSame(sent.events.of('connected'), [])
    }
  }
  t.equal(listener.connections(), 0)
})

t.test('sends no file, and listens for nobody, where the plain file is known to have another size', async (t) => {
  const path = join(t.testdir({ file: text }), 'file')
  const sent = await trySend(t, 0, [path], { plain: true, listen: true, expect: { size: 1 } })
  t.match(sent.error, { code: 'incomplete', reason: 'size' })
  t.strictSame(sent.events.of('listening'), [])
})
