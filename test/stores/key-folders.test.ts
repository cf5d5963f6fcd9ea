/** A folder for each key, which several transfers use at once. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { KeyFolders } from '../../dist/stores/key-folders.js'
import { countCalls, replaceDuring } from '../fixtures/disk.ts'
import { beginLarge } from '../fixtures/folder-kept.ts'
import { deadReceiver, openFolder, WEEK } from '../fixtures/folder-store.ts'

t.test('is prepared once, whoever comes meanwhile', async (t) => {
  const path = t.testdir()
  const folders = new KeyFolders({ path, ifExists: 'backup', keepPartial: WEEK })
  let prepared = 0
  replaceDuring(t, 'access', (current) => {
    return (...args) => {
      prepared++
      return current(...args)
    }
  })
  const open = () => folders.of('alice').open(new AbortController().signal, 'alice')
  const stores = await Promise.all([open(), open()])
  // The preparation removes what is staged under the name of this receiver.
  t.equal(prepared, 1)
  t.equal(readdirSync(join(path, 'alice', '.tcp-recv')).length, 1)
  for (const store of stores) await store.close()
  await folders.close()
  t.notOk(existsSync(join(path, 'alice', '.tcp-recv')))
})

t.test('is prepared again if that has failed', async (t) => {
  const path = t.testdir()
  const folders = new KeyFolders({ path, ifExists: 'backup', keepPartial: WEEK })
  writeFileSync(join(path, 'alice'), 'a file')
  const open = () => folders.of('alice').open(new AbortController().signal, 'alice')
  await t.rejects(open(), { code: 'local-file', message: /is a file, not a folder/ })
  rmSync(join(path, 'alice'))
  mkdirSync(join(path, 'alice'))
  const store = await open()
  await store.close()
  await folders.close()
  t.strictSame(readdirSync(join(path, 'alice')), [])
})

t.test('tells what a killed receiver has left before anything is stored, and makes no folder for that', async (t) => {
  const path = t.testdir()
  const folders = new KeyFolders({ path, ifExists: 'backup', keepPartial: WEEK })
  const alice = folders.of('alice')
  t.equal(await alice.hasKept('alice'), false)
  t.strictSame(readdirSync(path), [])
  const folder = join(path, 'alice')
  mkdirSync(folder)
  const store = await openFolder(t, { path: folder, receiverId: await deadReceiver(), owner: 'alice' })
  await beginLarge(store, Buffer.alloc(5000))
  t.equal(await alice.hasKept('alice'), true)
  t.equal(await alice.hasKept('bob'), false)
  t.equal(await folders.of('bob').hasKept('bob'), false)
  writeFileSync(join(path, 'bob'), 'a file')
  t.equal(await folders.of('bob').hasKept('bob'), false, 'nor does it fail')
  await folders.close()
})

t.test('closes without a trace of a folder that was never used', async (t) => {
  const path = t.testdir({ alice: { '.tcp-recv': { other: { 1: '' } } } })
  const folders = new KeyFolders({ path, ifExists: 'backup', keepPartial: WEEK })
  folders.of('alice')
  const calls = await countCalls(() => folders.close())
  t.equal(calls.size, 0, 'it has no name there yet, so it could only remove the files of others')
})
