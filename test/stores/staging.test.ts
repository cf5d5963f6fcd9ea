import { readdirSync, rmdirSync, statSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Directory } from '../../dist/disk/directory.js'
import { disk } from '../../dist/disk/disk.js'
import { newReceiverId } from '../../dist/stores/receiver-id.js'
import { createStaged, openStaging, removeReceiver, STAGING } from '../../dist/stores/staging.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, replaceDuring } from '../fixtures/disk.ts'
import { stagedNames } from '../fixtures/folder-store.ts'
import { setMachineId } from '../fixtures/machine.ts'

async function openRoot(t: Test, path: string): Promise<Directory> {
  const root = await Directory.open(path)
  t.teardown(() => root.close())
  return root
}

t.test('names an owner by boot, process, start time, instance and machine', async (t) => {
  setMachineId(t)
  const first = await newReceiverId()
  const second = await newReceiverId()
  t.match(first, new RegExp(`^[0-9a-f]{8}-${process.pid}-[1-9]\\d*-\\d+-[0-9a-f]{32}$`))
  t.not(first, second)
  const others = (id: string) => id.split('-').toSpliced(3, 1)
  t.strictSame(others(first), others(second), 'which differ in the instance alone')
})

t.test('finds the start time behind a program name that holds parentheses and spaces', async (t) => {
  const before = await newReceiverId()
  const { title } = process
  process.title = 'a) 1 (b c) 2'
  t.teardown(() => {
    process.title = title
  })
  t.equal((await newReceiverId()).split('-')[2], before.split('-')[2])
})

t.test('names an owner where the system tells nothing of itself', async (t) => {
  failDuring(t, { call: 'readFile', code: 'ENOENT', occurrence: 0 })
  failDuring(t, { call: 'readlink', code: 'ENOENT', occurrence: 0 })
  t.match(await newReceiverId(), new RegExp(`^[0-9a-f]{8}-${process.pid}-0-\\d+-$`))
})

t.test('makes the folders private, and private files in them', async (t) => {
  const path = t.testdir()
  const staging = await openStaging(await openRoot(t, path), 'owner', path)
  t.teardown(() => staging.close())
  const staged = await createStaged(staging)
  await disk.close(staged.fd)
  const modeOf = (...names: string[]) => statSync(join(path, STAGING, ...names)).mode & 0o777
  t.equal(modeOf(), 0o700)
  t.equal(modeOf('owner'), 0o700)
  t.equal(modeOf('owner', staged.name), 0o600)
})

t.test('creates another file each time, and never opens one that is there', async (t) => {
  const path = t.testdir({ outside: 'untouched' })
  const staging = await openStaging(await openRoot(t, path), 'owner', path)
  t.teardown(() => staging.close())
  const one = await createStaged(staging)
  const two = await createStaged(staging)
  t.not(one.name, two.name)
  await disk.close(one.fd)
  await disk.close(two.fd)
  symlinkSync('../../outside', join(path, STAGING, 'owner', String(Number(two.name) + 1)))
  await t.rejects(createStaged(staging), { code: 'EEXIST' })
  t.equal(statSync(join(path, 'outside')).size, 'untouched'.length)
})

t.test('uses folders that are there already', async (t) => {
  const path = t.testdir({ [STAGING]: { owner: { 7: 'left' } } })
  const staging = await openStaging(await openRoot(t, path), 'owner', path)
  t.teardown(() => staging.close())
  t.strictSame(readdirSync(staging.path()), ['7'])
})

t.test('refuses a staging folder that is a symlink, or no folder', async (t) => {
  const path = t.testdir({
    linked: { [STAGING]: t.fixture('symlink', '../outside') },
    below: { [STAGING]: { owner: t.fixture('symlink', '../../outside') } },
    file: { [STAGING]: 'a file' },
    outside: {},
  })
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  for (const name of ['linked', 'below', 'file']) {
    const root = await Directory.open(join(path, name))
    const message = /\.tcp-recv: that is no folder \((ENOTDIR|ELOOP)\); remove it, or choose another --out$/
    await t.rejects(openStaging(root, 'owner', join(path, name)), { code: 'local-file', reason: 'disk', message }, name)
    await root.close()
  }
  t.strictSame(readdirSync(join(path, 'outside')), [])
  t.strictSame(watch.problems(), [])
})

t.test('makes the folder again when another receiver removes it between making and opening', async (t) => {
  const path = t.testdir()
  let removals = 4
  replaceDuring(t, 'mkdir', (current) => async (made, options) => {
    await current(made, options)
    if (made.endsWith(STAGING) && removals-- > 0) rmdirSync(join(path, STAGING))
  })
  const staging = await openStaging(await openRoot(t, path), 'owner', path)
  await staging.close()
  t.strictSame(stagedNames(path), ['owner'])
})

t.test('gives up when the folder vanishes again and again', async (t) => {
  const path = t.testdir()
  let removals = 0
  replaceDuring(t, 'mkdir', (current) => async (made, options) => {
    await current(made, options)
    removals++
    rmdirSync(join(path, STAGING))
  })
  await t.rejects(openStaging(await openRoot(t, path), 'owner', path), { code: 'local-file', message: /ENOENT/ })
  t.equal(removals, 5)
})

t.test('lets several receivers come and go in one folder at once', async (t) => {
  const path = t.testdir()
  const root = await openRoot(t, path)
  const receiver = async (owner: string) => {
    for (let round = 0; round < 20; round++) {
      const staging = await openStaging(root, owner, path)
      const staged = await createStaged(staging)
      await disk.close(staged.fd)
      await staging.close()
      await removeReceiver(root, owner)
    }
  }
  await t.resolves(Promise.all([receiver('a-1'), receiver('b-2'), receiver('c-3')]))
  t.strictSame(readdirSync(path), [])
})

t.test('removes what an owner left, and the folder itself after the last one', async (t) => {
  const path = t.testdir({ [STAGING]: { one: { 1: 'x', 2: 'y' }, two: { 3: 'z' } } })
  const root = await openRoot(t, path)
  await removeReceiver(root, 'one')
  t.strictSame(stagedNames(path), ['two', 'two/3'])
  await removeReceiver(root, 'two')
  t.strictSame(readdirSync(path), [])
  await t.resolves(removeReceiver(root, 'two'), 'and there is nothing wrong with nothing to remove')
})

t.test('leaves what it cannot remove', async (t) => {
  const path = t.testdir({ [STAGING]: { one: { folder: { file: '' }, other: '' }, file: '' } })
  const root = await openRoot(t, path)
  failDuring(t, { call: 'rmdir', code: 'EACCES' })
  await removeReceiver(root, 'one')
  await removeReceiver(root, 'file')
  t.strictSame(
    stagedNames(path).filter((name) => !name.endsWith('other')),
    ['file', 'one', 'one/folder'],
  )
})

t.test('does not follow an owner that is a symlink, nor one that becomes one', async (t) => {
  const path = t.testdir({
    [STAGING]: { linked: t.fixture('symlink', '../outside'), swapped: { 1: '' } },
    outside: { 1: 'keep' },
  })
  const root = await openRoot(t, path)
  await removeReceiver(root, 'linked')
  replaceDuring(t, 'readdir', (current) => async (read) => {
    const names = await current(read)
    unlinkSync(join(path, STAGING, 'swapped', '1'))
    rmdirSync(join(path, STAGING, 'swapped'))
    symlinkSync('../outside', join(path, STAGING, 'swapped'))
    return names
  })
  await removeReceiver(root, 'swapped')
  t.strictSame(readdirSync(join(path, 'outside')), ['1'])
})
