/** Disks and files that fail while both ends run: the sender is told by name, the receiver goes on. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, injectFault, replaceDuring, systemError } from '../fixtures/disk.ts'
import { watchDiskRest } from '../fixtures/disk-at-rest.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, folders, namesIn } from '../fixtures/folder.ts'
import { disguise } from '../fixtures/permissions.ts'

t.test('refuses at once what is larger than the free space, and names both figures', async (t) => {
  const { out, path } = folders(t, { big: 'x'.repeat(1025), small: 'x'.repeat(1024) })
  replaceDuring(t, 'statfs', () => async () => ({ bavail: 2, bsize: 512, blocks: 100 }) as never)
  const receiver = await startReceiver(t, { out })
  const sent = await trySend(t, receiver.port, [path('big'), path('small')])
  await receiver.stop()
  t.match(sent.error, { code: 'refused', exitCode: 5, reason: 'no-space' })
  t.match(sent.error?.message, 'the file has 1025 bytes, and only 1024 are free there')
  t.match(receiver.events.of('refused'), [{ name: 'big', reason: 'no-space' }])
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

t.test('tries to open its folder again for the next file of the same transfer', async (t) => {
  const { out, path } = folders(t, { 'a.txt': 'text', 'b.txt': 'text' })
  const receiver = await startReceiver(t, { out })
  failDuring(t, { call: 'mkdir', code: 'EROFS' })
  const sent = await trySend(t, receiver.port, [path('a.txt'), path('b.txt')])
  t.match(sent.error, { code: 'refused', exitCode: 5, reason: 'disk' })
  t.match(sent.events.of('sent'), [{ name: 'b.txt' }])
  await receiver.stop()
  t.match(receiver.events.of('failed')[0], { name: 'a.txt', code: 'local-file', reason: 'disk' })
  t.strictSame(filesIn(out), { 'b.txt': 'text' })
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

t.test('tells both sides that a file is replaced whose folder cannot be made durable', async (t) => {
  const { out, path } = folders(t, { 'file.txt': 'new' })
  writeFileSync(join(out, 'file.txt'), 'old')
  const receiver = await startReceiver(t, { out, ifExists: 'overwrite' })
  failDuring(t, { call: 'fsync', code: 'EIO', occurrence: 2 })
  const failed = await trySend(t, receiver.port, path('file.txt'))
  const why = 'but a crash may undo that, because the folder cannot be fsynced: i/o error (EIO)'
  t.match(failed.error, { code: 'refused', exitCode: 5, reason: 'disk' })
  t.match(failed.error?.message, `: "file.txt" is replaced by the new file there, ${why}`)
  await receiver.stop()
  const message = `${join(out, 'file.txt')} is replaced by the new file, ${why}`
  t.match(receiver.events.of('failed'), [{ code: 'local-file', reason: 'disk', message }])
  t.strictSame(filesIn(out), { 'file.txt': 'new' })
})

t.test('says once at the start that a file system keeps no permissions, and stores there', async (t) => {
  disguise(t, () => ({ mode: 0o777 }))
  const { out, path } = folders(t, { 'file.txt': 'text' })
  const receiver = await startReceiver(t, { out, count: 2 })
  for (const storedAs of ['file.txt', 'file_bak.txt']) {
    t.match((await trySend(t, receiver.port, path('file.txt'))).events.of('sent'), [{ storedAs }])
  }
  await receiver.ended
  t.strictSame(
    receiver.events.all.map(({ event }) => event).filter((event) => event === 'warning' || event === 'listening'),
    ['warning', 'listening'],
  )
  t.match(receiver.events.of('warning'), [{ reason: 'no-permissions', message: out }])
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
