/** A directory on its way into a folder. */
import { chmodSync, existsSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { TransferError } from '../../dist/errors.js'
import { failDuring, injectFault, realDisk, replaceDuring, systemError } from '../fixtures/disk.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { AlwaysQuick, finalNames, NeverQuick, openFolder, stagedFiles } from '../fixtures/folder-store.ts'
import { directoryHeader, leave, put, sampleItems, sampleTree, storeTreeIn } from '../fixtures/folder-tree.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { asNobody } from '../fixtures/other-user.ts'
import { setQuick, tellTree } from '../fixtures/tree.ts'

const contentOnly = { contentOnly: true }

for (const isQuick of [true, false]) {
  t.test(`stores everything with its attributes, ${isQuick ? 'at once' : 'through the thread pool'}`, async (t) => {
    setQuick(t, isQuick)
    const path = t.testdir()
    const blocking = isQuick ? new AlwaysQuick() : new NeverQuick()
    const store = await openFolder(t, { path, blocking, umask: process.umask() })
    const leaked = watchOpenFiles(path)
    const stored = await storeTreeIn(store, { mode: 0o750, mtime: 1_300_000_000_321 }, sampleItems)
    t.strictSame(stored, { name: 'project', path: join(path, 'project') })
    const told = tellTree(join(path, 'project'))
    const now = told['d/empty']
    t.match(now, /^directory 755 \d+$/)
    t.strictSame(told, {
      '.': 'directory 750 1300000000321',
      'a.txt': 'file 640 1700000000123 small',
      d: 'directory 755 1600000000456',
      'd/b': 'symlink  1500000000789 ../a.txt',
      'd/c.bin': 'file 755 1400000000000 large',
      'd/empty': now,
    })
    t.strictSame(stagedFiles(path), [])
    t.strictSame(await leaked(), [])
  })
}

t.test('stores an empty directory, and one with large files', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await storeTreeIn(store, { name: 'empty' }, [])
  t.strictSame(tellTree(join(path, 'empty'), contentOnly), { '.': 'directory' })
  const bytes = bytesOf(3_000_000)
  const pieces = [bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)]
  await storeTreeIn(store, { name: 'large' }, [{ large: 'x', pieces }])
  t.equal(statSync(join(path, 'large/x')).size, 3_000_000)
})

t.test('drops set-id and sticky bits, and the bits of the umask', async (t) => {
  const path = t.testdir()
  const umask = process.umask(0o027)
  t.teardown(() => process.umask(umask))
  const store = await openFolder(t, { path, umask: 0o027 })
  await storeTreeIn(store, { mode: 0o7777 }, [
    { file: 'a', content: '', mode: 0o7777 },
    { enter: 'b', mode: 0o7777 },
    leave,
    { large: 'c', pieces: ['x'], mode: 0o7777 },
    { large: 'd', pieces: ['x'] },
    { file: 'e', content: '' },
  ])
  const modes = Object.entries(tellTree(join(path, 'project'))).map(([name, told]) => `${name} ${told.split(' ')[1]}`)
  t.strictSame(modes, ['. 750', 'a 750', 'b 750', 'c 750', 'd 640', 'e 640'])
})

t.test('stores what its owner may neither change nor read', async (t) => {
  await asNobody(t, async (path) => {
    const store = await openFolder(t, { path })
    const leaked = watchOpenFiles(path)
    const items = [
      { file: 'a', content: 'x', mode: 0 },
      { enter: 'd', mode: 0o555 },
      { file: 'b', content: 'x', mode: 0o444 },
      { enter: 'closed', mode: 0o300 },
      { file: 'c', content: 'x', mode: 0o200 },
      leave,
      leave,
      { large: 'e', pieces: ['x'], mode: 0 },
    ]
    replaceDuring(t, 'syncFileSystem', () => async () => true)
    await storeTreeIn(store, { mode: 0o555 }, items)
    const modes = ['.', 'a', 'd', 'd/b', 'd/closed', 'e'].map(
      (name) => statSync(join(path, 'project', name)).mode & 0o777,
    )
    t.strictSame(modes, [0o555, 0, 0o555, 0o444, 0o300, 0])
    // Once more, and it fails at the very end.
    for (const call of ['fsync', 'fchmod'] as const) {
      const fault = injectFault({ call, code: 'EIO', occurrence: call === 'fsync' ? 1 : 4 })
      await t.rejects(storeTreeIn(store, { name: call, mode: 0o555 }, items), { code: 'local-file', message: /EIO/ })
      fault.restore()
      t.equal(fault.calls, call === 'fsync' ? 1 : 4)
    }
    t.strictSame(finalNames(path), ['project'])
    t.strictSame(stagedFiles(path), [])
    t.strictSame(await leaked(), [])
  })
})

t.test('shows nothing under its name before everything is there, and nothing after it was discarded', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const leaked = watchOpenFiles(path)
  for (let count = 0; count <= sampleItems.length; count++) {
    const sink = await store.beginTree(directoryHeader())
    for (const item of sampleItems.slice(0, count)) await put(sink, item)
    t.strictSame(finalNames(path), [])
    await sink.discard()
    await sink.discard()
    t.strictSame(stagedFiles(path), [])
  }
  const sink = await store.beginTree(directoryHeader())
  const file = await sink.begin({ name: 'x', size: 9, mode: null, mtime: null })
  await file.writeLater(Buffer.from('half'), 0)
  await file.discard()
  await sink.discard()
  t.strictSame(stagedFiles(path), [])
  t.strictSame(await leaked(), [])
})

t.test('is discarded with a large file that is still open', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const leaked = watchOpenFiles(path)
  const sink = await store.beginTree(directoryHeader())
  const file = await sink.begin({ name: 'x', size: 9, mode: null, mtime: null })
  t.ok(file.write(Buffer.from('half'), 0))
  await sink.discard()
  await file.discard()
  t.strictSame(stagedFiles(path), [])
  t.strictSame(await leaked(), [])
})

/** What is said when the item of that name fails with this error. */
async function failingItem(t: Test, code: string, call: 'openSync' | 'open' | 'mkdir' | 'symlink' | 'lutimes') {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const items = {
    openSync: { file: 'bad', content: '' },
    open: { large: 'bad', pieces: [''] },
    mkdir: { enter: 'bad' },
    symlink: { symlink: 'bad', to: 'x', mtime: 5 },
    lutimes: { symlink: 'bad', to: 'x', mtime: 5 },
  }
  const sink = await store.beginTree(directoryHeader())
  await put(sink, { enter: 'sub' })
  const fault = injectFault({ call, code })
  const error = (await put(sink, items[call]).catch((thrown) => thrown)) as TransferError
  fault.restore()
  await sink.discard()
  t.strictSame(stagedFiles(path), [])
  t.notOk(error.peerMessage.includes(path), 'the peer hears no path of this side')
  return { error, path: join(path, 'project/sub/bad') }
}

t.test('names the item that could not be stored', async (t) => {
  setQuick(t, true)
  for (const call of ['openSync', 'open', 'mkdir', 'symlink', 'lutimes'] as const) {
    const { error, path } = await failingItem(t, 'EIO', call)
    t.match(error, { code: 'local-file', reason: 'disk' })
    t.ok(error.message.includes(`${path}: i/o error (EIO)`), error.message)
    t.match((await failingItem(t, 'ENOSPC', call)).error, { reason: 'no-space', peerMessage: 'its disk is full' })
  }
})

t.test('refuses two names that the file system takes for the same', async (t) => {
  setQuick(t, true)
  const message = 'the file system there takes "project/sub/bad" for another name in the same directory'
  for (const call of ['openSync', 'open', 'mkdir', 'symlink'] as const) {
    const { error } = await failingItem(t, 'EEXIST', call)
    t.match(error, { code: 'refused', reason: 'name', message, peerMessage: message })
  }
})

t.test('refuses a symlink where there are none, and does without their times', async (t) => {
  setQuick(t, true)
  const message = 'the file system there holds no symlinks: "project/sub/bad"'
  for (const code of ['EPERM', 'ENOTSUP']) {
    t.match((await failingItem(t, code, 'symlink')).error, { code: 'refused', reason: 'policy', message })
  }
  const path = t.testdir()
  failDuring(t, { call: 'lutimes', code: 'ENOSYS' })
  await storeTreeIn(await openFolder(t, { path }), {}, [{ symlink: 'a', to: 'b', mtime: 5 }])
  t.strictSame(tellTree(join(path, 'project'), contentOnly), { '.': 'directory', a: 'symlink b' })
})

t.test('refuses a name that the file system cannot hold', async (t) => {
  setQuick(t, true)
  const path = t.testdir()
  const store = await openFolder(t, { path })
  for (const item of [
    { file: 'bad:', content: '' },
    { enter: 'bad:' },
    { large: 'bad:', pieces: [] },
    { symlink: 'bad:', to: 'x' },
  ]) {
    const refuse = (place: unknown) => {
      if (String(place).endsWith('bad:')) throw systemError('EINVAL')
    }
    replaceDuring(t, 'openSync', (current) => (...args) => {
      refuse(args[0])
      return current(...args)
    })
    for (const call of ['open', 'mkdir'] as const) {
      replaceDuring(
        t,
        call,
        (current) =>
          (async (...args: never[]) => {
            refuse(args[0])
            return await (current as (...args: never[]) => Promise<unknown>)(...args)
          }) as never,
      )
    }
    replaceDuring(t, 'symlink', (current) => async (...args) => {
      refuse(args[1])
      await current(...args)
    })
    const message = 'the name "project/bad:" is refused: the file system there cannot hold it'
    await t.rejects(storeTreeIn(store, {}, [item]), { code: 'refused', reason: 'name', message })
    t.strictSame(stagedFiles(path), [])
  }
})

t.test('does not blame the name when the staging folder has gone', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const sink = await store.beginTree(directoryHeader())
  rmSync(join(path, '.tcp-recv'), { recursive: true })
  await t.rejects(put(sink, { file: 'a', content: '' }), { code: 'local-file', message: /ENOENT/ })
  await t.rejects(sink.commit(), { code: 'local-file', message: /ENOENT/ })
  t.strictSame(readdirSync(path), [])
})

t.test('says what fails in a large file, and closes it', async (t) => {
  const path = t.testdir()
  const item = { large: 'x', pieces: ['some', 'bytes'] }
  // The folder has a small file with a description, which is written first.
  setQuick(t, true)
  for (const [call, occurrence, blocking] of [
    ['writeSync', 3, new AlwaysQuick()],
    ['write', 2, new NeverQuick()],
    ['open', 3, new AlwaysQuick()],
    ['futimes', 1, new AlwaysQuick()],
  ] as const) {
    const store = await openFolder(t, { path, blocking })
    const leaked = watchOpenFiles(path)
    const fault = injectFault({ call, code: 'EIO', occurrence })
    const message = `cannot write ${join(path, 'project', 'x')}: i/o error (EIO)`
    await t.rejects(storeTreeIn(store, {}, [{ ...item, mtime: 5 }]), { code: 'local-file', message }, call)
    fault.restore()
    t.strictSame(stagedFiles(path), [])
    t.strictSame(await leaked(), [])
  }
})

t.test('takes the name back when the folder cannot be made durable, or says that it could not', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  let isRoot = false
  replaceDuring(t, 'fsync', (current) => async (fd) => {
    isRoot = (await realDisk.fstat(fd)).ino === statSync(path).ino
    if (isRoot) throw systemError('EIO', 'fsync')
    await current(fd)
  })
  await t.rejects(storeTreeIn(store, {}, sampleItems), {
    code: 'local-file',
    message: `cannot store ${join(path, 'project')}: i/o error (EIO)`,
  })
  t.strictSame(finalNames(path), [])
  t.strictSame(stagedFiles(path), [])
  failDuring(t, { call: 'rename', code: 'EIO', occurrence: 2 })
  const why = 'is stored, but a crash may undo that, because the folder cannot be fsynced: i/o error (EIO)'
  await t.rejects(storeTreeIn(store, {}, sampleItems), {
    code: 'local-file',
    message: `${join(path, 'project')} ${why}`,
    peerMessage: `"project" ${why.replace('stored,', 'stored there,')}`,
  })
  t.strictSame(tellTree(join(path, 'project'), contentOnly), sampleTree)
})

t.test('does not leave the folder that it has opened through a symlink that takes its place', async (t) => {
  const folder = t.testdir({ outside: {}, out: {} })
  const path = join(folder, 'out')
  const store = await openFolder(t, { path })
  const sink = await store.beginTree(directoryHeader())
  await put(sink, { enter: 'd' })
  const [id] = readdirSync(join(path, '.tcp-recv')) as [string]
  const [number] = readdirSync(join(path, '.tcp-recv', id)) as [string]
  const staged = join(path, '.tcp-recv', id, number, 'content')
  await realDisk.rename(join(staged, 'd'), join(staged, 'moved'))
  symlinkSync(join(folder, 'outside'), join(staged, 'd'))
  await put(sink, { file: 'x', content: 'x' })
  await put(sink, { large: 'y', pieces: ['y'] })
  t.strictSame(readdirSync(join(folder, 'outside')), [])
  await sink.discard()
  t.ok(existsSync(join(folder, 'outside')), 'nor is what it leads to removed')
  chmodSync(path, 0o755)
})

t.test('does not store a large file of which the disk has lost something while it was sealed', async (t) => {
  const path = t.testdir({})
  const store = await openFolder(t, { path, blocking: new AlwaysQuick() })
  failDuring(t, { call: 'fdatasync', code: 'EIO' })
  const pieces = Array.from({ length: 17 }, () => Buffer.alloc(1024 ** 2))
  await t.rejects(storeTreeIn(store, {}, [{ large: 'x', pieces }]), { code: 'local-file', message: /EIO/ })
  t.strictSame([finalNames(path), stagedFiles(path)], [[], []])
})
