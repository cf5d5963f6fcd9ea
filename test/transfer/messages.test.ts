/** Messages: shown, not stored. */
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, senderOpening } from '../fixtures/peer-frames.ts'

const most = 65_536

t.test('carries messages, which are reported as they are and never stored', async (t) => {
  const out = t.testdir()
  const texts = ['hello', '', 'zwei\nZeilen', '\u001b[31mred', 'Grüße 👋', 'x'.repeat(most)]
  const receiver = await startReceiver(t, { out, count: 1 })
  const sources = [...texts.map((text) => ({ text })), { text: Readable.from(['from a ', 'stream']) }]
  const sent = await trySend(t, receiver.port, sources)
  await receiver.ended
  t.ok(sent.summary)
  t.strictSame(
    receiver.events.of('message').map(({ text }) => text),
    [...texts, 'from a stream'],
  )
  t.match(receiver.events.of('message')[0], { transfer: 1, peer: /^127/ })
  t.strictSame(receiver.events.of('stored'), [])
  t.match(receiver.events.of('done'), [{ files: 0, bytes: 0, exitCode: 0 }])
  t.strictSame(namesIn(out), [])
})

t.test('carries a message beside files', async (t) => {
  const folder = t.testdir({ 'a.txt': 'a', out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), accept: ['text/plain'], maxSize: 1 })
  const sent = await trySend(t, receiver.port, [{ text: 'here it comes' }, join(folder, 'a.txt')])
  await receiver.stop()
  t.ok(sent.summary)
  t.match(receiver.events.of('message'), [{ text: 'here it comes' }])
  t.strictSame(filesIn(join(folder, 'out')), { 'a.txt': 'a' })
})

t.test('sends no message that is too long, is no text, or cannot be read', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const broken = new Readable({ read: () => void broken.destroy(new Error('gone')) })
  const sources = [
    { text: 'x'.repeat(most + 1) },
    { text: Readable.from([Buffer.alloc(most), Buffer.alloc(2)]) },
    { text: Readable.from([Buffer.from([0xff, 0xfe])]) },
    { text: broken },
  ]
  for (const source of sources) {
    const sent = await trySend(t, receiver.port, [source])
    t.match(sent.error, { code: 'local-file', exitCode: 8 })
  }
  await receiver.stop()
  t.strictSame(receiver.events.of('connected'), [], 'it is known before a connection is made')
})

t.test('takes only what it was started for', async (t) => {
  const folder = t.testdir({ 'a.txt': 'a', out: {} })
  const textOnly = await startReceiver(t, { out: join(folder, 'out'), textOnly: true })
  const file = await trySend(t, textOnly.port, [join(folder, 'a.txt'), { text: 'hello' }])
  await textOnly.stop()
  t.match(file.error, { code: 'refused', exitCode: 5, reason: 'policy', message: /it takes only messages/ })
  t.match(textOnly.events.of('message'), [{ text: 'hello' }])

  const toStream = await startReceiver(t, { out: new PassThrough() })
  const message = await trySend(t, toStream.port, [{ text: 'hello' }])
  await toStream.stop()
  t.match(message.error, { code: 'refused', reason: 'policy', message: /it takes no messages/ })
  t.strictSame(namesIn(join(folder, 'out')), [])
})

t.test('refuses the messages of a hostile sender: without a size, too long, or no text', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const cases: [Buffer, object, string][] = [
    [Buffer.from('x'), { size: null }, 'too-large'],
    [Buffer.alloc(most + 1, 'x'), {}, 'too-large'],
    [Buffer.from([0xff]), {}, 'policy'],
  ]
  for (const [content, more, reason] of cases) {
    const peer = await Peer.dial(t, receiver.port)
    const entry = entryFrames('message', content, { '!kind': 'message', ...more })
    peer.finish(senderOpening, ...entry, frame('F', { entries: 1 }))
    t.match((await peer.next('R')).fields, { entry: 0, reason })
    await peer.closed
  }
  const plain = await Peer.dial(t, receiver.port)
  plain.finish(senderOpening, frame('H', { name: 'x', size: 1, '!kind': 1 }))
  t.match((await plain.next('R')).fields, { entry: null, reason: 'protocol' })
  await receiver.stop()
  t.strictSame(receiver.events.of('message'), [])
})
