/** What the sender's user says of the input beforehand: anything else is never stored, on either end. */
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
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
    t.equal(sent.error?.message, `standard input has ${size} bytes, and ${wrong} were expected`)
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
