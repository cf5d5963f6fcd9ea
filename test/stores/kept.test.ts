/** What is kept of directories that were not completed. */
import { chmodSync, existsSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Store } from '../../dist/stores/store.js'
import { failDuring, injectFault } from '../fixtures/disk.ts'
import { treeOf } from '../fixtures/folder.ts'
import { EDITION, keptFolderOf, keptFolders, keptSizes, makeOld, SOURCE } from '../fixtures/folder-kept.ts'
import { clean, finalNames, openFolder, stagedFiles } from '../fixtures/folder-store.ts'
import { directoryHeader, type Item, leave, put, storeTreeIn } from '../fixtures/folder-tree.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'

/** Begins a directory and keeps what there is of it. */
async function keepIn(store: Store, name: string, items: readonly Item[], source = ''): Promise<string | null> {
  const sink = await store.beginTree(directoryHeader({ name, source }))
  for (const item of items) await put(sink, item)
  return await sink.keep()
}

const file = (content = 'x'): Item[] => [{ file: 'a', content }]

/** What is kept, by the names that the senders gave: the files of each with their text. */
function keptTrees(path: string): Record<string, Record<string, string>> {
  const all = keptFolders(path).map((folder): [string, Record<string, string>] => {
    const { name } = JSON.parse(readFileSync(join(folder, 'about'), 'utf8'))
    return [name, treeOf(join(folder, 'content'))]
  })
  return Object.fromEntries(all.sort())
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
  const kept = await sink.keep()
  if (kept === null) throw new Error('it is not kept')
  t.equal(kept, join(keptFolderOf(path, 'project'), 'content'))
  t.equal(statSync(kept).mode & 0o777, 0o700)
  t.equal(statSync(join(path, '.tcp-recv/kept')).mode & 0o777, 0o700)
  t.equal(statSync(join(kept, 'd/e')).mode & 0o777, 0, 'what was complete has its attributes')
  chmodSync(join(kept, 'd/e'), 0o700)
  t.ok(Date.now() - statSync(join(kept, '..')).mtimeMs < 60_000, 'its age is not the time that the sender gave')
  t.strictSame(keptTrees(path), { project: { a: 'x', 'd/e/': '', 'd/f': 'large' } })
  t.strictSame(keptSizes(path), { project: 6 }, 'which is less than it came to: a file was cut off')
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
  chmodSync(join(keptFolderOf(path, 'project'), 'content/d'), 0)
  await keepIn(store, 'project', file('new'))
  t.strictSame(keptTrees(path), { other: { a: 'x' }, project: { a: 'new' } })
  t.strictSame(
    stagedFiles(path).filter((name) => !name.startsWith('kept/')),
    [],
  )
})

t.test('is taken up by its own sender, and gone when the directory is stored, under whatever name', async (t) => {
  for (const ifExists of ['backup', 'overwrite'] as const) {
    const path = t.testdir({ project: { b: '' } })
    const store = await openFolder(t, { path, ifExists })
    for (const name of ['project', 'other']) await keepIn(store, name, file(), SOURCE)
    await storeTreeIn(store, { name: 'third', source: SOURCE }, file())
    await storeTreeIn(store, { name: 'project', source: EDITION }, file())
    t.strictSame(keptTrees(path), { other: { a: 'x' }, project: { a: 'x' } })
    await storeTreeIn(store, { name: 'project', source: SOURCE }, file())
    t.strictSame(keptTrees(path), { other: { a: 'x' } })
    await storeTreeIn(store, { name: 'other', source: SOURCE }, file())
    t.notOk(existsSync(join(path, '.tcp-recv/kept')))
  }
})

t.test('keeps nothing if that fails anywhere, and leaves nothing', async (t) => {
  for (const call of ['fchmod', 'mkdir', 'rename', 'open'] as const) {
    const path = t.testdir()
    const store = await openFolder(t, { path })
    const leaked = watchOpenFiles(path)
    const sink = await store.beginTree(directoryHeader())
    await put(sink, { file: 'a', content: 'x' })
    const fault = injectFault({ call, code: 'EIO' })
    t.equal(await sink.keep(), null, call)
    t.equal(fault.calls > 0, true)
    fault.restore()
    t.strictSame(keptTrees(path), {})
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
  t.strictSame(keptTrees(path), { project: { a: 'new' } })
})

t.test('keeps nothing where something cannot be moved away', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepIn(store, 'project', file('old'))
  failDuring(t, { call: 'rename', code: 'EACCES' })
  t.equal(await keepIn(store, 'project', file('new')), null)
  t.strictSame(keptTrees(path), { project: { a: 'old' } })
})

t.test('is not cleaned as the folder of a receiver is, however old it is', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepIn(store, 'project', file())
  for (const name of ['..', '.']) makeOld(join(keptFolderOf(path, 'project'), name), 48)
  await clean(path)
  t.strictSame(keptTrees(path), { project: { a: 'x' } })
})

t.test('is its own with each key', async (t) => {
  const path = t.testdir()
  for (const owner of ['alice', 'bob']) {
    await keepIn(await openFolder(t, { path, owner }), 'project', file(owner), SOURCE)
  }
  t.equal(keptFolders(path).length, 2)
  await storeTreeIn(await openFolder(t, { path, owner: 'alice' }), { name: 'project', source: SOURCE }, file())
  t.strictSame(keptTrees(path), { project: { a: 'bob' } })
})

t.test('keeps nothing for no time', async (t) => {
  const path = t.testdir()
  t.equal(await keepIn(await openFolder(t, { path, keepPartial: 0 }), 'project', file()), null)
  t.strictSame(stagedFiles(path), [])
})

t.test('follows no symlink', async (t) => {
  const folder = t.testdir({ out: {}, outside: { project: { a: 'theirs' } } })
  const path = join(folder, 'out')
  const store = await openFolder(t, { path })
  const leaked = watchOpenFiles(folder)
  symlinkSync('../../outside', join(path, '.tcp-recv/kept'))
  utimesSync(join(folder, 'outside/project'), 5, 5)
  t.equal(await keepIn(store, 'project', file()), null)
  await storeTreeIn(store, { name: 'project' }, file())
  await clean(path)
  t.strictSame(treeOf(join(folder, 'outside')), { 'project/a': 'theirs' })
  t.strictSame(await leaked(), [])
})

t.test('replaces whatever has the name, and removes a symlink as such', async (t) => {
  const folder = t.testdir({ out: {}, outside: { a: 'theirs' } })
  const path = join(folder, 'out')
  const store = await openFolder(t, { path })
  const makes = [
    (place: string) => symlinkSync(join(folder, 'outside'), place),
    (place: string) => writeFileSync(place, ''),
  ]
  await keepIn(store, 'project', file())
  const place = keptFolderOf(path, 'project')
  for (const make of makes) {
    rmSync(place, { recursive: true })
    make(place)
    t.equal(await keepIn(store, 'project', file()), join(place, 'content'))
    t.strictSame(keptTrees(path), { project: { a: 'x' } })
  }
  t.strictSame(treeOf(join(folder, 'outside')), { a: 'theirs' })
})
