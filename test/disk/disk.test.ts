import { join } from 'node:path'
import t from 'tap'
import { Blocking } from '../../dist/disk/blocking.js'
import { disk, errno } from '../../dist/disk/disk.js'
import { systemError } from '../fixtures/disk.ts'
import { replaceProperty } from '../fixtures/replace-property.ts'

const CLOSED = 1_000_000

t.test('reads and writes at a position, and says how much', async (t) => {
  const path = join(t.testdir({ file: '0123456789' }), 'file')
  const fd = await disk.open(path, 'r+')
  t.teardown(() => disk.close(fd))
  const buffer = Buffer.alloc(8, '.')
  t.equal(await disk.write(fd, Buffer.from('abcdef'), 2, 3, 4), 3)
  t.equal(await disk.read(fd, buffer, 1, 6, 2), 6)
  t.equal(String(buffer), '.23cde7.')
  t.equal(await disk.read(fd, buffer, 0, 8, 8), 2)
  t.equal(await disk.read(fd, buffer, 0, 8, 10), 0)
})

t.test('rejects with what the system says', async (t) => {
  const buffer = Buffer.alloc(1)
  await t.rejects(disk.read(CLOSED, buffer, 0, 1, 0), { code: 'EBADF', syscall: 'read' })
  await t.rejects(disk.write(CLOSED, buffer, 0, 1, 0), { code: 'EBADF', syscall: 'write' })
  await t.rejects(async () => await disk.close(CLOSED), { code: 'EBADF' })
  await t.rejects(async () => await disk.open(join(t.testdir(), 'absent'), 'r'), { code: 'ENOENT' })
})

t.test('knows the code of a system error, and that nothing else has one', async (t) => {
  t.equal(errno(systemError('ENOENT')), 'ENOENT')
  for (const other of [new Error('text'), 'text', null, undefined, 42]) t.equal(errno(other), undefined)
})

for (const isQuick of [true, false]) {
  t.test(`does the same ${isQuick ? 'in this thread' : 'in the thread pool'}`, async (t) => {
    replaceProperty(t, Blocking.prototype, 'isQuick', { get: () => isQuick })
    const calls = t.capture(Blocking.prototype, 'call', Blocking.prototype.call)
    const folder = t.testdir({ file: 'content' })
    const path = (name: string) => join(folder, name)
    const fd = await disk.open(path('new'), 'wx', 0o600)
    await disk.fchmod(fd, 0o640)
    await disk.futimes(fd, new Date(1_000), new Date(2_000))
    t.match(await disk.fstat(fd), { size: 0, mtimeMs: 2_000, mode: 0o100640 })
    await disk.close(fd)
    t.match(await disk.stat(path('file')), { size: 7 })
    await disk.link(path('file'), path('link'))
    t.match(await disk.lstat(path('link')), { nlink: 2 })
    await disk.mkdir(path('folder'), { mode: 0o700 })
    t.ok((await disk.stat(path('folder'))).isDirectory())
    t.ok((await disk.statfs(folder)).blocks > 0)
    await disk.access(path('file'))
    await disk.chmod(path('file'), 0o640)
    t.match(await disk.stat(path('file')), { mode: 0o100640 })
    await disk.symlink('folder', path('symlink'))
    await disk.lutimes(path('symlink'), new Date(1_000), new Date(2_000))
    t.match(await disk.lstat(path('symlink')), { mtimeMs: 2_000 })
    t.equal(await disk.readlink(path('symlink')), 'folder')
    t.equal(String(await disk.readlinkBytes(path('symlink'))), 'folder')
    const links = (await disk.list(folder)).filter((entry) => entry.isSymbolicLink())
    t.strictSame(
      links.map(({ name }) => name),
      ['symlink'],
    )
    await t.rejects(disk.access(path('absent')), { code: 'ENOENT', syscall: 'access' })
    await t.rejects(async () => await disk.open(path('new'), 'wx'), { code: 'EEXIST', syscall: 'open' })
    await t.rejects(disk.link(path('file'), path('link')), { code: 'EEXIST' })
    await t.rejects(disk.mkdir(path('folder')), { code: 'EEXIST' })
    await t.rejects(async () => await disk.close(CLOSED), { code: 'EBADF' })
    t.equal(calls().length > 0, isQuick)
  })
}
