/** What is kept of directories that were not completed. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Directory } from '../../dist/disk/directory.js'
import { FolderDestination } from '../../dist/stores/folder-destination.js'
import { cleanKept } from '../../dist/stores/kept.js'
import { cleanStaging } from '../../dist/stores/staging.js'
import type { Store } from '../../dist/stores/store.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, injectFault } from '../fixtures/disk.ts'
import { keptIn, treeOf } from '../fixtures/folder.ts'
import { finalNames, openFolder, stagedFiles } from '../fixtures/folder-store.ts'
import { directoryHeader, type Item, leave, put, storeTreeIn } from '../fixtures/folder-tree.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { asNobody } from '../fixtures/other-user.ts'

/** Begins a directory and keeps what there is of it. */
async function keepIn(store: Store, name: string, items: readonly Item[]): Promise<string | null> {
  const sink = await store.beginTree(directoryHeader({ name }))
  for (const item of items) await put(sink, item)
  return await sink.keep()
}

const file = (content = 'x'): Item[] => [{ file: 'a', content }]

/** Makes what is kept this old, in hours. */
function age(path: string, name: string, hours: number): void {
  const time = new Date(Date.now() - hours * 3_600_000)
  utimesSync(join(path, '.tcp-recv/kept', name), time, time)
}

async function clean(path: string): Promise<void> {
  const root = await Directory.open(path)
  await cleanKept(root).finally(() => root.close())
}

t.test('keeps what there is, for this user alone, and without a final name', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const leaked = watchOpenFiles(path)
  const items: Item[] = [
    ...file(),
    { enter: 'd' },
    { enter: 'e', mode: 0 },
    leave,
    { large: 'f', pieces: ['la', 'rge'] },
  ]
  const sink = await store.beginTree(directoryHeader({ mode: 0o777, mtime: 5 }))
  for (const item of items) await put(sink, item)
  const large = await sink.begin({ name: 'g', size: 10, mode: null, mtime: null })
  await large.writeLater(Buffer.from('half'), 0)
  await large.discard()
  const kept = join(path, '.tcp-recv/kept/project')
  t.equal(await sink.keep(), kept)
  t.equal(statSync(kept).mode & 0o777, 0o700)
  t.equal(statSync(join(path, '.tcp-recv/kept')).mode & 0o777, 0o700)
  t.equal(statSync(join(kept, 'd/e')).mode & 0o777, 0, 'what was complete has its attributes')
  chmodSync(join(kept, 'd/e'), 0o700)
  t.ok(Date.now() - statSync(kept).mtimeMs < 60_000, 'its age is not the time that the sender gave')
  t.strictSame(keptIn(path), { 'project/a': 'x', 'project/d/e/': '', 'project/d/f': 'large' })
  t.strictSame(finalNames(path), [])
  t.equal(await sink.keep(), null, 'it is over')
  await sink.discard()
  t.ok(existsSync(kept), 'and stays kept')
  t.strictSame(await leaked(), [])
})

t.test('replaces what was kept under the same name, and nothing else', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepIn(store, 'other', file())
  await keepIn(store, 'project', [...file('old'), { enter: 'd' }, { file: 'b', content: '' }])
  chmodSync(join(path, '.tcp-recv/kept/project/d'), 0)
  await keepIn(store, 'project', file('new'))
  t.strictSame(keptIn(path), { 'other/a': 'x', 'project/a': 'new' })
  t.strictSame(
    stagedFiles(path).filter((name) => !name.startsWith('kept/')),
    [],
  )
})

t.test(
  'removes it when a directory of that name is stored, under whatever name, and not when that fails',
  async (t) => {
    for (const ifExists of ['backup', 'overwrite'] as const) {
      const path = t.testdir({ project: { b: '' } })
      const store = await openFolder(t, { path, ifExists })
      await keepIn(store, 'project', file())
      await keepIn(store, 'other', file())
      await storeTreeIn(store, { name: 'third' }, file())
      t.strictSame(keptIn(path), { 'other/a': 'x', 'project/a': 'x' })
      const fault = injectFault({ call: 'rename', code: 'EIO' })
      await t.rejects(storeTreeIn(store, { name: 'project' }, file()))
      fault.restore()
      t.strictSame(keptIn(path), { 'other/a': 'x', 'project/a': 'x' })
      await storeTreeIn(store, { name: 'project' }, file())
      t.strictSame(keptIn(path), { 'other/a': 'x' })
      await storeTreeIn(store, { name: 'other' }, file())
      t.notOk(existsSync(join(path, '.tcp-recv/kept')))
    }
  },
)

t.test('stores a directory all the same if what was kept cannot be removed', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepIn(store, 'project', file())
  const fault = injectFault({ call: 'rename', code: 'EIO', occurrence: 2 })
  await storeTreeIn(store, { name: 'project' }, file())
  fault.restore()
  t.strictSame(finalNames(path), ['project'])
  t.strictSame(keptIn(path), { 'project/a': 'x' })
})

t.test('keeps nothing if that fails anywhere, and leaves nothing', async (t) => {
  for (const call of ['fchmod', 'fsync', 'mkdir', 'rename', 'open'] as const) {
    const path = t.testdir()
    const store = await openFolder(t, { path })
    const leaked = watchOpenFiles(path)
    const sink = await store.beginTree(directoryHeader())
    await put(sink, { file: 'a', content: 'x' })
    const fault = injectFault({ call, code: 'EIO' })
    t.equal(await sink.keep(), null, call)
    t.equal(fault.calls > 0, true)
    fault.restore()
    t.strictSame(keptIn(path), {})
    t.strictSame(stagedFiles(path), [])
    t.strictSame(await leaked(), [])
  }
})

t.test('keeps nothing if a part of a file cannot be removed', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const sink = await store.beginTree(directoryHeader())
  await put(sink, { file: 'a', content: 'x' })
  const large = await sink.begin({ name: 'g', size: 10, mode: null, mtime: null })
  const fault = injectFault({ call: 'unlink', code: 'EIO' })
  await large.discard()
  fault.restore()
  t.equal(await sink.keep(), null)
  t.strictSame(stagedFiles(path), [])
})

t.test('keeps the new one if the old one cannot be removed', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepIn(store, 'project', file('old'))
  const fault = injectFault({ call: 'unlink', code: 'EIO' })
  t.type(await keepIn(store, 'project', file('new')), 'string')
  fault.restore()
  t.strictSame(keptIn(path), { 'project/a': 'new' })
})

t.test('keeps nothing where something cannot be moved away', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepIn(store, 'project', file('old'))
  failDuring(t, { call: 'rename', code: 'EACCES' })
  t.equal(await keepIn(store, 'project', file('new')), null)
  t.strictSame(keptIn(path), { 'project/a': 'old' })
})

t.test('keeps the newest sixteen', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const names = Array.from({ length: 20 }, (_, index) => `tree-${index}`)
  for (const [index, name] of names.entries()) {
    await keepIn(store, name, file())
    age(path, name, 20 - index)
  }
  t.strictSame(readdirSync(join(path, '.tcp-recv/kept')).sort(), names.slice(4).sort())
  failDuring(t, { call: 'lstat', code: 'EIO', occurrence: 0 })
  t.type(await keepIn(store, 'last', file()), 'string', 'it need not be possible to remove the others')
})

t.test('removes what is older than a day when a receiver starts, and nothing else', async (t) => {
  const check = async (t: Test, path: string) => {
    const store = await openFolder(t, { path })
    // The times of what is in a directory are those that the sender gave.
    await keepIn(store, 'old', [{ file: 'a', content: '', mtime: Date.now() + 1e12 }, { enter: 'd' }])
    await keepIn(store, 'young', [{ file: 'a', content: '', mtime: 5 }])
    chmodSync(join(path, '.tcp-recv/kept/old/d'), 0)
    age(path, 'old', 25)
    age(path, 'young', 23)
    const destination = new FolderDestination({ path, ifExists: 'backup' })
    await destination.prepare()
    await destination.close()
    t.strictSame(keptIn(path), { 'young/a': '' })
    age(path, 'young', 25)
    await clean(path)
    t.notOk(existsSync(join(path, '.tcp-recv/kept')))
  }
  await check(t, t.testdir())
  await asNobody(t, async (path) => await check(t, path))
})

t.test('is not cleaned as the folder of a receiver is, however old it is', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepIn(store, 'project', file())
  age(path, '.', 48)
  age(path, 'project', 48)
  const root = await Directory.open(path)
  await cleanStaging(root).finally(() => root.close())
  t.strictSame(keptIn(path), { 'project/a': 'x' })
})

t.test('follows no symlink', async (t) => {
  const folder = t.testdir({ out: {}, outside: { project: { a: 'theirs' } } })
  const path = join(folder, 'out')
  const store = await openFolder(t, { path })
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  symlinkSync('../../outside', join(path, '.tcp-recv/kept'))
  utimesSync(join(folder, 'outside/project'), 5, 5)
  t.equal(await keepIn(store, 'project', file()), null)
  await storeTreeIn(store, { name: 'project' }, file())
  await clean(path)
  t.strictSame(treeOf(join(folder, 'outside')), { 'project/a': 'theirs' })
  t.strictSame(watch.problems(), [])
})

t.test('replaces whatever has the name, and removes a symlink as such', async (t) => {
  const folder = t.testdir({ out: {}, outside: { a: 'theirs' } })
  const path = join(folder, 'out')
  const store = await openFolder(t, { path })
  const kept = join(path, '.tcp-recv/kept')
  mkdirSync(kept)
  symlinkSync('../../../outside', join(kept, 'linked'))
  writeFileSync(join(kept, 'file'), '')
  for (const name of ['linked', 'file']) t.equal(await keepIn(store, name, file()), join(kept, name))
  t.strictSame(keptIn(path), { 'file/a': 'x', 'linked/a': 'x' })
  t.strictSame(treeOf(join(folder, 'outside')), { a: 'theirs' })
})
