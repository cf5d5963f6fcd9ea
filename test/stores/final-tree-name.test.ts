/** The final name of a directory, if it is taken. */
import { mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type IfExists, ifExistsChoices } from '../../dist/stores/final-name.js'
import { failDuring, injectFault, replaceDuring } from '../fixtures/disk.ts'
import { finalNames, openFolder, stagedFiles } from '../fixtures/folder-store.ts'
import { directoryHeader, sampleItems, sampleTree, storeTreeIn } from '../fixtures/folder-tree.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { makeTree, tellTree } from '../fixtures/tree.ts'

const contentOnly = { contentOnly: true }

t.test('takes a free name whatever is to be done about a taken one', async (t) => {
  for (const ifExists of ifExistsChoices) {
    const path = t.testdir()
    const store = await openFolder(t, { path, ifExists })
    t.match(await storeTreeIn(store, {}, sampleItems), { name: 'project', skipped: undefined })
    t.strictSame(tellTree(join(path, 'project'), contentOnly), sampleTree)
    t.strictSame(stagedFiles(path), [])
  }
})

t.test('takes a backup name, whatever has the name', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  mkdirSync(join(path, 'project'))
  writeFileSync(join(path, 'project_bak'), 'a file')
  symlinkSync('nowhere', join(path, 'project_bak2'))
  makeTree(path, { 'project_bak3/x': '' })
  for (const name of ['project_bak4', 'project_bak5']) {
    t.match(await storeTreeIn(store, {}, sampleItems), { name, path: join(path, name) })
    t.strictSame(tellTree(join(path, name), contentOnly), sampleTree)
  }
  t.strictSame(tellTree(join(path, 'project'), contentOnly), { '.': 'directory' })
  t.equal(readFileSync(join(path, 'project_bak'), 'utf8'), 'a file')
  t.equal(readlinkSync(join(path, 'project_bak2')), 'nowhere')
})

t.test('gives many at once a name each', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const all = await Promise.all(Array.from({ length: 9 }, () => storeTreeIn(store, {}, sampleItems)))
  t.equal(new Set(all.map(({ name }) => name)).size, 9)
  t.equal(finalNames(path).length, 9)
  for (const name of finalNames(path)) t.strictSame(tellTree(join(path, name), contentOnly), sampleTree)
})

for (const [code, take] of [
  ['ENOTEMPTY', (path: string) => makeTree(path, { 'project/x': '' })],
  ['ENOTDIR', (path: string) => writeFileSync(join(path, 'project'), 'x')],
] as const) {
  t.test(`takes another name if its own is taken at the last moment (${code})`, async (t) => {
    const path = t.testdir()
    const store = await openFolder(t, { path })
    const codes: string[] = []
    replaceDuring(t, 'rename', (current) => async (from, to) => {
      if (codes.length === 0) take(path)
      await current(from, to).catch((error) => {
        codes.push(error.code)
        throw error
      })
    })
    t.match(await storeTreeIn(store, {}, sampleItems), { name: 'project_bak' })
    t.strictSame(codes, [code])
  })
}

/** What is said if the name is taken by something that is no directory, before or after the bytes have come. */
const refusals: [IfExists, string, string][] = [
  ['overwrite', 'exists', 'it has something named "project" that is no directory'],
  ['skip', 'skipped', 'it has "project" already and skips it'],
  ['fail', 'exists', 'it has "project" already'],
]

for (const [ifExists, reason, message] of refusals) {
  t.test(`refuses the name of a file or symlink (${ifExists})`, async (t) => {
    for (const take of [
      (place: string) => writeFileSync(place, 'old'),
      (place: string) => symlinkSync('.', place),
      (place: string) => symlinkSync('nowhere', place),
    ]) {
      const path = t.testdir()
      const store = await openFolder(t, { path, ifExists })
      const sink = await store.beginTree(directoryHeader())
      take(join(path, 'project'))
      const error = { code: 'refused', reason, message, peerMessage: message }
      await t.rejects(store.beginTree(directoryHeader()), error)
      await t.rejects(sink.commit(), error)
      t.strictSame(finalNames(path), ['project'])
      t.strictSame(stagedFiles(path), [])
    }
  })
}

t.test('says what fails, and leaves neither a name nor an open directory', async (t) => {
  for (const [ifExists, call, occurrence] of [
    ['backup', 'rename', 1],
    ['backup', 'lstat', 1],
    ['overwrite', 'lstat', 2],
    ['overwrite', 'lstat', 3],
  ] as const) {
    const path = t.testdir(ifExists === 'backup' ? {} : { project: {} })
    const store = await openFolder(t, { path, ifExists })
    const leaked = watchOpenFiles(path)
    const fault = injectFault({ call, code: 'EIO', occurrence })
    await t.rejects(storeTreeIn(store, {}, sampleItems), { code: 'local-file', message: /EIO/ }, call)
    fault.restore()
    t.equal(fault.calls, occurrence)
    t.strictSame(finalNames(path), ifExists === 'backup' ? [] : ['project'])
    t.strictSame(stagedFiles(path), [])
    t.strictSame(await leaked(), [])
  }
  const path = t.testdir({ project: {} })
  const store = await openFolder(t, { path, ifExists: 'skip' })
  const leaked = watchOpenFiles(path)
  // The store looks up the name of this folder once the staged one is open.
  replaceDuring(t, 'open', (current) => async (place, ...args) => {
    if (place.endsWith('/project')) failDuring(t, { call: 'close', code: 'EIO' })
    return await current(place.replace(/\/project$/, '/absent'), ...args)
  })
  await t.rejects(storeTreeIn(store, {}, []), { code: 'local-file', message: /ENOENT/ })
  t.strictSame(await leaked(), [])
  t.strictSame(stagedFiles(path), [])
})
