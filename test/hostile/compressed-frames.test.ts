/** Senders whose compressed frames are bombs, damaged or not allowed, against the real receiver. */
import { brotliCompressSync, constants } from 'node:zlib'
import t from 'tap'
import { startReceiver } from '../fixtures/ends.ts'
import { bytesOf, filesIn } from '../fixtures/folder.ts'
import { memoryInUse } from '../fixtures/memory.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { Peer } from '../fixtures/peer.ts'
import { compressedFrame, digest, frame, frameHeader, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { until } from '../fixtures/turns.ts'

const MIB = 1024 * 1024
const params = { [constants.BROTLI_PARAM_QUALITY]: 1 }
const pack = (content: Buffer) => brotliCompressSync(content, { params })

const text = Buffer.from('a text that becomes smaller, '.repeat(1000)).subarray(0, 20 * 1024)
const packed = pack(text)
const header = (fields: object = {}) => frame('H', { name: 'bad.txt', size: null, ...fields })
/** A gigabyte of zeros. */
const bomb = pack(Buffer.alloc(1024 * MIB))

const breaches: Record<string, Buffer[]> = {
  'a bomb': [header(), compressedFrame(bomb, MIB)],
  'a bomb that tells its length': [header(), compressedFrame(bomb, 1024 * MIB)],
  'a small bomb': [header(), compressedFrame(bomb, 1)],
  'a bomb of more than the size': [header({ size: 1000 }), compressedFrame(bomb, MIB)],
  'a piece that was cut': [header(), compressedFrame(packed.subarray(0, -1), text.length)],
  'a piece with something behind it': [header(), compressedFrame(Buffer.concat([packed, packed]), text.length)],
  'a piece of less than it says': [header(), compressedFrame(packed, text.length + 1)],
  'a piece of nothing': [header(), compressedFrame(pack(Buffer.alloc(0)), 1)],
  'a piece that is not compressed': [header(), compressedFrame(bytesOf(1000), 1000)],
  'another algorithm than it says': [header(), compressedFrame(packed, text.length, 'z')],
  'an unknown algorithm': [header(), compressedFrame(packed, text.length, 'g')],
  'a frame over the limit': [header(), frameHeader('Z', MIB + 1)],
  'a frame without an entry': [compressedFrame(packed, text.length)],
  'data after an incomplete chunk': [header(), frame('D', Buffer.from('1')), compressedFrame(packed, text.length)],
}

t.test('refuses what is wrong, takes no memory for it, and takes the next', async (t) => {
  const out = t.testdir()
  const leftOpen = watchOpenFiles(out)
  const receiver = await startReceiver(t, { out })
  const before = await memoryInUse()
  for (const [what, frames] of Object.entries(breaches)) {
    await t.test(what, async (t) => {
      const events = receiver.events.all.length
      const peer = await Peer.dial(t, receiver.port)
      await peer.write(senderOpening, ...frames)
      t.match((await peer.next('R')).fields, { entry: null, reason: 'protocol' })
      t.equal(await peer.ended, 'end')
      peer.finish()
      await peer.closed
      const ofThisOne = () => receiver.events.all.slice(events).filter((event) => 'message' in event)
      await until(() => ofThisOne().length > 0)
      t.equal(ofThisOne().length, 1, 'it is reported once')
    })
  }
  t.ok((await memoryInUse()) < before + 12 * MIB)
  const good = await Peer.dial(t, receiver.port)
  good.finish(...transferFrames({ 'good.txt': 'good' }))
  t.match((await good.next('S')).fields, { name: 'good.txt' })
  await good.closed
  await receiver.stop()
  t.strictSame(filesIn(out), { 'good.txt': 'good' })
  t.strictSame(await leftOpen(), [])
})

t.test('takes compressed pieces between others, and compares the digest of what they hold', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const whole = Buffer.concat([text, text, text])
  for (const [name, blake3, answer] of [
    ['right', digest(whole), 'S'],
    ['wrong', digest(text), 'R'],
  ] as const) {
    const peer = await Peer.dial(t, receiver.port)
    const data = [compressedFrame(packed, text.length), frame('D', text), compressedFrame(packed, text.length)]
    const end = frame('E', { bytes: whole.length, blake3 })
    peer.finish(senderOpening, header({ name, size: whole.length }), ...data, end, frame('F', { entries: 1 }))
    t.match((await peer.next(answer)).fields, answer === 'S' ? { name, bytes: whole.length } : { reason: 'digest' })
    await peer.closed
  }
  t.match(receiver.events.of('stored'), [{ name: 'right', size: whole.length, wire: 2 * packed.length + text.length }])
  await receiver.stop()
  t.strictSame(filesIn(out), { right: whole.toString() })
})

t.test('knows no compressed frame if its user does not want any', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir(), compress: 'never' })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, header(), compressedFrame(packed, text.length))
  const { features } = (await peer.next('G')).fields
  t.notOk((features as string[]).some((feature) => ['zstd', 'brotli'].includes(feature)))
  t.match((await peer.next('R')).fields, { entry: null, reason: 'protocol', message: /unknown frame type/ })
  peer.finish()
  await peer.closed
  await receiver.stop()
})

t.test('drops the compressed data of an entry that it has refused', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, maxSize: 10 })
  const peer = await Peer.dial(t, receiver.port)
  const end = frame('E', { bytes: text.length, blake3: digest(text) })
  const rest = transferFrames({ b: 'b' }).slice(1, -1)
  peer.finish(
    ...[senderOpening, header(), compressedFrame(packed, text.length), compressedFrame(packed, text.length), end],
    ...[...rest, frame('F', { entries: 2 })],
  )
  t.match((await peer.next('R')).fields, { entry: 0, reason: 'too-large' })
  t.match((await peer.next('S')).fields, { entry: 1 })
  await peer.closed
  await receiver.stop()
  t.strictSame(filesIn(out), { b: 'b' })
})
