/** A folder for each key, which several transfers use at once. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { KeyFolders } from '../../dist/stores/key-folders.js'
import { replaceDuring } from '../fixtures/disk.ts'
import { WEEK } from '../fixtures/folder-store.ts'

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
