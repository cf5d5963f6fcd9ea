/** Disks and files that fail while both ends run: the sender is told by name, the receiver goes on. */
import { appendFileSync, mkdirSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, injectFault, realDisk, replaceDuring, systemError } from '../fixtures/disk.ts'
import { watchDiskRest } from '../fixtures/disk-at-rest.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { listenAsPeer } from '../fixtures/peer.ts'
import { unusedPlace } from '../fixtures/ports.ts'

function folders(t: Test, files: Record<string, string | Buffer> = {}) {
  const folder = t.testdir({ in: files, out: {} })
  return { folder, out: join(folder, 'out'), path: (name: string) => join(folder, 'in', name) }
}

t.test('refuses at once what is larger than the free space, and names both figures', async (t) => {
  const { out, path } = folders(t, { big: 'x'.repeat(1025), small: 'x'.repeat(1024) })
  replaceDuring(t, 'statfs', () => async () => ({ bavail: 2, bsize: 512, blocks: 100 }) as never)
  const receiver = await startReceiver(t, { out })
  const sent = await trySend(t, receiver.port, [path('big'), path('small')])
  await receiver.stop()
  t.match(sent.error, { code: 'refused', exitCode: 5, reason: 'no-space' })
  t.match(sent.error?.message, 'the file has 1025 bytes, and only 1024 are free there')
  t.match(receiver.events.of('refused'), [{ name: 'big', code: 'no-space' }])
  t.strictSame(namesIn(out), ['small'])
})

for (const call of ['writeSync', 'write'] as const) {
  t.test(`says when the disk is full in the middle of a file, found by ${call}`, async (t) => {
    const { out, path } = folders(t, { 'small.txt': 'small' })
    const watch = watchDescriptors()
    t.teardown(watch.restore)
    let left = 300_000
    const fill = (length: number) => {
      left -= length
      if (left < 0 && length > 5) throw systemError('ENOSPC', 'write')
    }
    replaceDuring(t, 'writeSync', (real) => (fd, buffer, offset, length, position) => {
      // A slow blocking call sends the next ones to the thread pool.
      if (call === 'write') for (const start = performance.now(); performance.now() < start + 15; );
      fill(length)
      return real(fd, buffer, offset, length, position)
    })
    replaceDuring(t, 'write', (real) => async (fd, buffer, offset, length, position) => {
      fill(length)
      return await real(fd, buffer, offset, length, position)
    })
    const receiver = await startReceiver(t, { out })
    const endless = new PassThrough()
    const more = () => {
      while (endless.write(bytesOf(64 * 1024)));
    }
    endless.on('drain', more)
    more()
    const sent = await trySend(t, receiver.port, [{ stream: endless, name: 'dump' }, path('small.txt')])
    await receiver.stop()

    t.match(sent.error, { code: 'refused', exitCode: 5, reason: 'no-space' })
    t.equal(sent.error?.message, 'dump: the receiver refused it: its disk is full')
    t.ok(endless.destroyed, 'the sender stopped reading')
    t.match(receiver.events.of('failed')[0], { name: 'dump', code: 'local-file', reason: 'no-space' })
    t.equal(receiver.events.of('failed').length, 2, 'it is reported once; the other is the interruption')
    t.strictSame(watch.problems(), [])
    t.match(receiver.events.of('failed')[0]?.message, `cannot write ${join(out, 'dump')}: no space left on device`)
    t.strictSame(filesIn(out), { 'small.txt': 'small' }, 'the next file went through')
  })
}

t.test('stores nothing whose bytes could not be made durable', async (t) => {
  for (const occurrence of [1, 2]) {
    const { out, path } = folders(t, { 'file.txt': 'text' })
    const fault = injectFault({ call: 'fsync', code: 'EIO', occurrence })
    const receiver = await startReceiver(t, { out })
    const sent = await trySend(t, receiver.port, path('file.txt'))
    fault.restore()
    await receiver.stop()
    t.match(sent.error, { code: 'refused', exitCode: 5, reason: 'disk' })
    t.notMatch(sent.error?.message, out, 'no path of the receiver is told')
    t.match(receiver.events.of('failed'), [{ code: 'local-file', reason: 'disk' }])
    t.match(receiver.events.of('done'), [{ files: 0 }])
    t.strictSame(namesIn(out), [])
  }
})

t.test('recovers when its folder was removed and is there again', async (t) => {
  const { out, path } = folders(t, { 'file.txt': 'text' })
  const diskAtRest = watchDiskRest(t)
  const receiver = await startReceiver(t, { out, count: 1 })
  rmSync(out, { recursive: true })
  const failed = await trySend(t, receiver.port, path('file.txt'))
  t.match(failed.error, { code: 'refused', exitCode: 5, reason: 'disk' })
  t.notMatch(failed.error?.message, out)
  t.match(receiver.events.of('failed'), [{ code: 'local-file', message: `cannot store in ${out}:` }])
  mkdirSync(out)
  await diskAtRest()
  t.match((await trySend(t, receiver.port, path('file.txt'))).summary, { files: 1 })
  t.match((await receiver.ended).summary, { files: 1 })
  t.strictSame(filesIn(out), { 'file.txt': 'text' })
})

t.test('fails when its folder is removed in the middle of a file, and recovers', async (t) => {
  const { out, path } = folders(t, { 'file.txt': 'text' })
  const diskAtRest = watchDiskRest(t)
  const receiver = await startReceiver(t, { out, count: 1 })
  const stream = new PassThrough()
  stream.write(bytesOf(2048))
  const sending = trySend(t, receiver.port, [{ stream, name: 'stream' }])
  await receiver.events.until('progress')
  rmSync(out, { recursive: true })
  mkdirSync(out)
  stream.end()
  t.match((await sending).error, { code: 'refused', reason: 'disk' })
  await diskAtRest()
  t.match((await trySend(t, receiver.port, path('file.txt'))).summary, { files: 1 })
  await receiver.ended
  t.strictSame(filesIn(out), { 'file.txt': 'text' })
})

t.test('recovers when its folder was read-only for a while', async (t) => {
  const { out, path } = folders(t, { 'file.txt': 'text' })
  const diskAtRest = watchDiskRest(t)
  const receiver = await startReceiver(t, { out, count: 1 })
  const fault = injectFault({ call: 'mkdir', code: 'EROFS', occurrence: 0 })
  const failed = await trySend(t, receiver.port, path('file.txt'))
  fault.restore()
  t.match(failed.error, { code: 'refused', exitCode: 5, reason: 'disk', message: /read-only file system \(EROFS\)/ })
  t.match(receiver.events.of('failed'), [{ code: 'local-file', reason: 'disk' }])
  await diskAtRest()
  t.match((await trySend(t, receiver.port, path('file.txt'))).summary, { files: 1 })
  await receiver.ended
  t.strictSame(filesIn(out), { 'file.txt': 'text' })
})

t.test('does not begin to listen where it cannot store', async (t) => {
  const folder = t.testdir({ file: 'not a folder' })
  const cases = [
    { out: join(folder, 'file'), call: 'mkdir' as const, code: '' },
    { out: join(folder, 'other'), call: 'access' as const, code: 'EACCES' },
  ]
  for (const { out, call, code } of cases) {
    if (code) failDuring(t, { call, code })
    const { receive } = await import('../../dist/index.js')
    const events: string[] = []
    const receiving = receive({ port: 0, host: '127.0.0.1', out, onEvent: ({ event }) => events.push(event) })
    await t.rejects(receiving, { code: 'local-file', exitCode: 8, message: `cannot store in ${out}: ` })
    t.strictSame(events, ['failed', 'done'])
  }
})

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
  const { out, folder, path } = folders(t, { 'a.txt': 'a', 'b.txt': 'b' })
  const receiver = await startReceiver(t, { out })
  const sources = [path('missing'), path('a.txt'), folder, path('b.txt')]
  const sent = await trySend(t, receiver.port, sources)
  await receiver.stop()
  t.match(sent.error, { code: 'local-file', exitCode: 8, message: `cannot read ${path('missing')}: no such file` })
  t.match(sent.events.of('failed'), [{ name: 'missing' }, { message: /is a directory/ }])
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
  t.match(receiver.events.of('failed'), [{ name: 'file', code: 'incomplete', message: /\(disk\)/ }])
  t.notMatch(receiver.events.of('failed')[0]?.message, path('file'), 'no path of the sender is told')
  t.strictSame(namesIn(out), [])
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
