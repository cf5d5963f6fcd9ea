import { chmodSync, mkdirSync, readdirSync, renameSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FolderDestination, prepareFolder } from '../../dist/stores/folder-destination.js'
import { newReceiverId } from '../../dist/stores/receiver-id.js'
import { STAGING } from '../../dist/stores/staging.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, replaceDuring } from '../fixtures/disk.ts'
import { contentOf, header, openFolder, stagedFiles, storeIn, WEEK } from '../fixtures/folder-store.ts'
import { disguise, somebodyElse } from '../fixtures/permissions.ts'
import { append } from '../fixtures/sinks.ts'

/** What is said of a folder at a receiver's start. */
async function warningsOf(path: string): Promise<string[]> {
  return (await prepareFolder({ path, keepPartial: WEEK }, await newReceiverId())).map(({ reason }) => reason)
}

/** Another receiver's staging folder, which is in use. */
async function otherReceiver(path: string, mode = 0o700): Promise<void> {
  mkdirSync(join(path, STAGING, await newReceiverId()), { recursive: true })
  chmodSync(join(path, STAGING), mode)
}

/** It is refused at the start and by every transfer, and no file is left in it. */
async function refuses(t: Test, path: string): Promise<void> {
  const message = `cannot use the staging folder ${join(path, STAGING)}: other users can change what is in it; remove it`
  const peerMessage = 'it cannot use its staging folder: other users can change what is in it; remove it'
  const refused = { code: 'local-file', reason: 'disk', exitCode: 8, message, peerMessage }
  const watch = watchDescriptors()
  await t.rejects(warningsOf(path), refused)
  await t.rejects(openFolder(t, { path }), refused)
  t.strictSame(watch.problems(), [])
  watch.restore()
  t.strictSame(stagedFiles(path), [])
}

t.test('makes the folder, finds it fit, and leaves it as it is', async (t) => {
  const path = join(t.testdir(), 'a', 'b')
  t.strictSame(await warningsOf(path), [])
  t.strictSame(readdirSync(path), [])
  t.strictSame(await warningsOf(path), [])
})

t.test('says where the file system keeps no permissions, and stores there beside other receivers', async (t) => {
  for (const mode of [0o777, 0o775, 0o755]) {
    const path = t.testdir()
    await t.test(mode.toString(8), async (t) => {
      disguise(t, () => ({ mode }))
      t.strictSame(await warningsOf(path), ['no-permissions'])
      t.strictSame(readdirSync(path), [])
      await otherReceiver(path)
      t.strictSame(await warningsOf(path), ['no-permissions'])
      await storeIn(await openFolder(t, { path }), {}, 'x')
      t.equal(contentOf(path, 'file.txt'), 'x')
      t.strictSame(stagedFiles(path), [])
    })
  }
})

t.test('says what that means, with the path', async (t) => {
  disguise(t, () => ({ mode: 0o777 }))
  const path = t.testdir()
  const message =
    `the file system of ${path} keeps no permissions: ` +
    'other users of this machine may be able to read and change what is being received'
  t.strictSame(await prepareFolder({ path, keepPartial: WEEK }, await newReceiverId()), [
    { reason: 'no-permissions', message },
  ])
})

t.test('stores where all files belong to one user, whoever makes them', async (t) => {
  // As on NFS for root, or on a stick that somebody else has mounted.
  disguise(t, () => ({ uid: somebodyElse }))
  const path = t.testdir()
  await otherReceiver(path)
  t.strictSame(await warningsOf(path), [])
  await storeIn(await openFolder(t, { path }), {}, 'x')
  t.equal(contentOf(path, 'file.txt'), 'x')
})

t.test('does not use a staging folder that others may write to', async (t) => {
  for (const mode of [0o777, 0o720, 0o702, 0o1777]) {
    const path = t.testdir()
    await otherReceiver(path, mode)
    await t.test(mode.toString(8), (t) => refuses(t, path))
  }
})

t.test('does not use a staging folder that somebody else has made first', async (t) => {
  for (const mode of [0o777, 0o755]) {
    const path = t.testdir()
    await otherReceiver(path)
    const { ino } = statSync(join(path, STAGING))
    await t.test(mode.toString(8), async (t) => {
      disguise(t, (stats) => (stats.ino === ino ? { uid: somebodyElse, mode } : {}))
      await refuses(t, path)
    })
  }
})

t.test('does not take an exchanged folder for a file system without permissions', async (t) => {
  const path = t.testdir()
  await otherReceiver(path)
  const foreign = new Set([statSync(join(path, STAGING)).ino])
  disguise(t, (stats) => (foreign.has(stats.ino) ? { uid: somebodyElse, mode: 0o777 } : {}))
  // Who owns the staging folder puts a folder of his own in the place of each that is made there.
  replaceDuring(t, 'mkdir', (current) => async (made, options) => {
    await current(made, options)
    renameSync(made, `${made}-moved`)
    mkdirSync(made)
    foreign.add(statSync(made).ino)
  })
  await t.rejects(warningsOf(path), { code: 'local-file', message: /other users can change what is in it/ })
})

t.test('does not ask where there are no users, as on Windows', async (t) => {
  const { geteuid } = process
  t.teardown(() => Object.assign(process, { geteuid }))
  Object.assign(process, { geteuid: undefined })
  disguise(t, () => ({ uid: 0, mode: 0o777 }))
  t.strictSame(await warningsOf(t.testdir()), [])
})

t.test('does not begin where it could not store, and says why', async (t) => {
  const folder = t.testdir({
    file: { [STAGING]: 'a file' },
    link: { [STAGING]: t.fixture('symlink', '../elsewhere') },
    dangling: { [STAGING]: t.fixture('symlink', 'nowhere') },
    elsewhere: {},
  })
  for (const name of ['file', 'link', 'dangling']) {
    const path = join(folder, name)
    const what = 'that is no folder (ENOTDIR); remove it, or choose another --out'
    const message = `cannot use the staging folder ${join(path, STAGING)}: ${what}`
    await t.rejects(warningsOf(path), { code: 'local-file', exitCode: 8, reason: 'disk', message })
  }
  failDuring(t, { call: 'access', code: 'EROFS' })
  await t.rejects(warningsOf(t.testdir()), { message: /^cannot store in .*: read-only file system \(EROFS\)$/ })
})

t.test('leaves the folder clean, also where it has gone', async (t) => {
  const path = join(t.testdir(), 'folder')
  const destination = new FolderDestination({ path, ifExists: 'backup', keepPartial: WEEK })
  await destination.prepare()
  const store = await destination.open(new AbortController().signal, '')
  const entry = await store.begin(header())
  await append(entry, Buffer.from('half'))
  await store.close()
  t.equal(stagedFiles(path).length, 1)
  await destination.close()
  t.strictSame(readdirSync(path), [])
  rmdirSync(path)
  await t.resolves(destination.close())
})
