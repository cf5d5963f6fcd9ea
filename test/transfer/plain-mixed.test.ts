/** One side has `--plain` and the other has not, in every direction: nobody may believe that a file has arrived. */
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { frame, receiverOpening, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { settle } from '../fixtures/turns.ts'

const plain = true
const text = 'some bytes'
const refused = { code: 'refused', exitCode: 5, reason: 'policy' }
const toPlainSender =
  'the other side is tcp-recv without --plain and has stored nothing; give it --plain, or leave it out here'
const toPlainReceiver =
  'the other side is tcp-send without --plain, so nothing is stored; give it --plain, or leave it out here'
const toSender =
  'the receiver refused the transfer: it was started with --plain and takes bytes without the protocol; give --plain to tcp-send, too, or to neither'

function folderOf(t: Test, content: Buffer | string = text): { path: string; out: string } {
  const folder = t.testdir({ 'file.txt': content, out: {} })
  return { path: join(folder, 'file.txt'), out: join(folder, 'out') }
}

t.test('a plain sender hears that the receiver speaks the protocol, also when all was handed over', async (t) => {
  for (const content of [text, '', 'tcp-send', senderOpening, bytesOf(20_000_000)]) {
    const { path, out } = folderOf(t, content)
    const receiver = await startReceiver(t, { out })
    const sent = await trySend(t, receiver.port, path, { plain })
    t.match(sent.error, refused, `${content.length} bytes`)
    t.equal(sent.error?.message, toPlainSender)
    t.strictSame(sent.events.of('sent'), [])
    await receiver.stop()
    t.strictSame(namesIn(out), [])
  }
})

t.test('a plain sender that never ends stops when it hears that', async (t) => {
  const { out } = folderOf(t)
  const receiver = await startReceiver(t, { out })
  const stream = new Readable({
    read() {
      this.push(bytesOf(65_536))
    },
  })
  const sent = await trySend(t, receiver.port, [{ stream, name: 'endless' }], { plain })
  t.match(sent.error, refused)
  t.ok(stream.destroyed)
  await receiver.stop()
})

t.test('a plain sender that listens says it of a receiver that dials, and both say what to do', async (t) => {
  const { path, out } = folderOf(t)
  const sender = await startSender(t, [path], { plain })
  const received = await tryReceive(t, sender.port, { out })
  t.match(received.error, { code: 'incomplete', exitCode: 6, reason: 'magic' })
  t.match(received.error?.message, 'with --plain its bytes are taken as they are')
  t.match(await sender.events.until('failed'), { ...{ code: 'refused', reason: 'policy' }, message: toPlainSender })
  await sender.stop()
  t.strictSame(sender.events.of('sent'), [])
  t.strictSame(namesIn(out), [])
})

t.test('a plain sender finds out that it has met another sender', async (t) => {
  const { path } = folderOf(t)
  const message = 'the other side is tcp-send, as this side is; one of the two must be tcp-recv'
  const listening = await startSender(t, [path])
  t.match((await trySend(t, listening.port, path, { plain })).error, { ...refused, message })
  await listening.stop()
  const sender = await startSender(t, [path], { plain })
  t.match((await trySend(t, sender.port, path)).error, { exitCode: 6 })
  t.match(await sender.events.until('failed'), { code: 'refused', message })
  await sender.stop()
  t.strictSame(sender.events.of('sent'), [])
})

t.test('a plain sender takes any other answer for none of its business, however it comes', async (t) => {
  for (const words of ['HTTP/1.1 200 OK\r\n', 'This is tcp', 'tcp-recv: thanks', 'tcp-send', 'x'.repeat(100_000)]) {
    const { path } = folderOf(t)
    const { port } = await listenAsPeer(t, async (peer) => {
      for (const letter of words.slice(0, 20)) await peer.write(letter)
      await peer.ended
      peer.finish(words.slice(20))
    })
    t.match((await trySend(t, port, path, { plain })).summary, { files: 1 }, words.slice(0, 20))
  }
})

t.test('a plain receiver refuses a sender that speaks the protocol, tells it why, and goes on listening', async (t) => {
  const { path, out } = folderOf(t)
  const receiver = await startReceiver(t, { out, plain, name: 'file' })
  const sent = await trySend(t, receiver.port, path)
  t.match(sent.error, refused)
  t.equal(sent.error?.message, toSender)
  t.match(await receiver.events.until('refused'), { transfer: 1, reason: 'policy', message: toPlainReceiver })
  t.strictSame(namesIn(out), [])
  t.match((await trySend(t, receiver.port, path, { plain })).summary, { files: 1 })
  await receiver.stop()
  t.strictSame(
    receiver.events.of('failed').filter(({ transfer }) => transfer > 0),
    [],
  )
  t.strictSame(filesIn(out), { file: text })
})

t.test('it refuses one that listens, too', async (t) => {
  const { path, out } = folderOf(t)
  const sender = await startSender(t, [path])
  t.match((await tryReceive(t, sender.port, { out, plain })).error, { ...refused, message: toPlainReceiver })
  t.match(await sender.events.until('failed'), { code: 'refused', message: toSender })
  await sender.stop()
  t.strictSame(namesIn(out), [])
})

t.test('it knows a sender that comes byte by byte, and answers in the protocol', async (t) => {
  const { out } = folderOf(t)
  const receiver = await startReceiver(t, { out, plain })
  const peer = await Peer.dial(t, receiver.port)
  for (const byte of Buffer.concat(transferFrames({ a: text })).subarray(0, 13)) {
    t.equal(peer.received.length, 0)
    await peer.write(Buffer.from([byte]))
    await settle(20)
  }
  t.match((await peer.next('R')).fields, { entry: null, reason: 'policy' })
  t.equal(await peer.ended, 'end')
  peer.finish()
  await receiver.stop()
  t.strictSame(namesIn(out), [])
})

t.test('it stores no last word of a receiver that dialled it', async (t) => {
  const { out } = folderOf(t)
  const receiver = await startReceiver(t, { out, plain })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(receiverOpening, frame('R', { entry: null, reason: 'timeout', message: 'no complete header' }))
  t.match(await receiver.events.until('refused'), { message: /^the other side is tcp-recv, as this side is/ })
  await peer.ended
  await receiver.stop()
  t.strictSame(namesIn(out), [])
})

t.test('it stores a file that only begins like a sender, in one piece or byte by byte', async (t) => {
  const magic = Buffer.from('tcp-send')
  const contents = [
    't',
    'tcp-send',
    'tcp-sendG',
    Buffer.concat([magic, Buffer.from('G\0\0\0')]),
    Buffer.concat([magic, frame('G', Buffer.alloc(0))]),
    'tcp-send sends files to tcp-recv',
    'tcp-sendGreat is the day',
  ]
  for (const content of contents) {
    for (const isWhole of [true, false]) {
      const { out } = folderOf(t)
      const receiver = await startReceiver(t, { out, plain, name: 'file', count: 1 })
      const peer = await Peer.dial(t, receiver.port)
      const bytes = Buffer.from(content)
      if (isWhole) await peer.write(bytes)
      else for (const byte of bytes) await peer.write(Buffer.from([byte]))
      peer.finish()
      t.match((await receiver.ended).summary, { files: 1, bytes: bytes.length })
      t.strictSame(filesIn(out), { file: bytes.toString() })
    }
  }
})
