import {
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FolderStore } from '../../dist/stores/folder-store.js'
import { STAGING } from '../../dist/stores/staging.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, injectFault, realDisk, replaceDuring } from '../fixtures/disk.ts'
import {
  contentOf,
  finalNames,
  folderOptions,
  header,
  openFolder,
  stagedFiles,
  storeIn,
} from '../fixtures/folder-store.ts'
import { append } from '../fixtures/sinks.ts'

t.test('stores what was written, piece by piece, and says where', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  t.strictSame(await storeIn(store, { name: 'a.txt' }, 'one ', 'two ', 'three'), {
    name: 'a.txt',
    path: join(path, 'a.txt'),
  })
  t.equal(contentOf(path, 'a.txt'), 'one two three')
  t.strictSame(stagedFiles(path), [])
})

t.test('stores an empty file, and many files one after the other', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await storeIn(store, { name: 'empty', size: 0 })
  for (const name of ['x', 'y']) await storeIn(store, { name }, name)
  t.strictSame(finalNames(path), ['empty', 'x', 'y'])
  t.equal(statSync(join(path, 'empty')).size, 0)
})

t.test('says the whole path of a name of 255 bytes', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  for (const name of ['n'.repeat(255), `${'é'.repeat(125)}.txt`]) {
    t.strictSame(await storeIn(store, { name }, 'long'), { name, path: join(path, name) })
    t.equal(contentOf(path, name), 'long')
    const backup = await storeIn(store, { name }, 'again')
    t.equal(contentOf(backup.path), 'again')
  }
})

t.test('shows nothing under the final name before the commit, and nothing at all after a discard', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const entry = await store.begin(header())
  await append(entry, Buffer.from('half'))
  t.strictSame(finalNames(path), [])
  t.equal(stagedFiles(path).length, 1)
  await entry.discard()
  t.strictSame(finalNames(path), [])
  t.strictSame(stagedFiles(path), [])
})

t.test('makes the file durable before it has its name, and the name before it says so', async (t) => {
  const path = t.testdir()
  const steps: string[] = []
  replaceDuring(t, 'fsync', (current) => async (fd) => {
    await current(fd)
    const stats = await realDisk.fstat(fd)
    steps.push(`${stats.isDirectory() ? 'folder' : `${stats.size} bytes`}, names: ${finalNames(path)}`)
  })
  await storeIn(await openFolder(t, { path }), {}, 'durable')
  t.strictSame(steps, ['7 bytes, names: ', 'folder, names: file.txt'])
})

t.test('takes names as they are that other systems or shells would take for something else', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const names = [
    '-rf',
    '~',
    '$(id)',
    '`id`',
    '; rm x',
    '%2e%2e%2f',
    'a%2fb',
    '．．／x',
    ' name',
    'name.',
    '...',
    'aux.c',
  ]
  for (const name of [...names, 'a:b.log', '👨‍👩‍👧.png', '\u200eعربي.txt', '__proto__']) {
    t.equal((await storeIn(store, { name }, name)).name, name)
    t.equal(contentOf(path, name), name)
  }
  t.equal((await storeIn(store, { name: '...' }, 'again')).name, '..._bak')
})

t.test('keeps apart what the file system keeps apart', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  for (const name of ['README', 'readme', 'é', 'e\u0301']) await storeIn(store, { name }, name)
  const contents = finalNames(path).map((name) => contentOf(path, name))
  t.strictSame(contents.sort(), ['README', 'readme', 'é', 'e\u0301'].sort())
})

t.test('refuses at once what does not fit, with both figures', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  replaceDuring(t, 'statfs', (current) => async (asked) => {
    return Object.assign(await current(asked), { bavail: 2, bsize: 512, blocks: 100 })
  })
  await t.rejects(store.begin(header({ size: 1025 })), {
    code: 'refused',
    reason: 'no-space',
    peerMessage: 'the file has 1025 bytes, and only 1024 are free there',
  })
  t.strictSame(stagedFiles(path), [])
  await t.resolves(storeIn(store, { name: 'fits', size: 1024 }, Buffer.alloc(1024)))
  await t.resolves(storeIn(store, { name: 'unknown', size: null }, Buffer.alloc(2048)))
})

t.test('takes what it can where the file system does not know its own size', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  replaceDuring(t, 'statfs', (current) => async (asked) => {
    return Object.assign(await current(asked), { bavail: 0, bfree: 0, blocks: 0 })
  })
  await t.resolves(storeIn(store, { size: 1 }, 'x'))
})

t.test('takes what it can where the file system cannot be asked for its size', async (t) => {
  for (const code of ['ENOSYS', 'ENOTSUP', 'EPERM']) {
    const path = t.testdir()
    const store = await openFolder(t, { path })
    const fault = injectFault({ call: 'statfs', code, occurrence: 0 })
    await t.resolves(storeIn(store, { size: 1 }, 'x'), code)
    fault.restore()
    t.equal(fault.calls, 1)
  }
})

t.test('does not need to know the free space of what it has no size of', async (t) => {
  failDuring(t, { call: 'statfs', code: 'EIO', occurrence: 0 })
  const store = await openFolder(t, { path: t.testdir() })
  await t.resolves(storeIn(store, { size: null }, 'x'))
  await t.rejects(store.begin(header({ size: 1 })), { code: 'local-file', reason: 'disk' })
})

t.test('says what is wrong with the folder itself, with its path on this side only', async (t) => {
  const path = t.testdir({ file: '', linked: { [STAGING]: t.fixture('symlink', '../outside') }, outside: {} })
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  for (const name of ['absent', 'file', 'linked']) {
    const options = await folderOptions({ path: join(path, name) })
    const error = await FolderStore.open(options).then(
      () => t.fail('it was opened'),
      (thrown) => thrown,
    )
    t.match(error, { code: 'local-file', reason: 'disk', exitCode: 8 }, name)
    const place =
      name === 'linked' ? `use the staging folder ${join(options.path, STAGING)}` : `store in ${options.path}`
    t.ok(error.message.startsWith(`cannot ${place}: `), error.message)
    t.notMatch(error.peerMessage, path)
  }
  t.strictSame(finalNames(join(path, 'outside')), [])
  t.strictSame(watch.problems(), [])
})

t.test('says so when its folder is removed while it runs, and recovers when it is back', async (t) => {
  const path = join(t.testdir({ out: {} }), 'out')
  const options = await folderOptions({ path })
  const store = await FolderStore.open(options)
  const entry = await store.begin(header())
  rmSync(path, { recursive: true })
  await t.rejects(entry.commit(), { code: 'local-file', reason: 'disk' })
  await t.rejects(store.begin(header()), { code: 'local-file', reason: 'disk' })
  await store.close()
  await t.rejects(FolderStore.open(options), { code: 'local-file', reason: 'disk' })
  mkdirSync(path)
  await storeIn(await openFolder(t, { path }), {}, 'back')
  t.equal(contentOf(path, 'file.txt'), 'back')
})

t.test('stays in the folder that it has opened when a symlink takes its place', async (t) => {
  const path = t.testdir({ out: {}, outside: {} })
  const out = join(path, 'out')
  const store = await openFolder(t, { path: out, ifExists: 'overwrite' })
  const swap = () => {
    renameSync(out, join(path, 'moved'))
    symlinkSync('outside', out)
  }
  const entry = await store.begin(header())
  swap()
  await append(entry, Buffer.from('inside'))
  await entry.commit()
  await storeIn(store, { name: 'second' }, 'inside too')
  await (await store.begin(header())).discard()
  t.strictSame(finalNames(join(path, 'outside')), [])
  t.strictSame(finalNames(join(path, 'moved')), ['file.txt', 'second'])
  t.strictSame(stagedFiles(join(path, 'moved')), [])
})

t.test('stays in its staging folder when a symlink takes its place', async (t) => {
  const path = t.testdir({ out: {}, outside: {} })
  const out = join(path, 'out')
  const store = await openFolder(t, { path: out })
  renameSync(join(out, STAGING), join(path, 'moved'))
  symlinkSync('../outside', join(out, STAGING))
  await storeIn(store, {}, 'inside')
  t.equal(contentOf(out, 'file.txt'), 'inside')
  t.strictSame(finalNames(join(path, 'outside')), [])
})

t.test('writes nothing through a symlink that is swapped in under the final name', async (t) => {
  const path = t.testdir({ out: {}, 'target.txt': 'untouched' })
  const out = join(path, 'out')
  for (const ifExists of ['backup', 'overwrite'] as const) {
    const entry = await (await openFolder(t, { path: out, ifExists })).begin(header({ name: ifExists }))
    await append(entry, Buffer.from('new'))
    symlinkSync('../target.txt', join(out, ifExists))
    await entry.commit()
  }
  t.equal(contentOf(path, 'target.txt'), 'untouched')
  t.strictSame(finalNames(out), ['backup', 'backup_bak', 'overwrite'])
  t.equal(contentOf(out, 'overwrite'), 'new')
})

t.test('gives all its descriptors back, stored or not', async (t) => {
  const path = t.testdir()
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  const store = await FolderStore.open(await folderOptions({ path }))
  await storeIn(store, {}, 'stored')
  await (await store.begin(header())).discard()
  writeFileSync(join(path, 'taken'), '')
  await store.close()
  t.strictSame(watch.problems(), [])
})

t.test('says where a file is if the folder was moved meanwhile', async (t) => {
  const folder = t.testdir({ out: {} })
  const path = join(folder, 'out')
  const store = await openFolder(t, { path })
  renameSync(path, join(folder, 'moved'))
  t.match(await storeIn(store, {}, 'x'), { path: join(realpathSync(folder), 'moved', 'file.txt') })
  mkdirSync(path)
  const stored = await storeIn(store, {}, 'y')
  t.match(stored, { path: join(realpathSync(folder), 'moved', 'file_bak.txt') }, 'another folder has its name')
  t.equal(readFileSync(stored.path as string, 'utf8'), 'y')
  // A symlink to it is as good.
  rmdirSync(path)
  symlinkSync('moved', path)
  t.match(await storeIn(store, {}, 'z'), { path: join(path, 'file_bak2.txt') })
})

t.test('says the path that it was given if the system cannot tell another', async (t) => {
  const folder = t.testdir({ out: {} })
  const path = join(folder, 'out')
  const store = await openFolder(t, { path })
  renameSync(path, join(folder, 'moved'))
  failDuring(t, { call: 'readlink', code: 'EACCES' })
  t.match(await storeIn(store, {}, 'x'), { path: join(path, 'file.txt') })
})
