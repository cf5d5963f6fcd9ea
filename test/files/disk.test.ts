import { join } from 'node:path'
import t from 'tap'
import { disk, errno } from '../../dist/files/disk.js'
import { systemError } from '../fixtures/disk.ts'

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
  await t.rejects(disk.close(CLOSED), { code: 'EBADF' })
  await t.rejects(disk.open(join(t.testdir(), 'absent'), 'r'), { code: 'ENOENT' })
})

t.test('knows the code of a system error, and that nothing else has one', async (t) => {
  t.equal(errno(systemError('ENOENT')), 'ENOENT')
  for (const other of [new Error('text'), 'text', null, undefined, 42]) t.equal(errno(other), undefined)
})
