/** Directories that were not completed: what is kept of them, and what both ends say. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { replaceDuring, systemError } from '../fixtures/disk.ts'
import { type Listening, startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, keptIn, keptPath, namesIn } from '../fixtures/folder.ts'
import { directoryHeader } from '../fixtures/hostile-directory.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { Peer } from '../fixtures/peer.ts'
import { frame, senderOpening } from '../fixtures/peer-frames.ts'
import { makeTree, setQuick } from '../fixtures/tree.ts'
import { dataFrames, tree } from '../fixtures/tree-frames.ts'
import { until } from '../fixtures/turns.ts'

/** A whole file, another that its sender gives up, and a third. */
const data = Buffer.concat([
  tree.file('a', 'whole'),
  ...[frame('H', { name: 'b', size: 200_000 }), frame('D', bytesOf(200_000)), frame('A', {})],
  tree.file('c', 'x'),
])
/** Only the last frame of data may end anywhere. */
const CUT = 100 * 1024

/** Sends a directory up to the middle of its second file, and waits until that is being written. */
async function begin(t: Test, { port }: Listening, out: string): Promise<Peer> {
  const peer = await Peer.dial(t, port)
  await peer.write(senderOpening, directoryHeader('project'), ...dataFrames(data.subarray(0, CUT)))
  await until(() => readdirSync(out, { recursive: true }).some((name) => String(name).endsWith('/b')))
  return peer
}

t.test('keeps what came whole when the receiver is interrupted, and says so', async (t) => {
  const out = t.testdir()
  const leaked = watchOpenFiles(out)
  const receiver = await startReceiver(t, { out })
  const peer = await begin(t, receiver, out)
  t.match((await receiver.stop()).error, { code: 'interrupted' })
  t.match((await peer.next('R')).fields, { entry: null, reason: 'interrupted' })
  peer.finish()
  await peer.closed
  t.match(receiver.events.of('failed'), [{ transfer: 1, name: 'project', code: 'interrupted', kept: keptPath(out) }])
  t.equal(receiver.events.of('failed').length, 1)
  t.strictSame(keptIn(out), { 'project/a': 'whole' })
  t.strictSame(await leaked(), [])
})

t.test('keeps what came whole when the sender gives up the transfer, and is silent for too long', async (t) => {
  for (const how of ['abort', 'silence'] as const) {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out, oneAttempt: true, timeout: how === 'silence' ? 200 : 10_000 })
    const peer = await begin(t, receiver, out)
    if (how === 'abort') peer.finish(frame('A', { entry: null, reason: 'interrupted', message: 'stopped' }))
    t.match((await receiver.ended).error, { code: how === 'abort' ? 'incomplete' : 'timeout' })
    t.match(receiver.events.of('failed'), [{ name: 'project', kept: keptPath(out) }])
    t.strictSame(keptIn(out), { 'project/a': 'whole' })
  }
})

t.test('keeps nothing when the peer breaks the protocol outside of the directory', async (t) => {
  for (const breach of [frame('F', { entries: 1 }), frame('X', {}), directoryHeader('next')]) {
    const out = t.testdir()
    const receiver = await startReceiver(t, { out })
    const peer = await begin(t, receiver, out)
    peer.finish(breach)
    t.match((await peer.next('R')).fields, { entry: null, reason: 'protocol' })
    await receiver.stop()
    const failures = receiver.events.all.filter((event) => 'reason' in event)
    t.match(failures, [{ name: 'project', reason: 'protocol' }])
    t.notOk('kept' in (failures[0] as object))
    t.strictSame(namesIn(out), [])
  }
})

t.test('keeps nothing when a file could not be stored while the connection broke', async (t) => {
  setQuick(t, false)
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const peer = await begin(t, receiver, out)
  replaceDuring(t, 'open', (current) => async (path, ...more) => {
    if (!path.endsWith('/c')) return await current(path, ...more)
    void receiver.stop()
    await peer.next('R')
    throw systemError('EIO', 'open')
  })
  await peer.write(...dataFrames(data.subarray(CUT)))
  t.match((await receiver.ended).error, { code: 'interrupted' })
  t.match(receiver.events.of('failed'), [{ name: 'project', code: 'interrupted' }])
  t.notOk('kept' in (receiver.events.of('failed')[0] as object))
  t.strictSame(namesIn(out), [])
})

t.test('neither side speaks of what is kept if nothing is', async (t) => {
  setQuick(t, true)
  const folder = t.testdir()
  const gone = (t: Test, name: string) =>
    replaceDuring(t, 'openSync', (current) => (path, ...more) => {
      if (path.endsWith(`/${name}`)) throw systemError('EIO', 'open')
      return current(path, ...more)
    })
  const goesWrong = async (t: Test, out: string | PassThrough) => {
    const receiver = await startReceiver(t, { out, oneAttempt: true })
    const project = join(folder, 'project')
    const sent = await trySend(t, receiver.port, project)
    await receiver.ended
    const message = `${project} is not stored: a file or directory in it could not be read`
    t.match(sent.events.of('failed'), [{ name: 'project/a' }, { name: 'project', message }])
    t.match(receiver.events.of('failed'), [{ name: 'project', reason: 'aborted' }])
    t.notOk('kept' in (receiver.events.of('failed')[0] as object))
  }
  makeTree(join(folder, 'project'), { a: 'x', 'd/': '' })
  await t.test('because no file is whole', async (t) => {
    gone(t, 'a')
    await goesWrong(t, join(folder, 'out'))
    t.strictSame(namesIn(join(folder, 'out')), [])
  })
  makeTree(join(folder, 'project'), { 'd/b': 'x' })
  await t.test('because it went to a stream', async (t) => {
    gone(t, 'a')
    const out = new PassThrough()
    out.resume()
    await goesWrong(t, out)
  })
})

t.test('removes what was kept once the directory is stored', async (t) => {
  const out = t.testdir({ in: {}, out: {} })
  const project = makeTree(join(out, 'in/project'), { a: 'x' })
  const receiver = await startReceiver(t, { out: join(out, 'out') })
  const peer = await begin(t, receiver, join(out, 'out'))
  await peer.reset()
  await receiver.events.until('failed')
  t.strictSame(keptIn(join(out, 'out')), { 'project/a': 'whole' })
  t.match((await trySend(t, receiver.port, project)).summary, { files: 1 })
  t.strictSame(keptIn(join(out, 'out')), {})
  await receiver.stop()
  t.strictSame(namesIn(join(out, 'out')), ['project'])
})
