/** A staged file goes to the disk while it is written, and what the disk has lost is never forgotten. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { failDuring, realDisk, replaceDuring, systemError } from '../fixtures/disk.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { finalNames, header, NeverQuick, openFolder, stagedFiles } from '../fixtures/folder-store.ts'
import { gate } from '../fixtures/gate.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { append } from '../fixtures/sinks.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

const MEGABYTE = 1024 * 1024

/** After how much the file is sent to the disk. */
const FLUSH = 16 * MEGABYTE

const piece = bytesOf(MEGABYTE)

async function begin(t: Test) {
  const path = t.testdir()
  return { path, entry: await (await openFolder(t, { path })).begin(header()) }
}

/** Each flush stops at a gate of its own. */
function gatedFlushes(t: Test, end = async () => {}) {
  const gates = [gate(), gate(), gate()] as const
  let count = 0
  replaceDuring(t, 'fdatasync', () => async () => {
    await gates[count++]?.opened
    await end()
  })
  return { gates, count: () => count }
}

t.test('sends what it has to the disk after each 16 MiB, and a small file only at its end', async (t) => {
  const { path, entry } = await begin(t)
  const calls: string[] = []
  for (const call of ['fdatasync', 'fsync'] as const) {
    replaceDuring(t, call, (current) => async (fd) => {
      calls.push(call)
      await current(fd)
    })
  }
  for (let count = 0; count < 16; count++) await append(entry, piece)
  t.strictSame(calls, [])
  for (let count = 16; count < 50; count++) {
    await append(entry, piece)
    await settle(20)
  }
  t.ok(calls.length >= 2, `${calls.length} flushes`)
  await entry.commit()
  t.ok(calls.includes('fsync'), 'and all of it at the end')
  const stored = readFileSync(join(path, 'file.txt'))
  t.equal(stored.length, 50 * MEGABYTE)
  for (let count = 0; count < 50; count++) {
    if (!stored.subarray(count * MEGABYTE, (count + 1) * MEGABYTE).equals(piece)) t.fail(`piece ${count} is wrong`)
  }
})

t.test('sends also to the disk what was written by the thread pool', async (t) => {
  const store = await openFolder(t, { path: t.testdir(), blocking: new NeverQuick() })
  const entry = await store.begin(header())
  const { gates, count } = gatedFlushes(t)
  for (let written = 0; written <= FLUSH; written += MEGABYTE) await append(entry, piece)
  await settle()
  t.equal(count(), 1)
  gates[0].open()
  await entry.discard()
})

t.test('goes on writing while the disk works, and waits for it when it is 32 MiB ahead', async (t) => {
  const { entry } = await begin(t)
  const { gates, count } = gatedFlushes(t)
  for (let written = 0; written < FLUSH + 2 * FLUSH; written += MEGABYTE) t.equal(append(entry, piece), undefined)
  await settle()
  t.equal(count(), 1)
  const waiting = Promise.resolve(append(entry, piece))
  t.equal(await stateOf(waiting), 'pending')
  gates[0].open()
  await waiting
  await settle()
  t.equal(count(), 2, 'the next flush takes all that has come meanwhile')
  t.equal(append(entry, piece), undefined)
  gates[1].open()
  await entry.commit()
})

for (const meets of ['the next write', 'the end'] as const) {
  t.test(`does not store what the disk has lost meanwhile, met by ${meets}`, async (t) => {
    const { path, entry } = await begin(t)
    // As on Linux: it is told once, and the fsync after it succeeds.
    failDuring(t, { call: 'fdatasync', code: 'EIO' })
    for (let written = 0; written <= FLUSH; written += MEGABYTE) append(entry, piece)
    await settle()
    const expected = { code: 'local-file', reason: 'disk', message: /EIO/ }
    if (meets === 'the next write') t.throws(() => append(entry, piece), expected)
    await t.rejects(entry.commit(), expected)
    t.strictSame([finalNames(path), stagedFiles(path)], [[], []])
  })
}

t.test('does not store what the disk loses at the last moment', async (t) => {
  const { path, entry } = await begin(t)
  const { gates } = gatedFlushes(t, () => Promise.reject(systemError('ENOSPC')))
  for (let written = 0; written <= FLUSH; written += MEGABYTE) append(entry, piece)
  const committing = entry.commit()
  t.equal(await stateOf(committing), 'pending')
  gates[0].open()
  await t.rejects(committing, { code: 'local-file', reason: 'no-space' })
  t.strictSame([finalNames(path), stagedFiles(path)], [[], []])
})

t.test('fails a write that waits for the disk when that fails', async (t) => {
  const { entry } = await begin(t)
  const { gates } = gatedFlushes(t, () => Promise.reject(systemError('EIO')))
  for (let written = 0; written < 3 * FLUSH; written += MEGABYTE) append(entry, piece)
  const waiting = Promise.resolve(append(entry, piece))
  gates[0].open()
  await t.rejects(waiting, { code: 'local-file', reason: 'disk', message: /cannot write .*EIO/ })
  await entry.discard()
})

t.test('closes nothing that the disk is still busy with', async (t) => {
  const { path, entry } = await begin(t)
  const { gates } = gatedFlushes(t)
  let closed = 0
  replaceDuring(t, 'close', () => async (fd) => {
    closed++
    await realDisk.close(fd)
  })
  for (let written = 0; written <= FLUSH; written += MEGABYTE) append(entry, piece)
  const discarding = entry.discard()
  t.equal(await stateOf(discarding), 'pending')
  t.equal(closed, 0)
  gates[0].open()
  await discarding
  t.equal(closed, 1)
  t.strictSame([finalNames(path), stagedFiles(path)], [[], []])
})

t.test('starts no flush for what was given up while others had their turn', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const { gates, count } = gatedFlushes(t)
  const [first, second] = [await store.begin(header()), await store.begin(header())]
  for (const entry of [first, second]) for (let written = 0; written <= FLUSH; written += MEGABYTE) append(entry, piece)
  await settle()
  t.equal(count(), 1, 'one at a time')
  const discarding = second.discard()
  gates[0].open()
  await discarding
  t.equal(count(), 1)
  await first.commit()
  t.strictSame([finalNames(path), stagedFiles(path)], [['file.txt'], []])
})

t.test('sends less to the disk at once where that takes long, and more again where it does not', async (t) => {
  const { pass } = fakePerformanceNow(t)
  const { entry } = await begin(t)
  let took = 500
  let flushes = 0
  replaceDuring(t, 'fdatasync', () => async () => {
    flushes++
    pass(took)
  })
  /** How many megabytes it takes until the next flush. */
  const next = async () => {
    const before = flushes
    let written = 0
    while (flushes === before) {
      await append(entry, piece)
      await settle()
      written++
    }
    return written
  }
  // The piece that starts a flush is written after it, and counts for the next one.
  t.strictSame(
    [await next(), await next(), await next(), await next(), await next(), await next()],
    [17, 8, 4, 2, 1, 1],
  )
  took = 10
  t.strictSame(
    [await next(), await next(), await next(), await next(), await next(), await next()],
    [1, 2, 4, 8, 16, 16],
  )
  await entry.discard()
})
