/** Files that cannot be sent, or change while they are: they fail alone, and the others are sent. */
import { appendFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { send } from '../../dist/index.js'
import { realDisk, replaceDuring, systemError } from '../fixtures/disk.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, folders, namesIn } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { listenAsPeer } from '../fixtures/peer.ts'
import { unusedPlace } from '../fixtures/ports.ts'

const changes: Record<string, (path: string) => void> = {
  grew: (path) => appendFileSync(path, 'more'),
  shrank: (path) => truncateSync(path, 1_000_000),
}

for (const [what, change] of Object.entries(changes)) {
  t.test(`gives up a file that ${what} while it was sent, and no other`, async (t) => {
    const { out, path } = folders(t, { 'log.txt': bytesOf(3_000_000), 'other.txt': 'other' })
    const receiver = await startReceiver(t, { out })
    const sent = await trySend(t, receiver.port, [path('log.txt'), path('other.txt')], {
      onEvent: (event) => {
        if (event.event === 'progress' && event.name === 'log.txt') change(path('log.txt'))
      },
    })
    await receiver.stop()
    t.match(sent.error, { code: 'local-file', exitCode: 8, reason: 'changed' })
    t.match(sent.events.of('sent'), [{ name: 'other.txt' }])
    t.match(receiver.events.of('failed'), [{ name: 'log.txt', code: 'incomplete', message: /\(changed\)/ }])
    t.strictSame(filesIn(out), { 'other.txt': 'other' })
  })
}

t.test('sends the others when a file cannot be read', async (t) => {
  const { out, path } = folders(t, { 'a.txt': 'a', 'b.txt': 'b' })
  const receiver = await startReceiver(t, { out })
  const sources = [path('missing'), path('a.txt'), '/dev/null', path('b.txt')]
  const sent = await trySend(t, receiver.port, sources)
  await receiver.stop()
  t.match(sent.error, { code: 'local-file', exitCode: 8, message: `cannot read ${path('missing')}: no such file` })
  t.match(sent.events.of('failed'), [{ name: 'missing' }, { message: /is not a regular file/ }])
  t.match(sent.events.of('done'), [{ files: 2, exitCode: 8 }])
  t.strictSame(filesIn(out), { 'a.txt': 'a', 'b.txt': 'b' })
})

t.test('sends the others when a file vanishes before its turn', async (t) => {
  const { out, path } = folders(t, { 'a.txt': 'a', 'b.txt': 'b', 'c.txt': 'c' })
  const receiver = await startReceiver(t, { out })
  const sent = await trySend(t, receiver.port, ['a.txt', 'b.txt', 'c.txt'].map(path), {
    onEvent: ({ event }) => {
      if (event === 'connected') unlinkSync(path('b.txt'))
    },
  })
  await receiver.stop()
  t.match(sent.error, { code: 'local-file', exitCode: 8 })
  t.match(sent.events.of('failed'), [{ name: 'b.txt', code: 'local-file' }])
  t.strictSame(filesIn(out), { 'a.txt': 'a', 'c.txt': 'c' })
  t.match(receiver.events.of('done'), [{ files: 2 }])
})

t.test('reports a file once that vanishes before its turn, also where it is the last', async (t) => {
  const { out, path } = folders(t, { 'a.txt': 'a', 'b.txt': 'b' })
  const receiver = await startReceiver(t, { out })
  const sent = await trySend(t, receiver.port, ['a.txt', 'b.txt'].map(path), {
    onEvent: ({ event }) => {
      if (event === 'connected') unlinkSync(path('b.txt'))
    },
  })
  await receiver.stop()
  t.match(sent.error, { code: 'local-file', exitCode: 8 })
  t.match(sent.events.of('failed'), [{ name: 'b.txt', code: 'local-file' }])
  t.equal(sent.events.of('failed').length, 1)
  t.strictSame(filesIn(out), { 'a.txt': 'a' })
})

t.test('waits for the answer to the last file also when all others were confirmed before it was open', async (t) => {
  const { out, path } = folders(t, { 'a.txt': 'a', 'b.txt': 'b' })
  const opening = gate()
  replaceDuring(t, 'open', (open) => async (...args) => {
    if (args[0] === path('b.txt')) await opening.opened
    return await open(...args)
  })
  const receiver = await startReceiver(t, { out })
  const onEvent = ({ event }: { event: string }) => event === 'sent' && opening.open()
  const sent = await trySend(t, receiver.port, ['a.txt', 'b.txt'].map(path), { onEvent })
  await receiver.stop()
  t.match(sent.summary, { files: 2 })
  t.match(sent.events.of('sent'), [{ name: 'a.txt' }, { name: 'b.txt' }])
  t.strictSame(filesIn(out), { 'a.txt': 'a', 'b.txt': 'b' })
})

t.test('says when a file cannot be read in the middle', async (t) => {
  const { out, path } = folders(t)
  writeFileSync(path('file'), bytesOf(3_000_000))
  const { readSync } = realDisk
  replaceDuring(t, 'readSync', () => (fd, buffer, offset, length, position) => {
    if (position !== null && position > 0) throw systemError('EIO', 'read')
    return readSync(fd, buffer, offset, length, position)
  })
  const receiver = await startReceiver(t, { out })
  const sent = await trySend(t, receiver.port, path('file'))
  await receiver.stop()
  t.match(sent.error, { code: 'local-file', exitCode: 8, reason: 'disk' })
  const [failed] = receiver.events.of('failed')
  t.match(failed, { name: 'file', code: 'incomplete', message: /\(disk\)/ })
  t.equal(failed?.kept?.startsWith(join(out, '.tcp-recv/kept')), true, 'what could be read is kept')
  t.notMatch(receiver.events.of('failed')[0]?.message, path('file'), 'no path of the sender is told')
  t.strictSame(namesIn(out), ['.tcp-recv'])
})

t.test('offers no name that cannot travel, and sends the others', async (t) => {
  const { out, path } = folders(t, { 'a.txt': 'a' })
  const receiver = await startReceiver(t, { out })
  const names = ['\ud800.txt', 'x'.repeat(5_000), 'good.txt']
  const sources = names.map((name) => ({ path: path('a.txt'), name }))
  const sent = await trySend(t, receiver.port, sources)
  await receiver.stop()
  t.match(sent.error, { code: 'local-file', exitCode: 8, reason: 'name', message: /its name is not Unicode/ })
  t.match(sent.events.of('failed')[1], { reason: 'name', message: /its name is too long/ })
  t.strictSame(namesIn(out), ['good.txt'])
})

t.test('leaves nothing behind that keeps the process from ending', async (t) => {
  const { out, path } = folders(t, { 'a.txt': 'a' })
  const receiver = await startReceiver(t, { out })
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  // Every source is gone when it is its turn, so the transfer is over before the receiver has greeted.
  const onEvent = ({ event }: { event: string }) => event === 'connected' && unlinkSync(path('a.txt'))
  t.match((await trySend(t, receiver.port, path('a.txt'), { onEvent })).error, { exitCode: 8 })
  await receiver.stop()
  t.equal(timers(), before)
})

t.test('makes no connection when there is nothing to send', async (t) => {
  const folder = t.testdir()
  const listener = await listenAsPeer(t, () => {})
  const sent = await trySend(t, listener.port, join(folder, 'missing'))
  t.match(sent.error, { code: 'local-file', exitCode: 8 })
  t.equal(listener.connections(), 0)
  t.match(sent.events.of('done'), [{ files: 0, exitCode: 8 }])
})

t.test('fails for the file that it could not read, although it could not connect either', async (t) => {
  const folder = t.testdir({ 'a.txt': 'a' })
  const { host, port } = await unusedPlace()
  const sent = await trySend(t, Number(port), [join(folder, 'missing'), join(folder, 'a.txt')], { host })
  t.match(sent.error, { code: 'local-file' }, 'the first failure is the one that counts')
  t.match(sent.events.of('failed'), [{ code: 'local-file' }, { code: 'connect' }])
})

t.test('sends a single source without the protocol, and says so of more', async (t) => {
  const sources = [Readable.from(['a']), Readable.from(['b'])].map((stream) => ({ stream, name: 'x' }))
  await t.rejects(send({ sources, plain: true, port: 1 }), { code: 'usage', exitCode: 2, message: /a single source$/ })
})
