import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Directory } from '../../dist/disk/directory.js'
import { disk } from '../../dist/disk/disk.js'
import { syncTree } from '../../dist/disk/sync-tree.js'
import { injectFault, realDisk, replaceDuring, systemError } from '../fixtures/disk.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { asNobody } from '../fixtures/other-user.ts'
import { makeTree, type Tree } from '../fixtures/tree.ts'

const MANY = 48

const tree: Tree = {
  a: 'x',
  b: 'x',
  'c/d/e': 'x',
  'c/d/f': 'x',
  'empty/': '',
  link: { to: 'a' },
  ...Object.fromEntries(Array.from({ length: 9 }, (_, number) => [`many/${number}`, 'x'])),
}

async function open(t: Test, path: string): Promise<Directory> {
  const folder = await Directory.open(path)
  t.teardown(() => folder.close())
  return folder
}

/** The inodes that are fsynced until `t` is over. */
function watchSyncs(t: Test): number[] {
  const inodes: number[] = []
  replaceDuring(t, 'fsync', () => async (fd) => {
    inodes.push((await realDisk.fstat(fd)).ino)
  })
  return inodes
}

/** What `syncFileSystem` says until `t` is over, and how often it was asked. */
function answerSync(t: Test, answer: boolean): { asked: number } {
  const counter = { asked: 0 }
  replaceDuring(t, 'syncFileSystem', () => async () => {
    counter.asked++
    return answer
  })
  return counter
}

t.test('flushes each file and directory if they are few', async (t) => {
  const path = makeTree(t.testdir(), tree)
  const folder = await open(t, path)
  const leaked = watchOpenFiles(path)
  const synced = watchSyncs(t)
  const counter = answerSync(t, true)
  await syncTree(folder, MANY - 1)
  t.equal(counter.asked, 0)
  const expected = ['a', 'b', 'c', 'c/d', 'c/d/e', 'c/d/f', 'empty', 'many', '.']
  for (let number = 0; number < 9; number++) expected.push(`many/${number}`)
  const inodes = await Promise.all(expected.map(async (name) => (await realDisk.lstat(join(path, name))).ino))
  t.strictSame(synced.toSorted(), inodes.toSorted())
  t.strictSame(await leaked(), [])
})

t.test('flushes the file system if they are many, and each if that fails', async (t) => {
  const folder = await open(t, makeTree(t.testdir(), tree))
  const synced = watchSyncs(t)
  const well = answerSync(t, true)
  await syncTree(folder, MANY)
  t.equal(well.asked, 1)
  t.equal(synced.length, 0)
  const badly = answerSync(t, false)
  await syncTree(folder, MANY)
  t.equal(badly.asked, 1)
  t.equal(synced.length, 18)
})

t.test('throws the error of any file, also of one that fails while others are flushed', async (t) => {
  const path = makeTree(t.testdir(), tree)
  const folder = await open(t, path)
  const leaked = watchOpenFiles(path)
  for (const [call, times] of [
    ['fsync', 18],
    ['open', 17],
    ['list', 5],
  ] as const) {
    for (let occurrence = 1; occurrence <= times; occurrence++) {
      const fault = injectFault({ call, code: 'EIO', occurrence })
      await t.rejects(syncTree(folder, 1), { code: 'EIO' }, `${call} ${occurrence}`)
      fault.restore()
    }
  }
  t.strictSame(await leaked(), [])
})

t.test('does not take an error of the disk for a missing permission', async (t) => {
  const folder = await open(t, makeTree(t.testdir(), { a: '', b: '' }))
  const counter = answerSync(t, true)
  let opened = 0
  replaceDuring(t, 'open', (current) => async (...args) => {
    if (++opened === 1) throw systemError('EACCES')
    return await current(...args)
  })
  const fault = injectFault({ call: 'fsync', code: 'EIO' })
  await t.rejects(syncTree(folder, 2), { code: 'EIO' })
  fault.restore()
  t.equal(counter.asked, 0)
})

t.test('flushes the file system if the owner may not open a file', async (t) => {
  await asNobody(t, async (path) => {
    makeTree(path, { secret: '', other: '' })
    chmodSync(join(path, 'secret'), 0)
    const folder = await open(t, path)
    const well = answerSync(t, true)
    await syncTree(folder, 2)
    t.equal(well.asked, 1)
    const badly = answerSync(t, false)
    await t.rejects(syncTree(folder, 2), { code: 'EACCES' })
    t.equal(badly.asked, 1)
    chmodSync(join(path, 'secret'), 0o600)
  })
})

t.test('runs sync(1) for the file system, and says whether that has worked', async (t) => {
  const folder = t.testdir({
    bin: { sync: '#!/bin/sh\nprintf "%s " "$@" >"$0.args"\ntest ! -e "$0.fail"\n' },
    empty: {},
  })
  const sync = join(folder, 'bin', 'sync')
  chmodSync(sync, 0o755)
  const { PATH } = process.env
  t.teardown(() => {
    process.env.PATH = PATH
  })
  process.env.PATH = `${join(folder, 'bin')}:${PATH}`
  t.equal(await disk.syncFileSystem('/some where'), true)
  t.equal(readFileSync(`${sync}.args`, 'utf8'), '-f /some where ')
  writeFileSync(`${sync}.fail`, '')
  t.equal(await disk.syncFileSystem('/'), false)
  process.env.PATH = join(folder, 'empty')
  t.equal(await disk.syncFileSystem('/'), false, 'there is no such program')
  t.equal(await disk.syncFileSystem('a\0b'), false, 'it cannot be started')
})

t.test('runs no program on a system whose sync may not wait for the disk', async (t) => {
  t.intercept(process, 'platform', { value: 'darwin' })
  t.equal(await disk.syncFileSystem('/'), false)
})
