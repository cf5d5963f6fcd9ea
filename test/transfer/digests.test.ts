/**
 * Exit 0 means verified. A peer without BLAKE3 says so and uses SHA-256; one that sends no digest at all is refused, on
 * either side, unless the user allows it. The digest of the header covers the name and the other facts.
 */
import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { SMALLEST_KEPT } from '../../dist/protocol/limits.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, frame, receiverOpening, senderOpening, sha256 } from '../fixtures/peer-frames.ts'

const headerFields = { name: 'file.txt', size: 5 }
const header = frame('H', headerFields)
const data = frame('D', Buffer.from('hello'))
const finished = frame('F', { entries: 1 })
const sha256Sender = Buffer.concat([Buffer.from('tcp-send'), frame('G', { version: 1, digest: 'sha256' })])
const sha256Receiver = Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 1, digest: 'sha256' })])

/** What a sender says of the bytes that it sent, the opening included, and what a receiver makes of it. */
interface Case {
  opening?: Buffer
  end: object
  refused?: 'digest' | 'unverifiable' | 'size'
}

const good = { bytes: 5, sha256: sha256('hello'), header: sha256(JSON.stringify(headerFields)) }
const goodBlake3 = { bytes: 5, blake3: digest('hello'), header: digest(JSON.stringify(headerFields)) }

const cases: Record<string, Case> = {
  'the BLAKE3 alone': { end: { bytes: 5, blake3: digest('hello') } },
  'the BLAKE3 and that of the header': { end: goodBlake3 },
  'a SHA-256 that was announced': { opening: sha256Sender, end: good },
  'a BLAKE3 where a SHA-256 was announced': { opening: sha256Sender, end: goodBlake3 },
  'another BLAKE3': { end: { ...goodBlake3, blake3: digest('other') }, refused: 'digest' },
  'another SHA-256': { opening: sha256Sender, end: { ...good, sha256: sha256('other') }, refused: 'digest' },
  'the BLAKE3 of another header': { end: { ...goodBlake3, header: digest('{}') }, refused: 'digest' },
  'the SHA-256 of another header': { opening: sha256Sender, end: { ...good, header: sha256('{}') }, refused: 'digest' },
  'no digest': { end: { bytes: 5 }, refused: 'unverifiable' },
  'null for a digest': { end: { bytes: 5, blake3: null, sha256: null, header: null }, refused: 'unverifiable' },
  'a SHA-256 that was not announced': { end: good, refused: 'unverifiable' },
  'another number of bytes': { end: { ...goodBlake3, bytes: 4 }, refused: 'size' },
}

for (const [what, { opening = senderOpening, end, refused }] of Object.entries(cases)) {
  t.test(`${refused === undefined ? 'stores' : 'refuses'} a file whose sender sends ${what}`, async (t) => {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out, oneAttempt: true })
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(opening, header, data, frame('E', end), finished)
    if (refused === undefined) {
      const { fields } = await peer.next('S')
      t.match(fields, { entry: 0, name: 'file.txt', bytes: 5, blake3: digest('hello') })
      t.equal(fields.sha256, opening === sha256Sender ? sha256('hello') : undefined, 'computed only where it is needed')
      t.match((await receiver.ended).summary, { files: 1 })
      t.match(receiver.events.of('stored'), [{ verified: true, blake3: digest('hello') }])
      t.strictSame(filesIn(out), { 'file.txt': 'hello' })
    } else {
      t.match((await peer.next('R')).fields, { entry: 0, reason: refused })
      t.match((await receiver.ended).error, { exitCode: refused === 'size' ? 6 : 7, reason: refused })
      t.strictSame(namesIn(out), [])
    }
  })
}

t.test('stores a file without a digest where the user allows it, and does not call it verified', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, count: 1, allowUnverified: true })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(senderOpening, header, data, frame('E', { bytes: 5 }), finished)
  t.match((await peer.next('S')).fields, { blake3: digest('hello') }, 'the sender may compare')
  t.match((await receiver.ended).summary, { files: 1 })
  t.match(receiver.events.of('stored'), [{ verified: false, blake3: digest('hello') }])
})

t.test('stores nothing that has another size than was announced, or than was sent', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  for (const [first, end] of [
    [{ name: 'file.txt', size: 6 }, { bytes: 5 }],
    [{ name: 'file.txt', size: 5 }, { bytes: 6 }],
    [{ name: 'file.txt', size: null }, { bytes: 4 }],
  ]) {
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(senderOpening, frame('H', first as object), data, frame('E', end as object), finished)
    t.match((await peer.next('R')).fields, { entry: 0, reason: 'size' })
    await peer.closed
  }
  await receiver.stop()
  t.match(receiver.events.of('failed'), Array(3).fill({ name: 'file.txt', code: 'incomplete', reason: 'size' }))
  t.strictSame(namesIn(out), [])
})

/** Sends file.txt to a receiver that answers every entry with these fields. */
async function sendToAnswering(t: Test, answer: object, options: Partial<SendOptions> = {}) {
  const path = join(t.testdir({ 'file.txt': 'hello' }), 'file.txt')
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('F')
    peer.finish(frame('S', { entry: 0, name: 'file.txt', ...answer }))
  })
  return await trySend(t, port, path, options)
}

t.test('does not believe a receiver that sends no digest', async (t) => {
  for (const answer of [{ bytes: 5 }, { bytes: 5, blake3: null }, { bytes: 5, sha256: sha256('hello') }]) {
    const { error, events } = await sendToAnswering(t, answer)
    t.match(error, { code: 'digest-mismatch', exitCode: 7, reason: 'unverifiable', message: /--allow-unverified/ })
    t.strictSame(events.of('sent'), [])
  }
})

t.test('believes it where the user allows that, and does not call the file verified', async (t) => {
  for (const answer of [{ bytes: 5 }, { bytes: 5, blake3: null }]) {
    const { summary, events } = await sendToAnswering(t, answer, { allowUnverified: true })
    t.match(summary, { files: 1, bytes: 5 })
    t.match(events.of('sent'), [{ storedAs: 'file.txt', blake3: digest('hello'), verified: false }])
  }
})

t.test('does not believe a receiver that has another number of bytes, or another digest', async (t) => {
  for (const answer of [{ bytes: 4 }, { bytes: 6, blake3: null }, { bytes: 5, blake3: digest('other') }]) {
    const { error, events } = await sendToAnswering(t, answer, { allowUnverified: true })
    t.match(error, { code: 'digest-mismatch', exitCode: 7, reason: 'digest' })
    t.match(error?.message, /the receiver stored \d bytes/)
    t.strictSame(events.of('sent'), [])
  }
})

/** The facts of an entry that was sent with SHA-256. */
function sha256End(peer: Peer, content: Buffer | string): Record<string, unknown> {
  const payload = peer.frames.findLast(({ type }) => type === 'H')?.bytes as Buffer
  return { bytes: content.length, blake3: null, sha256: sha256(content), header: sha256(payload) }
}

t.test('does not send a file again that a receiver without BLAKE3 refuses for another reason', async (t) => {
  const path = join(t.testdir({ 'file.txt': 'hello' }), 'file.txt')
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.next('E')
    await peer.write(sha256Receiver, frame('R', { entry: 0, reason: 'policy', message: 'no' }))
    await Promise.race([peer.next('F'), peer.next('E')])
    peer.finish()
  })
  const { error } = await trySend(t, port, path)
  t.match(error, { code: 'refused', exitCode: 5, reason: 'policy' })
})

t.test('sends a small file again to a receiver that has no BLAKE3 and said so too late', async (t) => {
  const path = join(t.testdir({ 'file.txt': 'hello' }), 'file.txt')
  const { port } = await listenAsPeer(t, async (peer) => {
    t.match((await peer.next('E')).fields, { blake3: digest('hello') })
    await peer.write(sha256Receiver, frame('R', { entry: 0, reason: 'unverifiable', message: 'only SHA-256 here' }))
    const { fields } = await peer.next('E')
    t.strictSame(fields, sha256End(peer, 'hello'))
    await peer.write(frame('S', { entry: 1, name: 'file.txt', ...fields }))
    t.match((await peer.next('F')).fields, { entries: 2 })
    peer.finish()
  })
  const { summary, events } = await trySend(t, port, path)
  t.match(summary, { files: 1, bytes: 5 })
  t.match(events.of('sent'), [{ storedAs: 'file.txt', blake3: digest('hello'), verified: true }])
  t.strictSame(events.of('failed'), [])
})

t.test('sends a large file anew as soon as it hears that the receiver has no BLAKE3', async (t) => {
  // Smaller than what waits for the greeting, and so slow that most of it is still to come.
  const content = bytesOf(SMALLEST_KEPT - 1)
  const path = join(t.testdir({ 'file.bin': content }), 'file.bin')
  const started = gate()
  const { port } = await listenAsPeer(t, async (peer) => {
    peer.socket.pause()
    await started.opened
    await peer.write(sha256Receiver)
    peer.socket.resume()
    t.match((await peer.next('A')).fields, { entry: 0, reason: 'unverifiable' })
    const { fields } = await peer.next('E')
    t.strictSame(fields, sha256End(peer, content))
    peer.finish(frame('S', { entry: 1, name: 'file.bin', ...fields }))
  })
  const onEvent = ({ event }: { event: string }) => event === 'progress' && started.open()
  const { summary, events } = await trySend(t, port, path, { onEvent, limit: 1024 * 1024 })
  t.match(summary, { files: 1, bytes: content.length })
  t.match(events.of('sent'), [{ verified: true }])
})

t.test('sends a file that may be kept once, after it has heard which digest the receiver computes', async (t) => {
  const content = bytesOf(SMALLEST_KEPT)
  const path = join(t.testdir({ 'file.bin': content }), 'file.bin')
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.next('G')
    await peer.write(sha256Receiver)
    const { fields } = await peer.next('E')
    t.strictSame(fields, sha256End(peer, content))
    peer.finish(frame('S', { entry: 0, name: 'file.bin', ...fields }))
  })
  t.match((await trySend(t, port, path)).summary, { files: 1, bytes: content.length })
})

t.test('sends a stream once, after it has heard which digest the receiver computes', async (t) => {
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.next('H')
    await peer.write(sha256Receiver)
    const { fields } = await peer.next('E')
    t.strictSame(fields, sha256End(peer, 'hello'))
    peer.finish(frame('S', { entry: 0, name: 'stdin', ...fields }))
  })
  const { summary, events } = await trySend(t, port, [{ stream: new PassThrough().end('hello'), name: 'stdin' }])
  t.match(summary, { files: 1, bytes: 5 })
  t.match(events.of('sent'), [{ verified: true }])
})

t.test('does not send a file again that has failed before the receiver said what it computes', async (t) => {
  const folder = t.testdir({ 'a.txt': 'hello', 'b.txt': 'hello' })
  const [first, second] = [join(folder, 'a.txt'), join(folder, 'b.txt')]
  const { port } = await listenAsPeer(t, async (peer) => {
    t.match((await peer.next('A')).fields, { entry: 0, reason: 'changed' })
    await peer.write(sha256Receiver)
    // The second file may have been sent before the greeting came, or after it.
    for (let entry = 1; ; entry++) {
      const { fields } = await peer.next('E')
      const isVerifiable = typeof fields.sha256 === 'string'
      const refusal = { entry, reason: 'unverifiable', message: 'only SHA-256 here' }
      await peer.write(isVerifiable ? frame('S', { entry, name: 'b.txt', ...fields }) : frame('R', refusal))
      if (isVerifiable) break
    }
    await peer.next('F')
    peer.finish()
  })
  const onEvent = (event: { event: string; name?: string }) => {
    if (event.event === 'progress' && event.name === 'a.txt') utimesSync(first, 1, 1)
  }
  const { error, events } = await trySend(t, port, [first, second], { onEvent })
  t.match(error, { exitCode: 8, reason: 'changed' })
  t.match(events.of('sent'), [{ name: 'b.txt', verified: true }])
  t.equal(events.of('failed').length, 1)
})

t.test('fails a file that the receiver could not verify a second time', async (t) => {
  const path = join(t.testdir({ 'file.txt': 'hello' }), 'file.txt')
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(sha256Receiver)
    for (let entry = 0, isLast = false; !isLast; entry++) {
      isLast = typeof (await peer.next('E')).fields.sha256 === 'string'
      await peer.write(frame('R', { entry, reason: 'unverifiable', message: 'no' }))
    }
    await peer.next('F')
    peer.finish()
  })
  const { error } = await trySend(t, port, path)
  t.match(error, { code: 'digest-mismatch', exitCode: 7, reason: 'unverifiable' })
})

t.test('sends only those again that wait for an answer when the receiver says what it computes', async (t) => {
  const folder = t.testdir({ 'a.txt': 'hello', 'b.txt': 'hello' })
  const [first, second] = [join(folder, 'a.txt'), join(folder, 'b.txt')]
  const { port } = await listenAsPeer(t, async (peer) => {
    // The sender has nothing more to do, and waits for the greeting.
    t.match((await peer.next('A')).fields, { entry: 1, reason: 'changed' })
    await peer.write(sha256Receiver, frame('R', { entry: 0, reason: 'unverifiable', message: 'only SHA-256 here' }))
    const { fields } = await peer.next('E')
    await peer.write(frame('S', { entry: 2, name: 'a.txt', ...fields }))
    t.match((await peer.next('F')).fields, { entries: 3 })
    peer.finish()
  })
  const onEvent = (event: { event: string; name?: string }) => {
    if (event.event === 'progress' && event.name === 'b.txt') utimesSync(second, 1, 1)
  }
  const { error, events } = await trySend(t, port, [first, second], { onEvent })
  t.match(error, { exitCode: 8, reason: 'changed' })
  t.match(events.of('sent'), [{ name: 'a.txt', verified: true }])
  t.equal(events.of('failed').length, 1)
})
