import { chmodSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Directory } from '../../dist/disk/directory.js'
import { removeTree } from '../../dist/disk/remove-tree.js'
import { failDuring, injectFault } from '../fixtures/disk.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { asNobody } from '../fixtures/other-user.ts'
import { makeTree } from '../fixtures/tree.ts'

async function openRoot(t: Test, path: string): Promise<Directory> {
  const root = await Directory.open(path)
  t.teardown(() => root.close())
  return root
}

t.test('removes files, directories and symlinks, and follows none of these', async (t) => {
  const folder = makeTree(t.testdir(), {
    'outside/kept': 'x',
    file: 'x',
    link: { to: 'outside' },
    'tree/file': 'x',
    'tree/empty/': '',
    'tree/out': { to: '../outside' },
    'tree/dangling': { to: 'nowhere' },
    'tree/a/b/c/file': 'x',
  })
  const root = await openRoot(t, folder)
  const leaked = watchOpenFiles(folder)
  for (const name of ['file', 'link', 'tree']) await removeTree(root, name)
  t.strictSame(readdirSync(folder), ['outside'])
  t.ok(existsSync(join(folder, 'outside/kept')))
  await t.rejects(removeTree(root, 'absent'), { code: 'ENOENT' })
  t.strictSame(await leaked(), [])
})

t.test('removes directories that their owner may not change, look into or enter', async (t) => {
  await asNobody(t, async (folder) => {
    const tree = makeTree(join(folder, 'tree'), { 'a/b/file': '', 'c/file': '', 'd/file': '' })
    for (const [path, mode] of [
      ['a/b', 0o555],
      ['a', 0o555],
      ['c', 0o300],
      ['d', 0],
      ['.', 0o555],
    ] as const) {
      chmodSync(join(tree, path), mode)
    }
    const root = await openRoot(t, folder)
    await removeTree(root, 'tree')
    t.strictSame(readdirSync(folder), [])
  })
})

t.test('says what it could not remove, and leaves nothing open', async (t) => {
  const folder = makeTree(t.testdir(), { 'tree/a/file': '' })
  const root = await openRoot(t, folder)
  const leaked = watchOpenFiles(folder)
  for (const [call, occurrence] of [
    ['unlink', 1],
    ['unlink', 3],
    ['open', 1],
    ['readdir', 2],
    ['rmdir', 1],
  ] as const) {
    makeTree(folder, { 'tree/a/': '' })
    const fault = injectFault({ call, code: 'EIO', occurrence })
    await t.rejects(removeTree(root, 'tree'), { code: 'EIO' }, call)
    fault.restore()
  }
  t.strictSame(await leaked(), [])
})

t.test('needs no permissions on a file system that has none', async (t) => {
  const folder = makeTree(t.testdir(), { 'tree/a/file': '' })
  failDuring(t, { call: 'chmod', code: 'EPERM', occurrence: 0 })
  await removeTree(await openRoot(t, folder), 'tree')
  t.strictSame(readdirSync(folder), [])
})
