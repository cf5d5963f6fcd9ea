/** `--if-exists reuse`: what counts as the same file, and what does not. */
import { chmodSync, lstatSync, mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { countCalls, failDuring, replaceDuring } from '../fixtures/disk.ts'
import { bytesOf, filesIn } from '../fixtures/folder.ts'
import { beginLarge, breakOff, keptFolders, SIZE } from '../fixtures/folder-kept.ts'
import { asContent, finalNames, header, openFolder, stagedFiles, storeIn } from '../fixtures/folder-store.ts'
import { append } from '../fixtures/sinks.ts'
import { makeFifo } from '../fixtures/special-files.ts'

async function folderWith(t: Test, content: string) {
  const path = t.testdir({ name: content })
  const store = await openFolder(t, { path, ifExists: 'reuse' })
  return { path, there: join(path, 'name'), store, put: () => storeIn(store, { name: 'name', mode: 0o600 }, 'new') }
}

t.test('takes a file with the same content, and leaves it as it is', async (t) => {
  const { path, there, put } = await folderWith(t, 'new')
  chmodSync(there, 0o644)
  utimesSync(there, 1_000, 1_000)
  const before = lstatSync(there)
  const calls = await countCalls(async () => {
    t.strictSame(await put(), { name: 'name', reused: true, path: there })
  })
  t.equal(calls.get('fsync'), 3, 'the new file, the file that is there, and the folder')
  const { ino, mode, mtimeMs } = lstatSync(there)
  t.strictSame({ ino, mode, mtimeMs }, { ino: before.ino, mode: before.mode, mtimeMs: before.mtimeMs })
  t.strictSame(filesIn(path), { name: 'new' })
  t.strictSame(stagedFiles(path), [])
})

t.test('takes an empty file for an empty one, and no other', async (t) => {
  const path = t.testdir({ name: '' })
  const store = await openFolder(t, { path, ifExists: 'reuse' })
  t.match(await storeIn(store, { name: 'name' }), { name: 'name', reused: true })
  t.strictSame(await storeIn(store, { name: 'name' }, 'x'), { name: 'name_bak', path: join(path, 'name_bak') })
})

t.test('takes what is there where there are no hard links, too', async (t) => {
  failDuring(t, { call: 'link', code: 'EPERM', occurrence: 0 })
  const { path, put } = await folderWith(t, 'new')
  t.match(await put(), { name: 'name', reused: true })
  t.strictSame(filesIn(path), { name: 'new' })
})

t.test('of several senders of one file that end at once, one stores it and the others reuse it', async (t) => {
  const path = t.testdir()
  const sinks = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const sink = await (await openFolder(t, { path, ifExists: 'reuse' })).begin(header({ name: 'name' }))
      await append(sink, Buffer.from('new'))
      return sink
    }),
  )
  const stored = await Promise.all(sinks.map((sink) => sink.commit(asContent(Buffer.from('new')))))
  t.strictSame(
    stored.map(({ name }) => name),
    Array(6).fill('name'),
  )
  t.equal(stored.filter(({ reused }) => reused).length, 5)
  t.strictSame(filesIn(path), { name: 'new' })
  t.strictSame(stagedFiles(path), [])
})

t.test('removes what was kept of a file that is reused', async (t) => {
  const whole = bytesOf(SIZE)
  const path = t.testdir({ 'large.bin': whole })
  const store = await openFolder(t, { path, ifExists: 'reuse' })
  t.ok(await breakOff(store, whole.subarray(0, SIZE / 2)))
  const sink = await beginLarge(store, Buffer.alloc(0))
  t.equal(sink.have, SIZE / 2)
  t.equal(sink.write(whole.subarray(SIZE / 2), SIZE / 2), true)
  t.match(await sink.commit(asContent(whole)), { name: 'large.bin', reused: true })
  t.strictSame(finalNames(path), ['large.bin'])
  t.strictSame([stagedFiles(path).length, keptFolders(path).length], [0, 0])
})

const others: Record<string, (path: string) => void> = {
  'another content of the same size': (path) => writeFileSync(path, 'old'),
  'a longer file': (path) => writeFileSync(path, 'new and more'),
  'a symlink to the same content': (path) => {
    writeFileSync(`${path}-target`, 'new')
    symlinkSync('name-target', path)
  },
  'a folder': (path) => mkdirSync(path),
  'a FIFO': (path) => makeFifo(path),
}

for (const [kind, make] of Object.entries(others)) {
  t.test(`stores beside ${kind}`, async (t) => {
    const path = t.testdir()
    make(join(path, 'name'))
    const before = lstatSync(join(path, 'name'))
    const store = await openFolder(t, { path, ifExists: 'reuse' })
    t.strictSame(await storeIn(store, { name: 'name' }, 'new'), { name: 'name_bak', path: join(path, 'name_bak') })
    const after = lstatSync(join(path, 'name'))
    t.strictSame([after.ino, after.mode, after.mtimeMs], [before.ino, before.mode, before.mtimeMs])
  })
}

const changes: Record<string, (path: string) => void> = {
  'is written to': (path) => writeFileSync(path, 'odd'),
  grows: (path) => writeFileSync(path, 'new', { flag: 'a' }),
  'is replaced': (path) => {
    writeFileSync(`${path}-other`, 'odd')
    renameSync(`${path}-other`, path)
  },
}

for (const [how, change] of Object.entries(changes)) {
  t.test(`stores beside a file that ${how} while it is compared`, async (t) => {
    const { there, put } = await folderWith(t, 'new')
    utimesSync(there, 1_000, 1_000)
    replaceDuring(t, 'read', (read) => async (...args) => {
      const count = await read(...args)
      change(there)
      return count
    })
    t.match(await put(), { name: 'name_bak' })
  })
}

for (const call of ['open', 'read', 'fsync'] as const) {
  t.test(`stores beside a file for which ${call} fails`, async (t) => {
    const { path, there, store } = await folderWith(t, 'new')
    const sink = await store.begin(header({ name: 'name' }))
    await append(sink, Buffer.from('new'))
    // The first fsync is that of the new file.
    failDuring(t, { call, code: call === 'open' ? 'EACCES' : 'EIO', occurrence: call === 'fsync' ? 2 : 1 })
    t.match(await sink.commit(asContent(Buffer.from('new'))), { name: 'name_bak' })
    t.strictSame(filesIn(path), { name: 'new', name_bak: 'new' })
    t.equal(lstatSync(there).isFile(), true)
  })
}

t.test('reuses nothing without a content to compare with', async (t) => {
  const { store } = await folderWith(t, '')
  t.match(await (await store.begin(header({ name: 'name' }))).commit(), { name: 'name_bak' })
})
