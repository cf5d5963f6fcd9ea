/**
 * Somebody who may write to the folder swaps a part of the way to a file for a symlink that leads elsewhere, before any
 * call of the disk that storing takes: everything stays inside, or fails.
 */
import { join } from 'node:path'
import t from 'tap'
import { FolderStore } from '../../dist/stores/folder-store.js'
import { replaceDuring } from '../fixtures/disk.ts'
import { folderOptions, header, storeIn } from '../fixtures/folder-store.ts'
import { type Item, leave, storeTreeIn } from '../fixtures/folder-tree.ts'
import { append } from '../fixtures/sinks.ts'
import { swapBefore, swapForSymlink } from '../fixtures/swap.ts'
import { makeTree, tellTree } from '../fixtures/tree.ts'

/** A directory whose items are elsewhere, too, under the same names. */
const items: Item[] = [
  { file: 'a', content: 'new', mode: 0o777, mtime: 1_000 },
  { symlink: 'link', to: 'a' },
  { enter: 'sub', mode: 0o700, mtime: 1_000 },
  { file: 'a', content: 'new', mode: 0o777, mtime: 1_000 },
  leave,
]

const precious = { a: 'precious', link: 'precious', 'sub/a': 'precious', file: 'precious' }
const elsewhere = {
  ...precious,
  ...Object.fromEntries(Object.entries(precious).map(([path, content]) => [`project/${path}`, content])),
  '.tcp-recv/other/0': 'precious',
}

const works: Record<string, (store: FolderStore) => Promise<unknown>> = {
  'a file that is stored': (store) => storeIn(store, { name: 'file', mode: 0o777, mtime: 1_000 }, 'new'),
  'a file that is given up': async (store) => {
    const sink = await store.begin(header({ name: 'file' }))
    await append(sink, Buffer.from('new'))
    await sink.discard()
  },
  'a directory that is stored': (store) => storeTreeIn(store, { mode: 0o700, mtime: 1_000 }, items),
  'a directory that is given up': (store) =>
    storeTreeIn(store, {}, [...items, { file: 'x'.repeat(256), content: 'no file system takes this' }]),
}

/** What is swapped, by its path. */
const parts = ['out', 'out/.tcp-recv', 'out/project', 'out/project/sub']

const skip = process.platform === 'linux' ? false : 'the system has no paths for descriptors'

for (const [what, work] of Object.entries(works)) {
  for (const ifExists of ['backup', 'overwrite'] as const) {
    t.test(`${what} stays inside, whatever is swapped, and when (${ifExists})`, { skip }, async (t) => {
      // What is durable makes no difference here, and takes long.
      replaceDuring(t, 'fsync', () => async () => {})
      const top = t.testdir()
      const other = makeTree(join(top, 'elsewhere'), elsewhere)
      const before = tellTree(other)
      const open = async (name: string) => {
        const path = makeTree(join(top, name, 'out'), { file: 'old', 'project/a': 'old', 'project/sub/a': 'old' })
        return await FolderStore.open(await folderOptions({ path, ifExists }))
      }
      const calm = await open('calm')
      const calls = await swapBefore(
        0,
        () => {},
        () => work(calm).catch(() => {}),
      )
      await calm.close()
      let swaps = 0
      for (const part of parts.slice(0, what.includes('directory') ? 4 : 2)) {
        for (let number = 1; number <= calls; number++) {
          const name = `${part.replaceAll('/', '-')}-${number}`
          const store = await open(name)
          const swap = () => {
            if (swapForSymlink(join(top, name, part), other)) swaps++
          }
          await swapBefore(number, swap, () => work(store).catch(() => {}))
          await store.close()
          t.strictSame(tellTree(other), before, `${part} is swapped before call ${number}`)
        }
      }
      t.ok(swaps > calls, 'and there was something to swap')
    })
  }
}
