/** How much is kept, and for how long: what is too old, too small among many, or in the way of a new file, goes. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FolderDestination } from '../../dist/stores/folder-destination.js'
import { STAGING } from '../../dist/stores/staging.js'
import { doBefore, failDuring, injectFault, replaceCall, replaceDuring, systemError } from '../fixtures/disk.ts'
import { bytesOf } from '../fixtures/folder.ts'
import {
  breakOff,
  keptFolderOf,
  keptFolders,
  keptSizes,
  largeHeader,
  makeOld,
  SIZE,
  sizeOf,
} from '../fixtures/folder-kept.ts'
import { clean, openFolder, stagedFiles, stagedNames, storeIn, WEEK } from '../fixtures/folder-store.ts'
import { directoryHeader, put } from '../fixtures/folder-tree.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { asNobody } from '../fixtures/other-user.ts'

const KILO = 1024
const DAY = 24 * 3_600_000
const whole = bytesOf(SIZE)

type Store = Awaited<ReturnType<typeof openFolder>>

/** Keeps this many kilobytes under a name, since so many hours. */
async function keepFile(path: string, store: Store, name: string, kilobytes: number, hours = 0): Promise<void> {
  await breakOff(store, whole.subarray(0, kilobytes * KILO), { name })
  makeOld(keptFolderOf(path, name), hours)
}

/** Keeps a directory that holds files of that size, and a directory that nobody may look into. */
async function keepTree(path: string, store: Store, name: string, kilobytes: number, hours = 0): Promise<void> {
  const sink = await store.beginTree(directoryHeader({ name }))
  await put(sink, { enter: 'd' })
  await put(sink, { leave: true })
  await put(sink, { enter: 'e' })
  await put(sink, { large: 'f', pieces: [whole.subarray(0, (kilobytes - 1) * KILO)] })
  await put(sink, { symlink: 'g', to: 'f' })
  await put(sink, { leave: true })
  await put(sink, { file: 'h', content: whole.subarray(0, KILO) })
  await sink.keep()
  chmodSync(join(keptFolderOf(path, name), 'content/d'), 0)
  makeOld(keptFolderOf(path, name), hours)
}

/** The size of everything that was received and is not stored. */
function staged(path: string): number {
  const folders = stagedNames(path).filter((name) => name.endsWith('/content'))
  return folders.reduce((sum, name) => sum + sizeOf(join(path, STAGING, name)), 0)
}

/** Until `t` is over, this many kilobytes are free, and those that the staging folder holds less than now. */
function setFree(t: Test, path: string, kilobytes: number): void {
  const before = staged(path)
  replaceDuring(t, 'statfs', (statfs) => async (asked) => {
    const bavail = kilobytes + Math.floor((before - staged(path)) / KILO)
    return Object.assign(await statfs(asked), { bavail, bsize: KILO, blocks: 1_000_000 })
  })
}

t.test('removes what is too old when a receiver starts, and when something is kept', async (t) => {
  const check = async (path: string) => {
    const store = await openFolder(t, { path, keepPartial: DAY })
    for (const [age, hours] of [
      ['old', 25],
      ['young', 23],
    ] as const) {
      await keepFile(path, store, age, 2, hours)
      // The times of what is in a directory are those that the sender gave.
      const sink = await store.beginTree(directoryHeader({ name: `${age} tree`, mtime: 5 }))
      await put(sink, { file: 'a', content: 'x', mtime: age === 'old' ? Date.now() + 1e12 : 5 })
      await put(sink, { enter: 'd' })
      await put(sink, { leave: true })
      await sink.keep()
      chmodSync(join(keptFolderOf(path, `${age} tree`), 'content/d'), 0)
      makeOld(keptFolderOf(path, `${age} tree`), hours)
    }
    await keepFile(path, store, 'new', 3)
    t.strictSame(keptSizes(path), { new: 3 * KILO, young: 2 * KILO, 'young tree': 1 })
    makeOld(keptFolderOf(path, 'young'), 25)
    const destination = new FolderDestination({ path, ifExists: 'backup', keepPartial: DAY })
    await destination.prepare()
    await destination.close()
    t.strictSame(keptSizes(path), { new: 3 * KILO, 'young tree': 1 })
    await clean(path, 0)
    t.strictSame(keptFolders(path), [])
    t.notOk(existsSync(join(path, '.tcp-recv/kept')), 'and no empty folder stays')
  }
  await t.test('as this user', async (t) => await check(t.testdir()))
  await asNobody(t, check)
})

t.test('removes by age what is not its own: what an older release has kept, what a crash has left', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const kept = join(path, '.tcp-recv/kept')
  for (const name of ['project', 'other']) mkdirSync(join(kept, name, 'd'), { recursive: true })
  writeFileSync(join(kept, 'stray'), '')
  utimesSync(join(kept, 'project'), 5, 5)
  utimesSync(join(kept, 'stray'), 5, 5)
  t.equal((await store.begin(largeHeader({ name: 'project' }))).have, 0)
  await clean(path)
  t.strictSame(readdirSync(kept), ['other'])
  setFree(t, path, 10)
  await t.rejects(store.begin(largeHeader()), { code: 'refused', reason: 'no-space' })
  t.strictSame(readdirSync(kept), ['other'], 'which does not count as kept')
})

t.test('goes on where something cannot be removed', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  for (const name of ['one', 'two', 'three']) await keepFile(path, store, name, 2, 25)
  const leaked = watchOpenFiles(path)
  for (const call of ['lstat', 'rename', 'unlink'] as const) {
    const fault = injectFault({ call, code: 'EIO' })
    await clean(path, DAY)
    fault.restore()
    t.equal(keptFolders(path).length, 1, call)
    for (const name of ['two', 'three']) await keepFile(path, store, name, 2, 25)
    await clean(path, DAY)
    for (const name of ['one', 'two', 'three']) await keepFile(path, store, name, 2, 25)
  }
  t.strictSame(await leaked(), [])
})

t.test('keeps sixty-four: the smallest goes first, whatever its age', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  for (let kilobytes = 10; kilobytes < 72; kilobytes++) await keepFile(path, store, `file-${kilobytes}`, kilobytes)
  await keepTree(path, store, 'large tree', 500)
  await keepTree(path, store, 'small tree', 5)
  t.equal(keptFolders(path).length, 64)
  await keepFile(path, store, 'next', 100, 100)
  t.equal(keptFolders(path).length, 64)
  t.notOk('small tree' in keptSizes(path))
  t.equal(await breakOff(store, whole.subarray(0, 9 * KILO), { name: 'small' }), null, 'nor is a smaller one kept')
  t.equal(keptFolders(path).length, 64)
  await keepFile(path, store, 'last', 100)
  t.notOk('file-10' in keptSizes(path))
  t.match(keptSizes(path), { 'file-11': 11 * KILO, 'large tree': 500 * KILO, next: 100 * KILO, last: 100 * KILO })
  // It goes with what has no description, too.
  rmSync(join(keptFolderOf(path, 'last'), 'content'))
  await keepFile(path, store, 'one more', 100)
  t.equal(keptFolders(path).length, 64)
  t.notOk(keptFolders(path).map(nameIn).includes('last'))
  t.strictSame(
    stagedFiles(path).filter((name) => !name.startsWith('kept/')),
    [],
  )
})

function nameIn(folder: string): string {
  return JSON.parse(readFileSync(join(folder, 'about'), 'utf8')).name
}

t.test('is kept if the others cannot be listed', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  failDuring(t, { call: 'readdir', code: 'EIO', occurrence: 0 })
  t.type(await breakOff(store, whole.subarray(0, KILO)), 'string')
})

t.test('gives way to a new file, the oldest first, and no more than needed', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepFile(path, store, 'young', 300, 1)
  await keepTree(path, store, 'old', 200, 3)
  await keepFile(path, store, 'middle', 100, 2)
  setFree(t, path, 50)
  await storeIn(store, { name: 'small', size: 50 * KILO }, 'x')
  t.equal(keptFolders(path).length, 3, 'there is room')
  await storeIn(store, { name: 'large', size: 251 * KILO }, 'x')
  t.strictSame(keptSizes(path), { young: 300 * KILO })
})

t.test('gives way to no file for which that would not make enough room', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepFile(path, store, 'one', 100, 1)
  await keepTree(path, store, 'two', 100, 2)
  setFree(t, path, 50)
  const message = `the file has ${251 * KILO} bytes, and only ${50 * KILO} are free there`
  await t.rejects(store.begin(largeHeader({ name: 'new', source: 'x', size: 251 * KILO })), {
    code: 'refused',
    reason: 'no-space',
    peerMessage: message,
  })
  t.strictSame(keptSizes(path), { one: 100 * KILO, two: 100 * KILO })
  await t.resolves(store.begin(largeHeader({ name: 'new', source: 'x', size: 250 * KILO })))
  t.strictSame(keptSizes(path), {})
})

t.test('counts what it cannot look at as nothing', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepTree(path, store, 'tree', 100)
  setFree(t, path, 0)
  const restores = [
    injectFault({ call: 'list', code: 'EIO', occurrence: 0 }).restore,
    replaceCall('lstat', (lstat) => async (place) => {
      if (place.endsWith('/f')) throw systemError('EIO', 'lstat')
      return await lstat(place)
    }),
  ]
  for (const restore of restores) {
    await t.rejects(store.begin(largeHeader({ size: 2 * KILO })), { code: 'refused', reason: 'no-space' })
    t.strictSame(keptSizes(path), { tree: 100 * KILO })
    restore()
  }
  await storeIn(store, { size: 2 * KILO }, 'x')
  t.strictSame(keptSizes(path), {})
})

t.test('does not give way to the file whose part it is, also if that finds no room', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepFile(path, store, 'large.bin', 1500, 5)
  await keepFile(path, store, 'other', 100, 1)
  setFree(t, path, SIZE / KILO - 1500)
  const sink = await store.begin(largeHeader())
  t.equal(sink.have, 1500 * KILO, 'only the rest of it needs room')
  t.match(keptSizes(path), { other: 100 * KILO })
  await sink.keep()
  setFree(t, path, SIZE / KILO - 1500 - 101)
  await t.rejects(store.begin(largeHeader()), { code: 'refused', reason: 'no-space' })
  t.strictSame(keptSizes(path), { 'large.bin': 1500 * KILO, other: 100 * KILO }, 'it stays for later')
  t.strictSame(
    stagedFiles(path).filter((name) => !name.startsWith('kept/')),
    [],
  )
})

t.test('finds other room where something cannot be removed, or refuses the file', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  for (const hours of [1, 2, 3]) await keepFile(path, store, `file-${hours}`, 100, hours)
  setFree(t, path, 0)
  const fault = injectFault({ call: 'rename', code: 'EACCES' })
  await storeIn(store, { size: 100 * KILO }, 'x')
  fault.restore()
  t.strictSame(keptSizes(path), { 'file-1': 100 * KILO, 'file-3': 100 * KILO })
  failDuring(t, { call: 'rename', code: 'EACCES', occurrence: 0 })
  await t.rejects(storeIn(store, { size: 200 * KILO }, 'x'), { code: 'refused', reason: 'no-space' })
})

t.test('loses its name before it is removed, so nobody goes on with half of it', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await keepFile(path, store, 'large.bin', 100, 25)
  let have = -1
  const taking: Promise<unknown>[] = []
  const restore = doBefore('unlink', () => {
    restore()
    const begun = store.begin(largeHeader()).then((sink) => {
      have = sink.have
      return sink.discard()
    })
    taking.push(begun)
  })
  await clean(path, DAY)
  await Promise.all(taking)
  t.equal(taking.length, 1)
  t.equal(have, 0)
})

t.test('tells whether it keeps something of an owner', async (t) => {
  const path = t.testdir()
  const settings = { path, ifExists: 'backup', keepPartial: WEEK } as const
  const destination = new FolderDestination(settings)
  const leaked = watchOpenFiles(path)
  t.equal(await destination.hasKept('alice'), false)
  await breakOff(await openFolder(t, { path, owner: 'alice' }), whole.subarray(0, KILO))
  t.equal(await destination.hasKept('alice'), true)
  t.equal(await destination.hasKept('bob'), false)
  t.equal(await destination.hasKept(''), false)
  t.equal(await new FolderDestination({ ...settings, keepPartial: 0 }).hasKept('alice'), false)
  t.equal(await new FolderDestination({ ...settings, path: join(path, 'absent') }).hasKept('alice'), false)
  t.strictSame(
    (await leaked()).filter((name) => !name.includes('.tcp-recv') && name !== path),
    [],
  )
  t.ok(stagedNames(path).length > 0)
})
