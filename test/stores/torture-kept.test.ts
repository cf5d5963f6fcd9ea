/** Keeping files and going on with them while every call fails once. */
import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/errors.js'
import { FolderStore } from '../../dist/stores/folder-store.js'
import { STAGING } from '../../dist/stores/staging.js'
import type { Sink } from '../../dist/stores/store.js'
import { replaceDuring } from '../fixtures/disk.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { keptFolders, largeHeader } from '../fixtures/folder-kept.ts'
import { clean, deadReceiver, finalNames, folderOptions } from '../fixtures/folder-store.ts'
import { torture } from '../fixtures/torture.ts'
import { setQuick } from '../fixtures/tree.ts'

/** The sinks are told that this is a part of a large file; they do not count. */
const whole = bytesOf(9 * 1024)
const part = whole.subarray(0, 3 * 1024)

/** Makes a new folder each time it is called. What fsync does cannot be seen without a loss of power. */
function folders(t: Test): () => string {
  replaceDuring(t, 'fsync', () => async () => {})
  const base = t.testdir()
  let count = 0
  return () => {
    const path = join(base, String(count++))
    mkdirSync(path)
    return path
  }
}

async function withStore<T>(path: string, receiverId: string, work: (store: FolderStore) => Promise<T>): Promise<T> {
  const store = await FolderStore.open(await folderOptions({ path, receiverId }))
  return await work(store).finally(() => store.close())
}

/** Writes the rest of the file up to `end`, behind what is there. */
async function writeUp(sink: Sink, end: number): Promise<void> {
  const rest = whole.subarray(sink.have, end)
  if (!sink.write(rest, sink.have)) await sink.writeLater(rest, sink.have)
}

async function breakOff(path: string, receiverId: string, end = part.length): Promise<string | null> {
  return await withStore(path, receiverId, async (store) => {
    const sink = await store.begin(largeHeader())
    try {
      await writeUp(sink, end)
      return await sink.keep()
    } finally {
      await sink.discard()
    }
  })
}

async function goOn(path: string, receiverId: string) {
  return await withStore(path, receiverId, async (store) => {
    const sink = await store.begin(largeHeader())
    try {
      await writeUp(sink, whole.length)
      return await sink.commit()
    } finally {
      await sink.discard()
    }
  })
}

/** What is wrong with what is kept: it must be the beginning of the file. */
function judgeKept(path: string): string[] {
  return keptFolders(path).flatMap((folder) => {
    const content = readFileSync(join(folder, 'content'))
    return content.equals(whole.subarray(0, content.length)) ? [] : [`${folder} holds other bytes`]
  })
}

function judgeError(error: unknown): string[] {
  return error === undefined || error instanceof TransferError ? [] : [`a raw error: ${error}`]
}

/** What a receiver with `keepPartial: 0` leaves at its start. */
async function judgeClean(path: string): Promise<string[]> {
  await clean(path, 0)
  return readdirSync(path).includes(STAGING) ? ['something is left in the staging folder'] : []
}

for (const quick of [true, false]) {
  const way = quick ? '' : ', through the thread pool'

  t.test(`keeps a file, or leaves nothing, whichever call fails${way}`, async (t) => {
    setQuick(t, quick)
    const receiverId = await deadReceiver()
    await torture(t, {
      prepare: folders(t),
      work: (path) => breakOff(path, receiverId),
      judge: async (path, { value, error }) => {
        const problems = judgeError(error)
        const isKept = keptFolders(path).length === 1
        if (isKept !== (typeof value === 'string')) problems.push(`it said ${value}`)
        if (typeof value === 'string' && !readFileSync(value).equals(part)) problems.push('other bytes are kept')
        await clean(path)
        problems.push(...judgeKept(path), ...finalNames(path))
        return [...problems, ...(await judgeClean(path))]
      },
    })
  })

  t.test(`goes on with a file, or leaves no part of it, whichever call fails${way}`, async (t) => {
    setQuick(t, quick)
    const receiverId = await deadReceiver()
    const folder = folders(t)
    await torture(t, {
      prepare: async () => {
        const path = folder()
        await breakOff(path, receiverId)
        return path
      },
      work: (path) => goOn(path, receiverId),
      judge: async (path, { value, error }) => {
        const problems = judgeError(error)
        const names = finalNames(path)
        if (names.join() !== (value ? value.name : '')) problems.push(`there is ${names}`)
        if (value && !readFileSync(value.path).equals(whole)) problems.push('it is not whole')
        await clean(path)
        return [...problems, ...judgeKept(path), ...(await judgeClean(path))]
      },
    })
  })
}

t.test('rescues what is left of a dead receiver, or what was kept before, whichever call fails', async (t) => {
  const receiverId = await deadReceiver()
  const folder = folders(t)
  const prepare = async (): Promise<string> => {
    const path = folder()
    await breakOff(path, 'first', 5 * 1024)
    const [kept = ''] = keptFolders(path)
    renameSync(kept, join(path, STAGING, 'first', '7'))
    await breakOff(path, 'other')
    // Only now, or the other one would have rescued it.
    renameSync(join(path, STAGING, 'first'), join(path, STAGING, receiverId))
    return path
  }
  await torture(t, {
    prepare,
    work: (path) => clean(path),
    judge: async (path, { error }, { call, occurrence }) => {
      // The folder itself is opened by whoever starts a receiver, and that it cannot be is no secret.
      const problems = error && !(call === 'open' && occurrence === 1) ? [`it threw ${error}`] : []
      await clean(path)
      if (keptFolders(path).length !== 1) problems.push(`${keptFolders(path).length} are kept`)
      return [...problems, ...judgeKept(path)]
    },
  })
})
