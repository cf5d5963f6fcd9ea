/** What a receiver was storing when it was killed is kept by the next one that starts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { STAGING } from '../../dist/stores/staging.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { bytesOf } from '../fixtures/folder.ts'
import {
  beginLarge,
  breakOff,
  haveIn,
  keptFolderOf,
  keptFolders,
  keptSizes,
  largeHeader,
  SIZE,
} from '../fixtures/folder-kept.ts'
import { clean, deadReceiver, finalNames, openFolder, stagedFiles, stagedNames } from '../fixtures/folder-store.ts'
import { directoryHeader, put } from '../fixtures/folder-tree.ts'
import { setMachineId, setUptime, THIS_MACHINE } from '../fixtures/machine.ts'

const whole = bytesOf(SIZE)
const part = whole.subarray(0, 700 * 1024)

/** Stores a part of a file in another process, which then waits. Returns the function that kills it with SIGKILL. */
async function receiveElsewhere(t: Test, path: string): Promise<() => Promise<void>> {
  const script = `
    import { FolderDestination } from ${JSON.stringify(new URL('../../dist/stores/folder-destination.js', import.meta.url))}
    const destination = new FolderDestination({ path: ${JSON.stringify(path)}, ifExists: 'backup', keepPartial: 1e9 })
    await destination.prepare()
    const store = await destination.open(new AbortController().signal, '')
    const sink = await store.begin(${JSON.stringify(largeHeader())})
    const pieces = []
    for await (const piece of process.stdin) pieces.push(piece)
    await sink.writeLater(Buffer.concat(pieces), 0)
    process.stdout.write('ready')
    setInterval(() => {}, 1e9)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  t.teardown(() => child.kill('SIGKILL'))
  child.stdin.end(part)
  await once(child.stdout, 'data')
  return async () => {
    child.kill('SIGKILL')
    await exited
  }
}

/** Leaves a part of a file in the folder of this receiver, as a crash does. Returns the folder of the file. */
async function crash(t: Test, path: string, receiverId: string, bytes = part): Promise<string> {
  const store = await openFolder(t, { path, receiverId })
  const before = new Set(readdirSync(join(path, STAGING, receiverId)))
  await beginLarge(store, bytes)
  const [name = ''] = readdirSync(join(path, STAGING, receiverId)).filter((name) => !before.has(name))
  return join(path, STAGING, receiverId, name)
}

t.test('goes on after the receiver was killed, and leaves one alone that runs', async (t) => {
  const path = t.testdir()
  const kill = await receiveElsewhere(t, path)
  const store = await openFolder(t, { path })
  await clean(path)
  t.strictSame(await haveIn(store), { have: 0, changed: false }, 'the other one runs')
  await kill()
  await clean(path)
  t.strictSame(keptSizes(path), { 'large.bin': part.length })
  const sink = await store.begin(largeHeader())
  t.equal(sink.have, part.length)
  await sink.writeLater(whole.subarray(part.length), part.length)
  await sink.commit()
  t.ok(readFileSync(join(path, 'large.bin')).equals(whole))
  t.strictSame(stagedFiles(path), [])
})

t.test('goes on at another receiver that has run all the time', async (t) => {
  const path = t.testdir()
  const before = await openFolder(t, { path })
  const kill = await receiveElsewhere(t, path)
  t.strictSame(await haveIn(before), { have: 0, changed: false }, 'the other one runs')
  await kill()
  t.strictSame(await haveIn(before), { have: 0, changed: false }, 'a transfer looks once')
  const store = await openFolder(t, { path })
  const sink = await store.begin(largeHeader())
  t.equal(sink.have, part.length)
  await sink.writeLater(whole.subarray(part.length), part.length)
  await sink.commit()
  t.ok(readFileSync(join(path, 'large.bin')).equals(whole))
  t.strictSame(stagedFiles(path), [])
})

t.test('keeps what a dead receiver has left, and removes the rest of it', async (t) => {
  const path = t.testdir()
  const receiverId = await deadReceiver()
  await crash(t, path, receiverId)
  writeFileSync(join(path, STAGING, receiverId, 'stray'), 'x')
  mkdirSync(join(path, STAGING, receiverId, 'tree/d'), { recursive: true })
  const watch = watchDescriptors()
  await clean(path)
  t.strictSame(watch.problems(), [])
  watch.restore()
  t.strictSame(keptSizes(path), { 'large.bin': part.length })
  t.notOk(stagedNames(path).includes(receiverId))
  await clean(path, 0)
  t.strictSame(readdirSync(path), [])
})

t.test('keeps a directory with what is in it, if its sender can go on with it', async (t) => {
  for (const source of ['a'.repeat(32), '']) {
    const path = t.testdir()
    const store = await openFolder(t, { path, receiverId: await deadReceiver() })
    const sink = await store.beginTree(directoryHeader({ source }))
    await put(sink, { file: 'a', content: 'whole' })
    await clean(path)
    t.strictSame(keptSizes(path), source === '' ? {} : { project: 5 })
  }
})

t.test('keeps nothing that is of no use', async (t) => {
  const damages: Record<string, (folder: string, path: string) => void> = {
    'less than a chunk': (folder) => truncateSync(join(folder, 'content'), 1023),
    'a file that has got its name': (folder, path) => linkSync(join(folder, 'content'), join(path, 'large.bin')),
    'content without a description': (folder) => truncateSync(join(folder, 'about')),
    'a description without content': (folder) => renameSync(join(folder, 'content'), join(folder, 'other')),
  }
  for (const [what, damage] of Object.entries(damages)) {
    await t.test(what, async (t) => {
      const path = t.testdir()
      damage(await crash(t, path, await deadReceiver()), path)
      await clean(path)
      t.notOk(readdirSync(path).includes(STAGING))
      t.strictSame(finalNames(path), what.includes('name') ? ['large.bin'] : [])
    })
  }
})

t.test('keeps the longest of what is there already and what several have left', async (t) => {
  for (const [before, left] of [
    [100, [300, 200]],
    [200, [100, 300]],
    [300, [200, 100]],
  ] as const) {
    const path = t.testdir()
    const store = await openFolder(t, { path })
    await breakOff(store, whole.subarray(0, before * 1024))
    const receiverId = await deadReceiver()
    await crash(t, path, receiverId, whole.subarray(0, 50 * 1024))
    for (const size of left) await crash(t, path, `${receiverId}-${size}`, whole.subarray(0, size * 1024))
    await clean(path)
    t.strictSame(keptSizes(path), { 'large.bin': 300 * 1024 })
    t.equal(keptFolders(path).length, 1)
  }
})

t.test('is not hindered by the numbers that another process has given', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await breakOff(store, part.subarray(0, 5000))
  const receiverId = await deadReceiver()
  const folder = await crash(t, path, receiverId)
  const number = Number(folder.split('/').at(-1))
  for (let next = number + 1; next < number + 10; next++) {
    mkdirSync(join(path, STAGING, receiverId, String(next)))
    writeFileSync(join(path, STAGING, receiverId, String(next), 'x'), '')
  }
  await clean(path)
  t.strictSame(keptSizes(path), { 'large.bin': part.length })
})

t.test('keeps at once what an earlier boot has left, and after a day what another machine has', async (t) => {
  setMachineId(t)
  setUptime(t, 2)
  const [, ...rest] = (await deadReceiver()).split('-')
  const here = ['0f0f0f0f', ...rest].join('-')
  const elsewhere = here.replace(/-[0-9a-f]+$/, `-${THIS_MACHINE}`)
  const cases: [receiverId: string, hours: number, isKept: boolean][] = [
    [here, 3, true],
    [here, 1, false],
    [elsewhere, 23, false],
    [elsewhere, 25, true],
  ]
  for (const [receiverId, hours, isKept] of cases) {
    await t.test(`${receiverId === here ? 'this' : 'another'} machine, ${hours} hours`, async (t) => {
      const path = t.testdir()
      const folder = await crash(t, path, receiverId)
      const time = new Date(Date.now() - hours * 3_600_000)
      for (const name of ['about', 'content', '.', '..']) utimesSync(join(folder, name), time, time)
      await clean(path)
      t.equal(stagedNames(path).includes(receiverId), !isKept)
      t.strictSame(keptSizes(path), isKept ? { 'large.bin': part.length } : {})
    })
  }
})

t.test('is kept under the name that its sender finds', async (t) => {
  const path = t.testdir()
  const folder = await crash(t, path, await deadReceiver())
  const about = readFileSync(join(folder, 'about'), 'utf8')
  await clean(path)
  t.equal(readFileSync(join(keptFolderOf(path), 'about'), 'utf8'), about)
  t.strictSame(await haveIn(await openFolder(t, { path })), { have: part.length, changed: false })
})
