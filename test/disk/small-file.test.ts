import { appendFileSync, closeSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createSmallFile, readSmallFile, type SmallFile } from '../../dist/disk/small-file.js'
import { doBefore, failDuring, injectFault, realDisk, replaceDuring } from '../fixtures/disk.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { makeFifo } from '../fixtures/special-files.ts'
import { setQuick } from '../fixtures/tree.ts'

/** What goes wrong is thrown at once or behind a promise. */
async function create(...args: Parameters<typeof createSmallFile>): Promise<void> {
  await createSmallFile(...args)
}

async function read(...args: Parameters<typeof readSmallFile>): Promise<SmallFile> {
  return await readSmallFile(...args)
}

for (const isQuick of [true, false]) {
  const way = isQuick ? 'at once' : 'through the thread pool'
  const [readCall, timeCall] = isQuick ? (['readSync', 'futimesSync'] as const) : (['read', 'futimes'] as const)
  const prepare = (t: Test) => {
    setQuick(t, isQuick)
    const folder = t.testdir()
    return { folder, path: join(folder, 'file'), leaked: watchOpenFiles(folder) }
  }

  t.test(`creates a file, ${way}`, async (t) => {
    const { folder, path, leaked } = prepare(t)
    const bytes = bytesOf(10_000)
    const creating = createSmallFile(path, bytes, 0o640, 1_234_567)
    t.equal(creating === undefined, isQuick)
    await creating
    t.ok(readFileSync(path).equals(bytes))
    t.match(statSync(path), { mode: 0o100640, mtimeMs: 1_234_567 })
    await create(join(folder, 'empty'), Buffer.alloc(0), 0o600, null)
    t.equal(statSync(join(folder, 'empty')).size, 0)
    t.strictSame(await leaked(), [])
  })

  t.test(`gives a file any time, also one before 1970, ${way}`, async (t) => {
    const { folder } = prepare(t)
    for (const mtime of [0, -1, -1_500, -86_400_000_001, 1_700_000_000_123]) {
      const path = join(folder, `at${mtime}`)
      await create(path, Buffer.from('x'), 0o600, mtime)
      t.equal(Math.round(statSync(path).mtimeMs), mtime)
    }
  })

  t.test(`replaces nothing and follows nothing, ${way}`, async (t) => {
    const { folder, path, leaked } = prepare(t)
    writeFileSync(path, 'old')
    symlinkSync('elsewhere', join(folder, 'link'))
    await t.rejects(create(path, Buffer.from('new'), 0o600, null), { code: 'EEXIST' })
    await t.rejects(create(join(folder, 'link'), Buffer.from('new'), 0o600, null), { code: 'EEXIST' })
    t.equal(readFileSync(path, 'utf8'), 'old')
    t.strictSame(await leaked(), [])
  })

  t.test(`goes on after a write that took only a part, ${way}`, async (t) => {
    const { path } = prepare(t)
    if (isQuick) {
      replaceDuring(t, 'writeSync', () => (fd, bytes, offset, length, position) => {
        return realDisk.writeSync(fd, bytes, offset, Math.min(length, 3), position)
      })
    } else {
      replaceDuring(t, 'write', () => (fd, bytes, offset, length, position) => {
        return realDisk.write(fd, bytes, offset, Math.min(length, 3), position)
      })
    }
    await create(path, Buffer.from('0123456789'), 0o600, null)
    t.equal(readFileSync(path, 'utf8'), '0123456789')
  })

  t.test(`says what fails, and leaves nothing open, ${way}`, async (t) => {
    const { folder, path, leaked } = prepare(t)
    const calls = isQuick ? (['openSync', 'writeSync', 'closeSync'] as const) : (['open', 'write', 'close'] as const)
    for (const call of calls) {
      const fault = injectFault({ call, code: 'EIO' })
      await t.rejects(create(join(folder, call), Buffer.from('x'), 0o600, 1_000), { code: 'EIO' }, call)
      fault.restore()
      t.equal(fault.calls, 1, call)
    }
    const fault = injectFault({ call: timeCall, code: 'EIO' })
    await t.rejects(create(path, Buffer.from('x'), 0o600, 1_000), { code: 'EIO' })
    fault.restore()
    t.strictSame(await leaked(), [])
  })

  t.test(`does without a time where the file system keeps none, ${way}`, async (t) => {
    const { path } = prepare(t)
    failDuring(t, { call: timeCall, code: 'EPERM' })
    await create(path, Buffer.from('x'), 0o600, 1_000)
    t.equal(readFileSync(path, 'utf8'), 'x')
  })

  t.test(`reads a file, ${way}`, async (t) => {
    const { path, leaked } = prepare(t)
    const bytes = bytesOf(999)
    writeFileSync(path, bytes)
    const buffer = Buffer.alloc(1000)
    const reading = readSmallFile(path, buffer, false)
    t.equal(reading instanceof Promise, !isQuick)
    const found = await reading
    t.match(found, { length: 999, fd: null, stats: { size: 999 }, after: { size: 999 } })
    t.ok(buffer.subarray(0, 999).equals(bytes))
    writeFileSync(path, '')
    t.match(await read(path, buffer, false), { length: 0, fd: null })
    t.strictSame(await leaked(), [])
  })

  t.test(`leaves open what is too large, and what is no file, ${way}`, async (t) => {
    const { folder, path } = prepare(t)
    writeFileSync(path, bytesOf(1000))
    makeFifo(join(folder, 'fifo'))
    for (const [place, isFile] of [
      [path, true],
      [join(folder, 'fifo'), false],
      [folder, false],
    ] as const) {
      const { fd, length, stats } = await read(place, Buffer.alloc(1000), false)
      t.type(fd, 'number')
      t.equal(length, 0)
      t.equal(stats.isFile(), isFile)
      closeSync(fd as number)
    }
  })

  t.test(`follows a symlink only if it is told to, ${way}`, async (t) => {
    const { folder, path } = prepare(t)
    writeFileSync(path, 'text')
    symlinkSync('file', join(folder, 'link'))
    await t.rejects(read(join(folder, 'link'), Buffer.alloc(10), false), { code: 'ELOOP' })
    t.match(await read(join(folder, 'link'), Buffer.alloc(10), true), { length: 4 })
  })

  t.test(`shows that a file has changed while it was read, ${way}`, async (t) => {
    const { path } = prepare(t)
    const buffer = Buffer.alloc(1000)
    const whileRead = async (change: () => void) => {
      writeFileSync(path, '0123456789')
      let isChanged = false
      const once = () => {
        if (!isChanged) change()
        isChanged = true
      }
      const restore = doBefore(readCall, once)
      try {
        return await read(path, buffer, false)
      } finally {
        restore()
      }
    }
    t.match(await whileRead(() => appendFileSync(path, 'more')), { length: 11, stats: { size: 10 } })
    t.match(await whileRead(() => truncateSync(path, 4)), { length: 4, stats: { size: 10 }, after: { size: 4 } })
    const same = await whileRead(() => writeFileSync(path, 'abcdefghij'))
    t.match(same, { length: 10 })
    t.not(same.stats.mtimeMs, same.after.mtimeMs)
  })

  t.test(`reads on after a read that gave only a part, ${way}`, async (t) => {
    const { path } = prepare(t)
    writeFileSync(path, '0123456789')
    if (isQuick) {
      replaceDuring(t, 'readSync', () => (fd, buffer, offset, length, position) => {
        return realDisk.readSync(fd, buffer, offset, Math.min(length, 3), position)
      })
    } else {
      replaceDuring(t, 'read', () => (fd, buffer, offset, length, position) => {
        return realDisk.read(fd, buffer, offset, Math.min(length, 3), position)
      })
    }
    const buffer = Buffer.alloc(20)
    t.match(await read(path, buffer, false), { length: 10 })
    t.equal(buffer.toString('latin1', 0, 10), '0123456789')
  })

  t.test(`says what fails when it reads, and leaves nothing open, ${way}`, async (t) => {
    const { folder, path, leaked } = prepare(t)
    await t.rejects(read(join(folder, 'absent'), Buffer.alloc(9), false), { code: 'ENOENT' })
    writeFileSync(path, 'text')
    const statCall = isQuick ? 'fstatSync' : 'fstat'
    for (const [call, occurrence] of [
      [statCall, 1],
      [readCall, 1],
      [statCall, 2],
    ] as const) {
      const fault = injectFault({ call, code: 'EIO', occurrence })
      await t.rejects(read(path, Buffer.alloc(9), false), { code: 'EIO' }, `${call} ${occurrence}`)
      fault.restore()
    }
    t.strictSame(await leaked(), [])
  })
}
