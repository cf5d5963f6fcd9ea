/** Open descriptors, such as standard input: what can be read of them depends on what they are. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { DescriptorSource } from '../../dist/sources/descriptor-source.js'
import type { OpenEntry } from '../../dist/sources/source.js'
import { failDuring, replaceDuring } from '../fixtures/disk.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { readPieces, readSource } from '../fixtures/sources.ts'

const never = new AbortController().signal
const content = bytesOf(100_001)

/** A file with `bytes` in it, open until the test is over. */
function opened(t: Test, bytes: Buffer = content): { fd: number; source: DescriptorSource } {
  const fd = openSync(join(t.testdir({ file: bytes }), 'file'), 'r')
  t.teardown(() => closeSync(fd))
  return { fd, source: new DescriptorSource(fd, 'dump.sql', 'standard input') }
}

async function readOne(source: OpenEntry, length: number): Promise<number> {
  return await source.read(Buffer.alloc(length), 0, length)
}

t.test('is announced without what nobody said of it, and can be read once', async (t) => {
  const { source } = opened(t)
  t.match(source, { name: 'dump.sql', label: 'standard input', path: '-', isOnce: true })
  await t.resolves(source.inspect())
  const { header } = await source.open(never)
  t.strictSame(header, { kind: 'file', name: 'dump.sql', size: null, type: 'application/sql', mtime: null, mode: null })
})

t.test('reads a file to its end, and leaves it open', async (t) => {
  const { fd, source } = opened(t)
  t.ok((await readSource(source)).equals(content))
  t.ok(fstatSync(fd).isFile(), 'who opened it may close it')
})

t.test('says that it cannot be read if it was closed after it was announced', async (t) => {
  const fd = openSync(join(t.testdir({ file: '' }), 'file'), 'r')
  const source = new DescriptorSource(fd, 'dump.sql', 'standard input')
  await source.inspect()
  closeSync(fd)
  await t.rejects(source.open(never), {
    code: 'local-file',
    reason: 'disk',
    message: 'cannot read standard input: bad file descriptor (EBADF)',
  })
})

t.test('reads a file from where it stands', async (t) => {
  const { fd, source } = opened(t)
  readSync(fd, Buffer.alloc(999), 0, 999, null)
  t.ok((await readSource(source)).equals(content.subarray(999)))
})

t.test('gives as much as is asked for, and nothing after the end', async (t) => {
  const { source } = opened(t, bytesOf(5_000))
  const open = await source.open(never)
  t.strictSame([await readOne(open, 4096), await readOne(open, 4096), await readOne(open, 4096)], [4096, 904, 0])
})

t.test('fills a piece to the brim where the system gives less at a time', async (t) => {
  const { source } = opened(t)
  replaceDuring(
    t,
    'readSync',
    (read) => (fd, buffer, offset, length, position) => read(fd, buffer, offset, Math.min(length, 700), position),
  )
  const pieces = await readPieces(await source.open(never), 8)
  t.ok(Buffer.concat(pieces).equals(content))
  t.ok(pieces.slice(0, -1).every(({ length }) => length === 8192))
})

t.test('reads a device, endless or empty', async (t) => {
  for (const [path, count] of [
    ['/dev/zero', 65_536],
    ['/dev/null', 0],
  ] as const) {
    const fd = openSync(path, 'r')
    t.teardown(() => closeSync(fd))
    t.equal(await readOne(await new DescriptorSource(fd, 'x', 'x').open(never), 65_536), count)
  }
})

t.test('reads the same through the thread pool, while the disk is slow', async (t) => {
  const { pass } = fakePerformanceNow(t)
  const { source } = opened(t)
  const calls = { blocking: 0, pool: 0 }
  replaceDuring(t, 'readSync', (read) => (...args) => {
    calls.blocking++
    pass(11)
    return read(...args)
  })
  replaceDuring(t, 'read', (read) => async (...args) => {
    calls.pool++
    return await read(...args)
  })
  const pieces = await readPieces(await source.open(never))
  t.ok(Buffer.concat(pieces).equals(content))
  t.equal(calls.blocking, 1, 'one was enough to know')
  t.ok(calls.pool >= pieces.length)
})

for (const call of ['readSync', 'read'] as const) {
  t.test(`says when it cannot be read (${call})`, async (t) => {
    const { pass } = fakePerformanceNow(t)
    const open = await opened(t).source.open(never)
    // After a slow call the next one goes to the thread pool.
    if (call === 'read') {
      replaceDuring(t, 'readSync', (read) => (...args) => {
        pass(11)
        return read(...args)
      })
      t.equal(await readOne(open, 1024), 1024)
    }
    failDuring(t, { call, code: 'EIO' })
    const error = await readOne(open, 1024).catch((thrown) => thrown)
    t.match(error, { code: 'local-file', reason: 'disk', message: 'cannot read standard input: i/o error (EIO)' })
    t.equal(error.peerMessage, 'it could not read the file: i/o error (EIO)')
  })
}

t.test('refuses what is not open, and a directory, before anything is sent', async (t) => {
  const directory = openSync(t.testdir(), 'r')
  const closed = openSync('/dev/null', 'r')
  closeSync(closed)
  t.teardown(() => closeSync(directory))
  const cases: [fd: number, message: string][] = [
    [closed, 'cannot read standard input: bad file descriptor (EBADF)'],
    [directory, 'standard input is a directory'],
  ]
  for (const [fd, message] of cases) {
    const source = new DescriptorSource(fd, 'x', 'standard input')
    await t.rejects(source.inspect(), { code: 'local-file', exitCode: 8, message })
  }
})
