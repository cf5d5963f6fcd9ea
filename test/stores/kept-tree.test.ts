/** Directories that go on, in the store: whichever call fails, and in folders without permissions. */
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { TransferError } from '../../dist/errors.js'
import { FolderStore } from '../../dist/stores/folder-store.js'
import type { Store, StoredAs } from '../../dist/stores/store.js'
import { replaceDuring } from '../fixtures/disk.ts'
import { finalNames, folderOptions, openFolder } from '../fixtures/folder-store.ts'
import { directoryHeader, leave, put } from '../fixtures/folder-tree.ts'
import { someToken } from '../fixtures/literals.ts'
import { asNobody } from '../fixtures/other-user.ts'
import { torture } from '../fixtures/torture.ts'
import { setQuick, tellTree } from '../fixtures/tree.ts'

const header = directoryHeader({ source: someToken })
const mtime = 1_600_000_000_123
const kept = (name: string, mode = 0o644) => ({ name, size: 5, mtime, mode })

async function items(all: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = []
  for await (const item of all) found.push(item)
  return found.sort()
}

/** A directory that has broken off. */
async function breakOff(store: Store): Promise<string> {
  const tree = await store.beginTree(header)
  await put(tree, { file: 'a', content: 'first', mtime, mode: 0o644 })
  await put(tree, { enter: 'd' })
  await put(tree, { file: 'b', content: 'other', mtime, mode: 0o644 })
  await put(tree, { enter: 'gone' })
  await put(tree, leave)
  await put(tree, leave)
  return (await tree.keep()) as string
}

/** Goes on with it: a file stays, another is damaged, a third comes anew, and something has gone. */
async function goOn(store: Store): Promise<StoredAs> {
  const tree = await store.beginTree(header)
  try {
    await items(tree.list())
    if (!(await tree.adopt(kept('a', 0o600)))) await put(tree, { file: 'a', content: 'first', mtime, mode: 0o600 })
    await put(tree, { enter: 'd', mode: 0o755 })
    await put(tree, { file: 'b', content: 'again', mtime, mode: 0o644 })
    await put(tree, { symlink: 'c', to: '../a' })
    await put(tree, leave)
    if (tree.isResumed) await tree.drop([])
    return await tree.commit()
  } catch (error) {
    await tree.discard()
    throw error
  }
}

const expected = { '.': 'directory', a: 'file first', d: 'directory', 'd/b': 'file again', 'd/c': 'symlink ../a' }

t.test('goes on with a directory, or says why not, whichever call fails', async (t) => {
  replaceDuring(t, 'fsync', () => async () => {})
  setQuick(t, true)
  const base = t.testdir()
  let count = 0
  await torture(t, {
    prepare: async () => {
      const path = join(base, `${count++}`)
      mkdirSync(path)
      const store = await FolderStore.open(await folderOptions({ path }))
      await breakOff(store)
      await store.close()
      return path
    },
    work: async (path) => {
      const store = await FolderStore.open(await folderOptions({ path }))
      try {
        return await goOn(store)
      } finally {
        await store.close()
      }
    },
    judge: (path, { value, error }) => {
      const names = finalNames(path)
      if (error) {
        const isTold = error instanceof TransferError && error.code === 'local-file'
        return [...(isTold ? [] : [`it said ${error}`]), ...(names.length > 0 ? [`${names} is there`] : [])]
      }
      const told = JSON.stringify(tellTree(join(path, value?.name ?? ''), { contentOnly: true }))
      return told === JSON.stringify(expected) ? [] : [told]
    },
  })
})

t.test('goes on in directories that their owner may not change or look into', async (t) => {
  await asNobody(t, async (path) => {
    for (const mode of [0o555, 0o400, 0]) {
      const store = await openFolder(t, { path, ifExists: 'overwrite' })
      chmodSync(join(await breakOff(store), 'd'), mode)
      const tree = await store.beginTree(header)
      t.strictSame(await items(tree.list()), [`5 ${mtime} a`, `5 ${mtime} d/b`], `0${mode.toString(8)}`)
      t.ok(await tree.adopt(kept('a')))
      await put(tree, { enter: 'd', mode: 0o555 })
      t.ok(await tree.adopt(kept('b')))
      await put(tree, leave)
      // What is damaged can be removed, although the directory has got its permissions.
      await tree.drop(['d/b'])
      t.type(await tree.keep(), 'string')
      const again = await store.beginTree(header)
      t.strictSame(await items(again.list()), [`5 ${mtime} a`])
      await again.discard()
    }
  })
})

t.test('says what it cannot remove', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await breakOff(store)
  const tree = await store.beginTree(header)
  await t.rejects(tree.drop(['d/none']), { code: 'local-file', message: /^cannot store .*project/ })
  await tree.discard()
})
