import { spawnSync } from 'node:child_process'
import { chmodSync, lutimesSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { newReceiverId } from '../../dist/stores/receiver-id.js'
import { STAGING } from '../../dist/stores/staging.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { injectFault, replaceCall, replaceDuring, systemError } from '../fixtures/disk.ts'
import { clean, stagedNames } from '../fixtures/folder-store.ts'
import { setMachineId, setUptime, THIS_MACHINE } from '../fixtures/machine.ts'
import { asNobody } from '../fixtures/other-user.ts'
import { makeTree } from '../fixtures/tree.ts'

/** An owner with some of its five parts replaced: this boot, this process, its start, its instance, this machine. */
async function ownerWith(parts: { boot?: string; pid?: number | string; start?: string }): Promise<string> {
  const [boot, pid, start, instance, machine] = (await newReceiverId()).split('-')
  return [parts.boot ?? boot, parts.pid ?? pid, parts.start ?? start, instance, machine].join('-')
}

/** Makes an owner's folder with a file in it; `age` makes both old, in hours. */
function leave(path: string, owner: string, age?: { folder: number; file: number }): void {
  const folder = join(path, STAGING, owner)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, '0'), 'half a file')
  if (!age) return
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000)
  utimesSync(join(folder, '0'), hoursAgo(age.file), hoursAgo(age.file))
  utimesSync(folder, hoursAgo(age.folder), hoursAgo(age.folder))
}

/** Asserts that an owner's folder is kept, or that all of the staging folder is gone. */
async function judge(t: Test, owner: string, expected: 'kept' | 'removed', age?: { folder: number; file: number }) {
  const path = t.testdir()
  leave(path, owner, age)
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  await clean(path)
  t.strictSame(stagedNames(path), expected === 'kept' ? [owner, `${owner}/0`] : [])
  if (expected === 'removed') t.strictSame(readdirSync(path), [])
  t.strictSame(watch.problems(), [])
}

t.test('removes what a process left that has exited', async (t) => {
  const { pid } = spawnSync(process.execPath, ['-e', '0'])
  await judge(t, await ownerWith({ pid }), 'removed')
})

t.test('removes what a process left whose number another one has now', async (t) => {
  await judge(t, await ownerWith({ start: '1' }), 'removed')
})

t.test('keeps what a running process works on: this one', async (t) => {
  await judge(t, await newReceiverId(), 'kept')
})

t.test('keeps what a running process works on: another one', async (t) => {
  const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8')
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  await judge(t, await ownerWith({ pid: process.ppid, start }), 'kept')
})

t.test('keeps what a running process of another user works on', async (t) => {
  t.intercept(process, 'kill', {
    value: () => {
      throw systemError('EPERM', 'kill')
    },
  })
  await judge(t, await newReceiverId(), 'kept')
})

t.test('keeps what a running process works on when its start time cannot be read', async (t) => {
  const owner = await newReceiverId()
  replaceDuring(t, 'readFile', (current) => async (path, encoding) => {
    if (String(path).endsWith('/stat')) throw systemError('EMFILE', 'open')
    return await current(path, encoding)
  })
  await judge(t, owner, 'kept')
})

t.test('keeps what a running process works on that could not read its own start time', async (t) => {
  await judge(t, await ownerWith({ start: '0' }), 'kept')
})

t.test('keeps what another machine has touched within a day', async (t) => {
  const foreign = '0f0f0f0f-1-1-0'
  await t.test('the folder and the file', async (t) => await judge(t, foreign, 'kept'))
  await t.test('the file alone', async (t) => await judge(t, foreign, 'kept', { folder: 48, file: 23 }))
  await t.test('the folder alone', async (t) => await judge(t, foreign, 'kept', { folder: 23, file: 48 }))
})

t.test('removes what another machine has not touched for a day', async (t) => {
  await judge(t, '0f0f0f0f-1-1-0', 'removed', { folder: 25, file: 25 })
})

/** Leaves a directory that another machine was receiving. Everything is two days old, except for what is named. */
async function judgeTree(t: Test, path: string, young: string | null, expected: 'kept' | 'removed') {
  const folder = join(path, STAGING, '0f0f0f0f-1-1-0')
  makeTree(folder, { '0/a/b': 'x', '0/link': { to: 'a' }, '0/z': 'x' })
  const old = new Date(Date.now() - 48 * 3_600_000)
  for (const name of ['0/a/b', '0/z', '0/a', '0', '.']) if (name !== young) utimesSync(join(folder, name), old, old)
  lutimesSync(join(folder, '0/link'), old, old)
  chmodSync(join(folder, '0/a'), 0)
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  await clean(path)
  t.equal(readdirSync(path).includes(STAGING), expected === 'kept')
  t.strictSame(watch.problems(), [])
}

t.test('looks for what another machine has touched in directories, too', async (t) => {
  for (const young of ['0/a', '0/z', '0', '.']) await judgeTree(t, t.testdir(), young, 'kept')
  await judgeTree(t, t.testdir(), null, 'removed')
  await asNobody(t, async (path) => {
    await judgeTree(t, path, null, 'removed')
  })
  const fault = injectFault({ call: 'open', code: 'EMFILE', occurrence: 5 })
  await judgeTree(t, t.testdir(), null, 'kept')
  fault.restore()
})

t.test('removes what an earlier boot of this machine has left, whatever its age', async (t) => {
  setMachineId(t)
  setUptime(t, 2)
  const earlier = await ownerWith({ boot: '0f0f0f0f' })
  await t.test('before this boot', async (t) => await judge(t, earlier, 'removed', { folder: 3, file: 3 }))
  await t.test('since this boot', async (t) => await judge(t, earlier, 'kept', { folder: 3, file: 1 }))
  await t.test('on another machine', async (t) => {
    setMachineId(t, THIS_MACHINE.replace('0', '1'))
    await judge(t, earlier, 'kept', { folder: 3, file: 3 })
  })
  await t.test('on a machine without an id', async (t) => {
    setMachineId(t, null)
    const nameless = await ownerWith({ boot: '0f0f0f0f' })
    await judge(t, nameless, 'kept', { folder: 3, file: 3 })
  })
})

t.test('keeps what a process works on whose number counts in another namespace', async (t) => {
  const restore = replaceCall('readlink', (readlink) => async (path) => {
    return path === '/proc/self/ns/pid' ? 'pid:[1]' : await readlink(path)
  })
  const owner = await ownerWith({ start: '1' }).finally(restore)
  await judge(t, owner, 'kept')
})

t.test('judges by age what does not say whose it is', async (t) => {
  for (const owner of ['stray', await ownerWith({ pid: 'abc' }), await ownerWith({ pid: '1x' })]) {
    await t.test('young', async (t) => await judge(t, owner, 'kept'))
    await t.test('old', async (t) => await judge(t, owner, 'removed', { folder: 25, file: 25 }))
  }
})

t.test('removes the dead beside the living', async (t) => {
  const path = t.testdir()
  const live = await newReceiverId()
  leave(path, live)
  leave(path, await ownerWith({ start: '1' }))
  leave(path, 'foreign-old', { folder: 30, file: 30 })
  await clean(path)
  t.strictSame(stagedNames(path), [live, `${live}/0`])
})

t.test('is not kept from its work by something that does not belong there', async (t) => {
  const path = t.testdir({ [STAGING]: { '0-stray-file': '' }, outside: { 0: 'keep' } })
  leave(path, await ownerWith({ start: '1' }))
  await clean(path)
  t.strictSame(stagedNames(path), ['0-stray-file'])
})

t.test('does nothing where there is no staging folder, or a symlink in its place', async (t) => {
  const path = t.testdir({
    empty: {},
    linked: { [STAGING]: t.fixture('symlink', '../outside') },
    outside: { 'dead-owner': { 0: 'keep' } },
  })
  await t.resolves(clean(join(path, 'empty')))
  await t.resolves(clean(join(path, 'linked')))
  t.strictSame(
    readdirSync(path, { recursive: true })
      .map(String)
      .filter((name) => name.startsWith('outside/'))
      .sort(),
    ['outside/dead-owner', 'outside/dead-owner/0'],
  )
})
