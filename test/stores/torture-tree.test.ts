/** Storing and reading directories while every call of theirs fails once. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Directory } from '../../dist/disk/directory.js'
import { removeTree } from '../../dist/disk/remove-tree.js'
import { TransferError } from '../../dist/errors.js'
import { FolderSource } from '../../dist/sources/folder-source.js'
import type { IfExists } from '../../dist/stores/final-name.js'
import { FolderStore } from '../../dist/stores/folder-store.js'
import { STAGING } from '../../dist/stores/staging.js'
import type { StoredAs } from '../../dist/stores/store.js'
import { type Fault, replaceDuring } from '../fixtures/disk.ts'
import { AlwaysQuick, clean, deadReceiver, folderOptions, NeverQuick, stagedFiles } from '../fixtures/folder-store.ts'
import { sampleItems, sampleTree, storeTreeIn } from '../fixtures/folder-tree.ts'
import { type Outcome, torture } from '../fixtures/torture.ts'
import { makeTree, setQuick, type Tree, tellTree } from '../fixtures/tree.ts'

const contentOnly = { contentOnly: true }

/** Makes a new folder with this tree in it, each time it is called. */
function folders(t: Test, tree: Tree): () => string {
  const base = t.testdir()
  let count = 0
  return () => makeTree(join(base, String(count++)), tree)
}

/** What is wrong with an error, if it is not what one side says of its own disk. */
function wrongError(path: string, error: unknown, { code }: Fault): string[] {
  if (!(error instanceof TransferError)) return [`a raw error: ${error}`]
  const expected = `local-file ${code === 'ENOSPC' ? 'no-space' : 'disk'}`
  const actual = `${error.code} ${error.reason}`
  return [
    ...(actual === expected ? [] : [`${actual} and not ${expected}`]),
    ...(error.message.includes(code) ? [] : [`${code} is not named: ${error.message}`]),
    ...(error.message.includes(path) ? [] : [`the path is not named: ${error.message}`]),
    ...(error.peerMessage.includes(path) ? [`the peer hears of the path: ${error.peerMessage}`] : []),
  ]
}

async function storeWhole(path: string, receiverId: string, ifExists: IfExists, quick: boolean) {
  const blocking = quick ? new AlwaysQuick() : new NeverQuick()
  const store = await FolderStore.open(await folderOptions({ path, receiverId, ifExists, blocking }))
  try {
    const stored = await storeTreeIn(store, { mode: 0o755, mtime: 1_000 }, sampleItems)
    stored.skipped?.close()
    return stored
  } finally {
    await store.close()
  }
}

async function cleanUp(path: string): Promise<string[]> {
  await clean(path)
  return readdirSync(path).includes(STAGING) ? ['something is left in the staging folder'] : []
}

/** The new directory is there, whole, if and only if that was said, and nothing is left in the staging folder. */
async function judgeStored(path: string, before: readonly string[], outcome: Outcome<StoredAs>, fault: Fault) {
  const problems = outcome.error ? wrongError(path, outcome.error, fault) : []
  // Of a directory that is stored, only the description may stay for a while.
  const staged = stagedFiles(path).filter((name) => !outcome.value || name.endsWith('/content'))
  // What cannot be removed now is removed later.
  const isRemoval = ['unlink', 'rmdir', 'readdir'].includes(fault.call)
  if (staged.length > 0 && !isRemoval) problems.push(`left in the staging folder: ${staged}`)
  problems.push(...(await cleanUp(path)))
  const expected = [...before, ...(outcome.value ? [outcome.value.name] : [])].sort()
  const actual = readdirSync(path).sort()
  if (actual.join() !== expected.join()) problems.push(`the folder holds ${actual}`)
  for (const name of actual.filter((name) => !before.includes(name))) {
    const told = JSON.stringify(tellTree(join(path, name), contentOnly))
    if (told !== JSON.stringify(sampleTree)) problems.push(`${name} is ${told}`)
  }
  return problems
}

for (const [title, tree, isQuick] of [
  ['a new directory', {}, true],
  ['a new directory, through the thread pool', {}, false],
  ['a directory beside another one of its name', { 'project/x': 'old' }, true],
] as [string, Tree, boolean][]) {
  t.test(`stores ${title}, or leaves nothing, whichever call fails`, async (t) => {
    // What fsync does cannot be seen without a loss of power, and takes most of the time.
    replaceDuring(t, 'fsync', () => async () => {})
    setQuick(t, isQuick)
    const receiverId = await deadReceiver()
    await torture(t, {
      prepare: folders(t, tree),
      work: (path) => storeWhole(path, receiverId, 'backup', isQuick),
      judge: (path, outcome, fault) =>
        judgeStored(
          path,
          Object.keys(tree).map((name) => name.replace(/\/.*/, '')),
          outcome,
          fault,
        ),
    })
  })
}

const there: Tree = { 'project/a.txt': 'old', 'project/d/x': 'old' }

for (const ifExists of ['overwrite', 'skip'] as const) {
  t.test(`moves files into a directory that is there (${ifExists}), each whole, whichever call fails`, async (t) => {
    setQuick(t, true)
    replaceDuring(t, 'fsync', () => async () => {})
    const receiverId = await deadReceiver()
    const whole: Record<string, string> = { ...sampleTree, 'd/x': 'file old' }
    if (ifExists === 'skip') whole['a.txt'] = 'file old'
    await torture(t, {
      prepare: folders(t, there),
      work: (path) => storeWhole(path, receiverId, ifExists, true),
      judge: async (path, { value, error }, fault) => {
        const problems = error ? wrongError(path, error, fault) : []
        problems.push(...(await cleanUp(path)))
        const told = tellTree(join(path, 'project'), contentOnly)
        for (const [name, what] of Object.entries(told)) {
          const isOld = name === 'a.txt' && what === 'file old'
          if (what !== whole[name] && !isOld) problems.push(`${name} is ${what}`)
        }
        if (value && JSON.stringify(told) !== JSON.stringify(Object.fromEntries(Object.entries(whole).sort()))) {
          problems.push(`it said it was stored, and there is ${JSON.stringify(told)}`)
        }
        return problems
      },
    })
  })
}

for (const isQuick of [true, false]) {
  const way = isQuick ? 'blocking' : 'through the thread pool'
  t.test(`walks through a directory, ${way}, or says what it could not read, whichever call fails`, async (t) => {
    setQuick(t, isQuick)
    const prepare = folders(t, {
      'd/.gitignore': 'x\n',
      'd/a/b': '',
      'd/l': { to: 'a' },
      'd/u\ufffd': '',
      'outside/y': '',
    })
    for (const follow of [true, false]) {
      await torture(t, {
        prepare,
        work: async (path) => {
          const source = new FolderSource(join(path, 'd'), 'd', { exclude: [], gitignore: true, follow })
          await source.inspect()
          const { tree, close } = await source.open()
          const problems: unknown[] = []
          for (let item = await tree.next(); item; item = await tree.next()) {
            if (item.kind === 'problem' && !item.isLeftOut) problems.push(item.error)
          }
          await close()
          if (problems.length > 0) throw problems[0]
        },
        judge: (path, { error }, fault) => (error ? wrongError(path, error, fault) : []),
      })
    }
  })
}

t.test('removes a directory, or says why not and leaves nothing open, whichever call fails', async (t) => {
  await torture(t, {
    prepare: folders(t, { 'd/a/b': '', 'd/c': '', 'd/l': { to: '.' } }),
    work: async (path) => {
      const root = await Directory.open(path)
      try {
        await removeTree(root, 'd')
      } finally {
        await root.close()
      }
    },
    judge: (path, { error }) => {
      const isThere = existsSync(join(path, 'd'))
      return Boolean(error) === isThere || error ? [] : ['it is there and nothing was said']
    },
  })
})
