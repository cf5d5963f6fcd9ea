/** Messages on their way in: held in memory, and shown instead of stored. */
import t from 'tap'
import { messageSink } from '../../dist/stores/message-sink.js'
import { header as headerOf } from '../fixtures/folder-store.ts'
import { append } from '../fixtures/sinks.ts'

/** The most bytes of a message. */
const MOST = 64 * 1024

const header = headerOf({ kind: 'message', name: 'message', size: 2 })

t.test('takes a message in any pieces, and has its text at the end', async (t) => {
  for (const text of ['hello', '', 'Grüße 👋\u001b[31m\n']) {
    const entry = messageSink({ ...header, size: Buffer.byteLength(text) })
    const reused = Buffer.alloc(1)
    for (const byte of Buffer.from(text)) {
      // The memory of a piece is used again as soon as it was taken.
      reused[0] = byte
      await append(entry, reused)
    }
    reused[0] = 0
    t.strictSame(await entry.commit(), { name: '', path: '', text })
  }
})

t.test('takes everything at once', async (t) => {
  const entry = messageSink(header)
  t.equal(entry.write(Buffer.from('hi'), 0), true)
  await t.resolves(entry.writeLater(Buffer.alloc(0), 2))
  t.match(await entry.commit(), { text: 'hi' })
})

t.test('takes no message without a size, or with one over the limit', async (t) => {
  for (const size of [null, MOST + 1, Number.MAX_SAFE_INTEGER]) {
    const message = 'a message has at most 65536 bytes'
    t.throws(() => messageSink({ ...header, size }), { code: 'refused', reason: 'too-large', message })
  }
  t.doesNotThrow(() => messageSink({ ...header, size: MOST }))
})

t.test('takes no message that is no text', async (t) => {
  const entry = messageSink(header)
  await append(entry, Buffer.from([0x68, 0xff]))
  await t.rejects(entry.commit(), { code: 'refused', reason: 'policy', message: 'the message is not UTF-8' })
})

t.test('has nothing from before, and keeps nothing', async (t) => {
  const entry = messageSink(header)
  t.match(entry, { have: 0, hasChanged: false })
  t.equal(await entry.readAt(Buffer.alloc(1), 0), 0)
  t.equal(await entry.keep(), null)
})

t.test('has nothing to clean up', async (t) => {
  const entry = messageSink(header)
  await append(entry, Buffer.from('ha'))
  await t.resolves(entry.discard())
})
