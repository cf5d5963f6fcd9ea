import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { FolderSource } from '../../dist/sources/folder-source.js'
import { COUNT_DELAY, TreeCount } from '../../dist/sources/tree-count.js'
import { failDuring } from '../fixtures/disk.js'
import { watchOpenFiles } from '../fixtures/open-files.js'
import { fakePerformanceNow } from '../fixtures/performance-clock.js'

const everything = { exclude: [], gitignore: false, follow: false }

/** A directory of `files` files of 3 bytes, and its count, which begins when it is told that time has passed. */
async function counting(t: Test, files: number, options = everything) {
  const clock = fakePerformanceNow(t)
  const folder = t.testdir({ d: {}, far: 'far away' })
  const path = join(folder, 'd')
  mkdirSync(join(path, 'sub'))
  for (let file = 0; file < files; file++) writeFileSync(join(path, file % 2 ? 'sub' : '', `f${file}`), 'one')
  symlinkSync('../far', join(path, 'link'))
  const stillOpen = watchOpenFiles(folder)
  const opened = await new FolderSource(path, 'd', options).open()
  t.teardown(() => opened.close())
  await opened.close()
  const count = new TreeCount(() => opened.walkAgain())
  return { clock, path, count, stillOpen }
}

t.test('counts the files and their bytes, but only when a second has passed', async (t) => {
  const { clock, count, stillOpen } = await counting(t, 300)
  clock.pass(COUNT_DELAY - 1)
  count.tick()
  await setImmediate()
  t.match(count, { files: 0, bytes: 0, isComplete: false })
  clock.pass(1)
  count.tick()
  while (!count.isComplete) {
    count.tick()
    await setImmediate()
  }
  t.match(count, { files: 300, bytes: 900 })
  await count.stop()
  t.strictSame(await stillOpen(), [])
})

t.test('counts what a symlink leads to where that is sent', async (t) => {
  const { clock, count } = await counting(t, 2, { ...everything, follow: true })
  clock.pass(COUNT_DELAY)
  count.tick()
  while (!count.isComplete) await setImmediate()
  t.match(count, { files: 3, bytes: 14 })
})

t.test('stops with the transfer, and leaves nothing open', async (t) => {
  const { clock, count, stillOpen } = await counting(t, 1000)
  clock.pass(COUNT_DELAY)
  count.tick()
  await setImmediate()
  await count.stop()
  t.notOk(count.isComplete)
  t.ok(count.files < 1000, `${count.files} were counted, in turns`)
  t.strictSame(await stillOpen(), [])
})

t.test('knows what was sent as soon as all of it was read', async (t) => {
  const { count } = await counting(t, 1)
  await count.finish({ files: 7, bytes: 70 })
  t.match(count, { files: 7, bytes: 70, isComplete: true })
  await count.stop()
})

t.test('stays incomplete where something cannot be read', async (t) => {
  const first = await counting(t, 3)
  failDuring(t, { call: 'lstat', code: 'EIO', occurrence: 2 })
  first.clock.pass(COUNT_DELAY)
  first.count.tick()
  await setImmediate()
  await first.count.stop()
  t.match(first.count, { files: 1, bytes: 3, isComplete: false })
  t.strictSame(await first.stillOpen(), [])
})

t.test('stays incomplete where the directory is gone', async (t) => {
  const { clock, count, path } = await counting(t, 3)
  rmSync(path, { recursive: true })
  clock.pass(COUNT_DELAY)
  count.tick()
  await count.stop()
  t.match(count, { files: 0, isComplete: false })
})
