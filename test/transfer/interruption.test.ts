/** Either side is interrupted anywhere: both ends end, each with its own code, and nothing half-written is visible. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { receive, send, TransferError } from '../../dist/index.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { replaceDuring } from '../fixtures/disk.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

/** As the command makes it of a signal. */
const terminated = () =>
  new TransferError('terminated', 'terminated by SIGTERM', {
    reason: 'interrupted',
    peerMessage: 'tcp-recv was terminated',
  })

/** A transfer that is under way and stays so: its source has given some bytes, and gives no more. */
async function underWay(t: Test) {
  const out = t.testdir()
  const leftOpen = watchOpenFiles(out)
  const [receiving, sending] = [new AbortController(), new AbortController()]
  const receiver = await startReceiver(t, { out, signal: receiving.signal })
  const source = new PassThrough()
  source.write(bytesOf(300_000))
  const sent = trySend(t, receiver.port, [{ stream: source, name: 'half.bin' }], { signal: sending.signal })
  await receiver.events.until('progress')
  return { out, leftOpen, receiving, sending, receiver, source, sent }
}

t.test('ends both sides when the receiver is interrupted', async (t) => {
  const { out, leftOpen, receiving, receiver, source, sent } = await underWay(t)
  receiving.abort(terminated())
  t.match((await receiver.ended).error, { code: 'terminated', exitCode: 143 })
  t.match((await sent).error, { code: 'incomplete', exitCode: 6 })
  t.match((await sent).error?.message, 'the receiver refused the transfer: tcp-recv was terminated')
  t.ok(source.destroyed)
  t.match(receiver.events.of('failed'), [{ name: 'half.bin', code: 'terminated' }])
  t.equal(receiver.events.of('failed').length, 1, 'it is reported once')
  t.match(receiver.events.of('done'), [{ exitCode: 143 }])
  t.strictSame(namesIn(out), [])
  t.strictSame(await leftOpen(), [])
})

t.test('ends the transfer when the sender is interrupted, and the receiver goes on', async (t) => {
  const { out, leftOpen, sending, receiver, source, sent } = await underWay(t)
  sending.abort()
  t.match((await sent).error, { code: 'interrupted', exitCode: 130 })
  t.ok(source.destroyed)
  t.match(await receiver.events.until('failed'), {
    name: 'half.bin',
    code: 'incomplete',
    reason: 'aborted',
    message: 'the sender gave up: it was interrupted (interrupted)',
  })
  const again = await trySend(t, receiver.port, [{ stream: Readable.from(['whole']), name: 'half.bin' }])
  t.match(again.summary, { files: 1 })
  await receiver.stop()
  t.strictSame(filesIn(out), { 'half.bin': 'whole' })
  t.strictSame(await leftOpen(), [])
})

t.test('ends both sides when both are interrupted at once', async (t) => {
  const { out, leftOpen, receiving, sending, receiver, sent } = await underWay(t)
  receiving.abort()
  sending.abort()
  t.match((await sent).error, { code: 'interrupted' })
  t.match((await receiver.ended).error, { code: 'interrupted' })
  t.strictSame(namesIn(out), [])
  t.strictSame(await leftOpen(), [])
})

t.test('is interrupted while the output waits for its reader', async (t) => {
  const writing = gate()
  const stuck = new Writable({ write: () => writing.open() })
  const receiver = await startReceiver(t, { out: stuck })
  const sent = trySend(t, receiver.port, [{ stream: Readable.from([bytesOf(5_000)]), name: 'file' }])
  await writing.opened
  t.match((await receiver.stop()).error, { code: 'interrupted', exitCode: 130 })
  t.match((await sent).error, { code: 'incomplete', exitCode: 6, reason: 'interrupted' })
})

t.test('does not begin when it is interrupted already', async (t) => {
  const out = join(t.testdir(), 'out')
  const signal = AbortSignal.abort()
  await t.rejects(receive({ port: 0, host: '127.0.0.1', out, signal }), { code: 'interrupted' })
  t.strictSame(namesIn(out), [])
  const listener = await listenAsPeer(t, () => {})
  const sent = await trySend(t, listener.port, [{ stream: Readable.from(['x']), name: 'x' }], { signal })
  t.match(sent.error, { code: 'interrupted', exitCode: 130 })
  t.equal(listener.connections(), 0)
})

t.test('is interrupted while it begins to listen', async (t) => {
  const controller = new AbortController()
  const receiving = receive({ port: 0, host: '127.0.0.1', out: new PassThrough(), signal: controller.signal })
  controller.abort()
  await t.rejects(receiving, { code: 'interrupted', exitCode: 130 })
})

t.test('reports an interruption as such while a silent peer is connected', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const silent = await Peer.dial(t, receiver.port)
  await silent.write(senderOpening)
  await silent.next('G')
  void silent.ended.then(() => silent.finish())
  t.match((await receiver.stop()).error, { code: 'interrupted' })
  t.match(receiver.events.of('failed'), [{ code: 'interrupted' }])
  t.match((await silent.next('R')).fields, { entry: null, reason: 'interrupted', message: 'it was interrupted' })
})

t.test('gives back a connection that was made in the moment of the interruption', async (t) => {
  const listener = await listenAsPeer(t, () => {})
  const controller = new AbortController()
  const sockets: Socket[] = []
  const onSocket = (message: unknown) => {
    const { socket } = message as { socket: Socket }
    sockets.push(socket)
    // The last of all that listen to the connection.
    process.nextTick(() => socket.once('connect', () => controller.abort()))
  }
  subscribe('net.client.socket', onSocket)
  t.teardown(() => {
    unsubscribe('net.client.socket', onSocket)
    for (const socket of sockets) socket.destroy()
  })
  const source = [{ stream: Readable.from(['x']), name: 'x' }]
  await t.rejects(send({ host: '127.0.0.1', port: listener.port, sources: source, signal: controller.signal }), {
    code: 'interrupted',
  })
  t.strictSame(
    sockets.map(({ destroyed }) => destroyed),
    [true],
  )
})

t.test('lets a commit that is under way come to its end before it closes anything', async (t) => {
  const out = t.testdir()
  const syncing = gate()
  const reached = gate()
  replaceDuring(t, 'fsync', (fsync) => async (fd) => {
    reached.open()
    await syncing.opened
    await fsync(fd)
  })
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  const receiver = await startReceiver(t, { out })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(...transferFrames({ 'file.txt': 'text' }))
  await reached.opened
  const held = watch.problems()
  const ended = receiver.stop()
  await peer.ended
  t.equal(await stateOf(ended), 'pending')
  t.strictSame(watch.problems(), held, 'what the commit uses is still open')
  syncing.open()
  t.match((await ended).error, { code: 'interrupted' })
  t.strictSame(watch.problems(), [])
  const stored = receiver.events.of('stored').map(({ name }) => name)
  t.strictSame(namesIn(out), stored, 'what is there was reported, and what was reported is there')
})

t.test('lets go of an entry whose connection failed while it was being opened', async (t) => {
  const out = t.testdir()
  const opening = gate()
  const reached = gate()
  replaceDuring(t, 'statfs', (statfs) => async (path) => {
    reached.open()
    await opening.opened
    return await statfs(path)
  })
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  const receiver = await startReceiver(t, { out })
  const peer = await Peer.dial(t, receiver.port)
  // All of the entry is there already.
  await peer.write(senderOpening, ...entryFrames('file', 'text'))
  await reached.opened
  const ended = receiver.stop()
  await peer.ended
  peer.finish()
  await settle()
  opening.open()
  await ended
  t.strictSame(watch.problems(), [])
  t.strictSame(receiver.events.of('stored'), [])
  t.strictSame(namesIn(out), [])
})

t.test('stores nothing once it was interrupted, though all of it has come and waits for the disk', async (t) => {
  const out = t.testdir()
  const disk = gate()
  let isFlushing = false
  replaceDuring(t, 'fdatasync', () => async () => {
    isFlushing = true
    await disk.opened
  })
  const receiving = new AbortController()
  const receiver = await startReceiver(t, { out, signal: receiving.signal })
  const peer = await Peer.dial(t, receiver.port)
  // 16 MiB start a flush, and with 32 MiB more the last pieces wait for its end.
  const content = bytesOf(49 * 1_048_576)
  const sending = peer.write(...transferFrames({ 'a.bin': content }))
  await until(() => isFlushing)
  await settle(200)
  receiving.abort(terminated())
  await peer.write(frame('B', {}), frame('B', {})).catch(() => {})
  await settle(50)
  disk.open()
  t.match((await receiver.ended).error, { code: 'terminated' })
  await sending.catch(() => {})
  t.strictSame(receiver.events.of('stored'), [])
  t.strictSame(namesIn(out), [])
})
