/** A directory whose name is taken by a directory: its files are moved there. */
import { chmodSync, readdirSync, renameSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { IfExists } from '../../dist/stores/final-name.js'
import type { StoredAs } from '../../dist/stores/store.js'
import { failDuring, injectFault, replaceDuring } from '../fixtures/disk.ts'
import { finalNames, openFolder, stagedFiles } from '../fixtures/folder-store.ts'
import { type Item, leave, storeTreeIn } from '../fixtures/folder-tree.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { asNobody } from '../fixtures/other-user.ts'
import { makeTree, type Tree, tellTree } from '../fixtures/tree.ts'

const contentOnly = { contentOnly: true }

const items: readonly Item[] = [
  { file: 'a', content: 'new' },
  { symlink: 'b', to: 'new' },
  { enter: 'both' },
  { file: 'c', content: 'new' },
  { large: 'd', pieces: ['new'] },
  { enter: 'deep' },
  { file: 'e', content: 'new' },
  leave,
  leave,
  { file: 'both!', content: 'new' },
  { enter: 'fresh' },
  { file: 'f', content: 'new' },
  leave,
]

/** What the items are when nothing was there. */
const fresh = {
  a: 'file new',
  b: 'symlink new',
  'both!': 'file new',
  'both/c': 'file new',
  'both/d': 'file new',
  'both/deep/e': 'file new',
  'fresh/f': 'file new',
}

/** The files and symlinks of a directory. */
function filesOf(folder: string): Record<string, string> {
  return Object.fromEntries(Object.entries(tellTree(folder, contentOnly)).filter(([, what]) => what !== 'directory'))
}

function skippedOf({ skipped }: StoredAs): unknown[] {
  const paths = [...(skipped?.lines() ?? [])].map((line) => JSON.parse(line)[0])
  skipped?.close()
  return paths
}

/** A folder in which the name is taken by this directory. */
async function taken(t: Test, ifExists: IfExists, tree: Tree, path = t.testdir()) {
  makeTree(join(path, 'project'), tree)
  const store = await openFolder(t, { path, ifExists })
  return { path, store, project: join(path, 'project'), leaked: watchOpenFiles(path) }
}

const there: Tree = {
  a: 'old',
  b: { to: 'old' },
  'both/c': 'old',
  'both/deep/e': { to: '../../../outside' },
  'both/other': 'old',
  other: 'old',
}

for (const links of [true, false]) {
  const how = links ? '' : ', without hard links'
  const noLinks = (t: Test) => {
    if (!links) failDuring(t, { call: 'link', code: 'EPERM', occurrence: 0 })
  }

  t.test(`puts new files beside what is there${how}`, async (t) => {
    noLinks(t)
    for (const ifExists of ['overwrite', 'skip', 'fail'] as const) {
      const { path, store, project, leaked } = await taken(t, ifExists, { other: 'old', 'both/deep/other': 'old' })
      const stored = await storeTreeIn(store, { mode: 0o700, mtime: 5 }, items)
      t.match(stored, { name: 'project', path: project })
      t.strictSame(skippedOf(stored), [])
      t.strictSame(filesOf(project), { ...fresh, 'both/deep/other': 'file old', other: 'file old' })
      t.equal(statSync(project).mode & 0o777, 0o755, 'the directory that is there stays as it is')
      t.strictSame(stagedFiles(path), [])
      t.strictSame(await leaked(), [])
    }
  })

  t.test(`replaces files and symlinks, and follows none${how}`, async (t) => {
    noLinks(t)
    const { path, store, project } = await taken(t, 'overwrite', there)
    makeTree(path, { outside: 'outside' })
    t.strictSame(skippedOf(await storeTreeIn(store, {}, items)), [])
    t.strictSame(filesOf(project), { ...fresh, 'both/other': 'file old', other: 'file old' })
    t.strictSame(finalNames(path), ['outside', 'project'])
    t.equal(tellTree(path, contentOnly).outside, 'file outside')
    t.strictSame(stagedFiles(path), [])
  })

  t.test(`skips files and symlinks that are there, and tells which${how}`, async (t) => {
    noLinks(t)
    const { path, store, project, leaked } = await taken(t, 'skip', { ...there, 'both/d/': '' })
    t.strictSame(skippedOf(await storeTreeIn(store, {}, items)), ['a', 'b', 'both/c', 'both/d', 'both/deep/e'])
    t.strictSame(filesOf(project), {
      a: 'file old',
      b: 'symlink old',
      'both!': 'file new',
      'both/c': 'file old',
      'both/deep/e': 'symlink ../../../outside',
      'both/other': 'file old',
      'fresh/f': 'file new',
      other: 'file old',
    })
    t.strictSame(stagedFiles(path), [], 'what was skipped takes no place')
    t.strictSame(await leaked(), [])
  })
}

t.test('moves nothing if anything is there and must not be', async (t) => {
  for (const [tree, name] of [
    [{ a: 'old' }, 'a'],
    [{ b: { to: 'old' } }, 'b'],
    [{ 'a/': '' }, 'a'],
    [{ both: 'old' }, 'both'],
    [{ 'both/deep/e': 'old' }, 'both/deep/e'],
  ] as [Tree, string][]) {
    const { path, store, project, leaked } = await taken(t, 'fail', tree)
    const before = tellTree(project)
    const message = `it has "project/${name}" already`
    await t.rejects(storeTreeIn(store, {}, items), { code: 'refused', reason: 'exists', message, peerMessage: message })
    t.strictSame(tellTree(project), before)
    t.strictSame(stagedFiles(path), [])
    t.strictSame(await leaked(), [])
  }
})

t.test('moves nothing if a file is where a directory must be, or the other way round', async (t) => {
  const noDirectory = (path: string) => `it has something named "project/${path}" that is no directory`
  for (const [ifExists, tree, message] of [
    ['overwrite', { both: 'old' }, noDirectory('both')],
    ['skip', { both: 'old' }, noDirectory('both')],
    ['overwrite', { both: { to: '.' } }, noDirectory('both')],
    ['skip', { 'both/deep': { to: '/' } }, noDirectory('both/deep')],
    ['overwrite', { 'both/deep/e/': '' }, 'it has a folder named "project/both/deep/e"'],
  ] as [IfExists, Tree, string][]) {
    const { path, store, project } = await taken(t, ifExists, tree)
    const before = tellTree(project)
    await t.rejects(storeTreeIn(store, {}, items), { code: 'refused', reason: 'exists', message, peerMessage: message })
    t.strictSame(tellTree(project), before)
    t.strictSame(stagedFiles(path), [])
  }
})

t.test('moves things out of directories that their owner may not change', async (t) => {
  await asNobody(t, async (path) => {
    replaceDuring(t, 'syncFileSystem', () => async () => true)
    const modes: readonly Item[] = [
      { enter: 'both', mode: 0o555 },
      { file: 'c', content: 'new', mode: 0o444 },
      { enter: 'fresh', mode: 0o500 },
      { file: 'd', content: 'new', mode: 0 },
      leave,
      leave,
      { enter: 'closed', mode: 0 },
      { file: 'e', content: 'new' },
      leave,
    ]
    for (const ifExists of ['overwrite', 'skip', 'fail'] as const) {
      const folder = join(path, ifExists)
      const { store, project } = await taken(t, ifExists, { 'both/': '' }, folder)
      await storeTreeIn(store, { mode: 0o555 }, modes)
      const found = ['.', 'both', 'both/c', 'both/fresh', 'closed'].map((name) => statSync(join(project, name)).mode)
      t.strictSame(
        found.map((mode) => mode & 0o777),
        [0o755, 0o755, 0o444, 0o500, 0],
      )
      t.strictSame(stagedFiles(folder), [])
      chmodSync(join(project, 'both/fresh'), 0o700)
      chmodSync(join(project, 'closed'), 0o700)
      t.strictSame(readdirSync(join(project, 'closed')), ['e'])
    }
  })
})

t.test('says that a part is stored if it fails halfway', async (t) => {
  for (const [ifExists, call, occurrence] of [
    ['overwrite', 'rename', 3],
    ['skip', 'link', 2],
    ['skip', 'fsync', 12],
  ] as const) {
    const { path, store, project, leaked } = await taken(t, ifExists, { 'both/': '' })
    const fault = injectFault({ call, code: 'EIO', occurrence })
    const why = 'is stored in part, because moving it into the directory there has failed: i/o error (EIO)'
    await t.rejects(storeTreeIn(store, {}, items), {
      code: 'local-file',
      reason: 'disk',
      message: `${project} ${why}`,
      peerMessage: `"project" ${why}`,
    })
    fault.restore()
    t.equal(fault.calls, occurrence)
    t.equal(filesOf(project).a, 'file new')
    t.strictSame(stagedFiles(path), [])
    t.strictSame(await leaked(), [])
  }
})

t.test('says so if everything is moved and the folder cannot be made durable', async (t) => {
  const { path, store, project, leaked } = await taken(t, 'skip', { a: 'old' })
  const calls = injectFault({ call: 'fsync', code: 'EIO', occurrence: 12 })
  const why = 'but a crash may undo that, because the folder cannot be fsynced: i/o error (EIO)'
  await t.rejects(storeTreeIn(store, {}, items), { code: 'local-file', message: `${project} is stored, ${why}` })
  calls.restore()
  t.equal(calls.calls, 12)
  t.strictSame(stagedFiles(path), [])
  t.strictSame(await leaked(), [])
})

t.test('refuses a file that comes between the check and the move', async (t) => {
  const { path, store, project } = await taken(t, 'fail', {})
  replaceDuring(t, 'link', (current) => async (from, to) => {
    if (to.endsWith('/both!')) makeTree(project, { 'both!': 'old' })
    await current(from, to)
  })
  await t.rejects(storeTreeIn(store, {}, items), {
    code: 'local-file',
    peerMessage: /^"project" is stored in part, .*: it has "project\/both!" already$/,
  })
  t.equal(filesOf(project)['both!'], 'file old')
  t.strictSame(stagedFiles(path), [])
})

t.test('does not follow a symlink that takes the place of a directory between two calls', async (t) => {
  const { path, store, project, leaked } = await taken(t, 'overwrite', { 'both/x': '' })
  makeTree(path, { 'outside/y': '' })
  let looks = 0
  replaceDuring(t, 'lstat', (current) => async (place) => {
    const stats = await current(place)
    if (!place.endsWith('/both') || ++looks !== 3) return stats
    renameSync(join(project, 'both'), join(project, 'moved'))
    symlinkSync('../outside', join(project, 'both'))
    return stats
  })
  await t.rejects(storeTreeIn(store, {}, items), { code: 'local-file', message: /(?:ENOTDIR|ELOOP)/ })
  t.strictSame(readdirSync(join(path, 'outside')), ['y'])
  t.strictSame(stagedFiles(path), [])
  t.strictSame(await leaked(), [])
})
