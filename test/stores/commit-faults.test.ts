import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { STAGING } from '../../dist/stores/staging.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, injectFault, realDisk, replaceCall, replaceDuring, systemError } from '../fixtures/disk.ts'
import { contentOf, finalNames, header, openFolder, stagedFiles, storeIn } from '../fixtures/folder-store.ts'

const diskError = { code: 'local-file', reason: 'disk', exitCode: 8 }

t.test(
  'does not store a file whose fsync failed, nor tries again: the kernel may have dropped its pages',
  async (t) => {
    for (const ifExists of ['backup', 'overwrite', 'fail'] as const) {
      const path = t.testdir({ other: 'old' })
      const store = await openFolder(t, { path, ifExists })
      const fault = injectFault({ call: 'fsync', code: 'EIO' })
      await t.rejects(storeIn(store, { name: 'new' }, 'x'), diskError)
      fault.restore()
      t.equal(fault.calls, 1)
      t.strictSame(finalNames(path), ['other'])
      t.strictSame(stagedFiles(path), [])
    }
  },
)

t.test('takes the name back when the folder cannot be made durable', async (t) => {
  const path = t.testdir({ taken: 'old' })
  const store = await openFolder(t, { path })
  for (const name of ['new', 'taken']) {
    const fault = injectFault({ call: 'fsync', code: 'EIO', occurrence: 2 })
    await t.rejects(storeIn(store, { name }, 'x'), diskError)
    fault.restore()
    t.equal(fault.calls, 2)
    t.strictSame(finalNames(path), ['taken'])
    t.equal(contentOf(path, 'taken'), 'old')
    t.strictSame(stagedFiles(path), [])
  }
})

t.test('leaves the old file or the new one when it overwrites, and the folder cannot be made durable', async (t) => {
  const path = t.testdir({ 'file.txt': 'old' })
  const store = await openFolder(t, { path, ifExists: 'overwrite' })
  failDuring(t, { call: 'fsync', code: 'EIO', occurrence: 2 })
  const why = 'but a crash may undo that, because the folder cannot be fsynced: i/o error (EIO)'
  await t.rejects(storeIn(store, {}, 'new'), {
    ...diskError,
    message: `${join(path, 'file.txt')} is replaced by the new file, ${why}`,
    peerMessage: `"file.txt" is replaced by the new file there, ${why}`,
  })
  t.strictSame(finalNames(path), ['file.txt'])
  t.equal(contentOf(path, 'file.txt'), 'new')
})

t.test('says so when the name cannot be taken back', async (t) => {
  const path = t.testdir({ 'file.txt': 'old' })
  const store = await openFolder(t, { path })
  failDuring(t, { call: 'fsync', code: 'EIO', occurrence: 2 })
  // The first removes the name in the staging folder.
  failDuring(t, { call: 'unlink', code: 'EIO', occurrence: 2 })
  await t.rejects(storeIn(store, {}, 'new'), {
    ...diskError,
    message: new RegExp(`^${join(path, 'file_bak.txt')} is stored, but a crash may undo that, .*EIO`),
    peerMessage: /^"file_bak.txt" is stored there, but a crash may undo that, .*EIO/,
  })
  t.equal(contentOf(path, 'file_bak.txt'), 'new')
})

t.test('does not take back a name that somebody else has put there meanwhile', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  replaceDuring(t, 'fsync', (current) => async (fd) => {
    await current(fd)
    if (!(await realDisk.fstat(fd)).isDirectory()) return
    writeFileSync(join(path, 'other'), 'of somebody else')
    renameSync(join(path, 'other'), join(path, 'file.txt'))
    throw systemError('EIO', 'fsync')
  })
  await t.rejects(storeIn(store, {}, 'x'), diskError)
  t.equal(contentOf(path, 'file.txt'), 'of somebody else')
})

t.test('tells the error that came first when the name cannot be taken back either', async (t) => {
  const store = await openFolder(t, { path: t.testdir() })
  failDuring(t, { call: 'fsync', code: 'EIO', occurrence: 2 })
  failDuring(t, { call: 'lstat', code: 'EACCES', occurrence: 0 })
  await t.rejects(storeIn(store, {}, 'x'), { ...diskError, message: /EIO/ })
})

for (const code of ['EPERM', 'ENOSYS', 'ENOTSUP']) {
  t.test(`stores without hard links, and still overwrites nothing (${code})`, async (t) => {
    const path = t.testdir()
    const watch = watchDescriptors()
    const store = await openFolder(t, { path })
    failDuring(t, { call: 'link', code, occurrence: 0 })
    const held = watch.problems().length
    for (const content of ['one', 'two', 'three']) await storeIn(store, {}, content)
    t.strictSame(finalNames(path), ['file.txt', 'file_bak.txt', 'file_bak2.txt'])
    t.equal(contentOf(path, 'file.txt'), 'one')
    t.equal(contentOf(path, 'file_bak.txt'), 'two')
    t.equal(contentOf(path, 'file_bak2.txt'), 'three')
    t.strictSame(stagedFiles(path), [])
    t.equal(watch.problems().length, held)
    watch.restore()
  })
}

t.test('does not fall back when the link failed for another reason', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  for (const code of ['EIO', 'EACCES', 'EMLINK']) {
    const fault = injectFault({ call: 'link', code })
    await t.rejects(storeIn(store, {}, 'x'), diskError, code)
    fault.restore()
  }
  t.strictSame(finalNames(path), [])
})

t.test('takes an error that has no code for a disk that fails', async (t) => {
  const calls = { fchmod: 'backup', link: 'backup', rename: 'overwrite' } as const
  for (const [call, ifExists] of Object.entries(calls)) {
    const path = t.testdir({ 'file.txt': 'old' })
    const store = await openFolder(t, { path, ifExists })
    const restore = replaceCall(call as keyof typeof calls, () => () => Promise.reject(new Error('odd')))
    await t.rejects(storeIn(store, {}, 'x'), { ...diskError, message: /odd/ }, call)
    restore()
    t.strictSame(finalNames(path), ['file.txt'])
    t.equal(contentOf(path, 'file.txt'), 'old')
    t.strictSame(stagedFiles(path), [])
  }
})

/** Stores without hard links while one more call fails; the name must not stay behind, empty as it was reserved. */
async function failWithoutLinks(t: Test, call: 'open' | 'rename', code: string) {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const entry = await store.begin(header())
  failDuring(t, { call: 'link', code: 'EPERM', occurrence: 0 })
  failDuring(t, { call, code })
  await t.rejects(entry.commit(), diskError)
  t.strictSame(finalNames(path), [])
  t.strictSame(stagedFiles(path), [])
}

t.test('leaves no empty file when it cannot reserve the name without hard links', async (t) => {
  await failWithoutLinks(t, 'open', 'EACCES')
})

t.test('leaves no empty file when it cannot rename without hard links', async (t) => {
  await failWithoutLinks(t, 'rename', 'EIO')
})

t.test('tells the error of the rename when the reserved name cannot be removed either', async (t) => {
  const store = await openFolder(t, { path: t.testdir() })
  failDuring(t, { call: 'link', code: 'EPERM' })
  failDuring(t, { call: 'rename', code: 'EIO' })
  failDuring(t, { call: 'unlink', code: 'EACCES', occurrence: 0 })
  await t.rejects(storeIn(store, {}, 'x'), { ...diskError, message: /EIO/ })
})

t.test('has stored what it cannot remove from the staging folder', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  failDuring(t, { call: 'unlink', code: 'EIO' })
  t.equal((await storeIn(store, {}, 'x')).name, 'file.txt')
  t.equal(contentOf(path, 'file.txt'), 'x')
})

t.test('has stored what it has made durable, though its descriptor would not close well', async (t) => {
  const path = t.testdir()
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  const store = await openFolder(t, { path })
  const held = watch.problems()
  failDuring(t, { call: 'close', code: 'EIO' })
  t.equal((await storeIn(store, {}, 'x')).name, 'file.txt')
  t.strictSame(watch.problems(), held)
})

t.test('tells the path to this side and not to the peer', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  failDuring(t, { call: 'fsync', code: 'EIO' })
  const error = await storeIn(store, {}, 'x').catch((thrown) => thrown)
  t.ok(error.message.includes(join(path, 'file.txt')))
  t.notOk(error.peerMessage.includes(path))
  t.equal(readdirSync(join(path, STAGING)).length, 1, 'and the folder of the receiver stays for its next file')
})
