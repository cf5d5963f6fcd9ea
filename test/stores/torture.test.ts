import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/errors.js'
import { FileSource } from '../../dist/sources/file-source.js'
import type { IfExists } from '../../dist/stores/final-name.js'
import { prepareFolder } from '../../dist/stores/folder-destination.js'
import { FolderStore } from '../../dist/stores/folder-store.js'
import { newReceiverId } from '../../dist/stores/receiver-id.js'
import { removeReceiver, STAGING } from '../../dist/stores/staging.js'
import type { StoredAs } from '../../dist/stores/store.js'
import { type Fault, failDuring, replaceDuring } from '../fixtures/disk.ts'
import { bytesOf, filesIn } from '../fixtures/folder.ts'
import {
  AlwaysQuick,
  clean,
  deadReceiver,
  folderOptions,
  inRoot,
  NeverQuick,
  storeIn,
  WEEK,
} from '../fixtures/folder-store.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { disguise } from '../fixtures/permissions.ts'
import { readSource } from '../fixtures/sources.ts'
import { type Outcome, torture } from '../fixtures/torture.ts'

/** Makes a new folder, with these files in it, each time it is called. */
function folders(t: Test, files: Record<string, string> = {}): () => string {
  const base = t.testdir()
  let count = 0
  return () => {
    const path = join(base, String(count++))
    mkdirSync(path)
    for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content)
    return path
  }
}

/** What is wrong with an error, if it is not what one side says of its own disk. */
function wrongError(error: unknown, { code }: Fault): string[] {
  if (!(error instanceof TransferError)) return [`a raw error: ${error}`]
  const expected = `local-file ${code === 'ENOSPC' ? 'no-space' : 'disk'}`
  const actual = `${error.code} ${error.reason}`
  if (actual !== expected) return [`${actual} and not ${expected}`]
  return error.message.includes(code) ? [] : [`${code} is not named: ${error.message}`]
}

async function storeWhole(
  path: string,
  settings: { receiverId: string; name: string; ifExists: IfExists; quick: boolean },
) {
  const { receiverId, name, ifExists, quick } = settings
  const blocking = quick ? new AlwaysQuick() : new NeverQuick()
  const store = await FolderStore.open(await folderOptions({ path, receiverId, ifExists, blocking }))
  try {
    return await storeIn(store, { name, size: 10, mtime: 1_000, mode: 0o644 }, 'whole', ' file')
  } finally {
    await store.close()
  }
}

/** Under every name is a whole file, the new one is there if and only if that was said, and all else can be cleaned up. */
async function judgeStored(path: string, before: Record<string, string>, outcome: Outcome<StoredAs>, fault: Fault) {
  const problems: string[] = []
  const expected = { ...before, ...(outcome.value ? { [outcome.value.name]: 'whole file' } : {}) }
  const actual = filesIn(path)
  if (outcome.error) problems.push(...wrongError(outcome.error, fault))
  // Between rename and fsync of the folder the new file has replaced the old one, and is as good.
  if (outcome.error && actual['file.txt'] === 'whole file' && before['file.txt']) expected['file.txt'] = 'whole file'
  // A file that another receiver may have reused keeps its name, and the error says so.
  if (/file_bak\.txt\S* is stored, but/.test(String(outcome.error))) expected['file_bak.txt'] = 'whole file'
  if (JSON.stringify(actual) !== JSON.stringify(expected)) problems.push(`the folder holds ${JSON.stringify(actual)}`)
  await clean(path)
  if (readdirSync(path).includes(STAGING)) problems.push('something is left in the staging folder')
  return problems
}

interface Place {
  name?: string
  ifExists?: IfExists
  files?: Record<string, string>
  quick?: boolean
  links?: boolean
  permissions?: boolean
}

const stores: [string, Place][] = [
  ['a new file', {}],
  ['a new file, through the thread pool', { quick: false }],
  ['a file beside another one of its name', { files: { 'file.txt': 'old' } }],
  ['a file over another one', { ifExists: 'overwrite', files: { 'file.txt': 'old' } }],
  ['a file that must not be there', { ifExists: 'fail' }],
  ['a file that is there already', { ifExists: 'reuse', files: { 'file.txt': 'whole file' } }],
  ['a file beside another one of its size', { ifExists: 'reuse', files: { 'file.txt': 'other file' } }],
  ['a new file, where there are no hard links', { links: false }],
  ['a new file, where there are no permissions', { permissions: false }],
  ['a file whose name has to be tried out', { name: 'file: 1' }],
]

for (const [title, { name = 'file.txt', ifExists = 'backup', files = {}, quick = true, ...has }] of stores) {
  t.test(`stores ${title}, or leaves nothing, whichever call fails`, async (t) => {
    // What fsync does cannot be seen without a loss of power, and takes most of the time.
    replaceDuring(t, 'fsync', () => async () => {})
    if (has.permissions === false) disguise(t, () => ({ mode: 0o777 }))
    if (has.links === false) failDuring(t, { call: 'link', code: 'EPERM', occurrence: 0 })
    const receiverId = await deadReceiver()
    await torture(t, {
      prepare: folders(t, files),
      work: (path) => storeWhole(path, { receiverId, name, ifExists, quick }),
      judge: (path, outcome, fault) => judgeStored(path, files, outcome, fault),
    })
  })
}

for (const permissions of [true, false]) {
  t.test(`begins, with${permissions ? '' : 'out'} permissions, or says why not, whichever call fails`, async (t) => {
    if (!permissions) disguise(t, () => ({ mode: 0o777 }))
    const receiverId = await deadReceiver()
    const folder = folders(t)
    await torture(t, {
      prepare: () => join(folder(), 'out'),
      work: (path) => prepareFolder({ path, keepPartial: WEEK }, receiverId),
      judge: async (path, { value, error }, fault) => {
        const problems = error ? wrongError(error, fault) : []
        if (value && value.length !== (permissions ? 0 : 1)) problems.push(`it said ${JSON.stringify(value)}`)
        await prepareFolder({ path, keepPartial: WEEK }, await newReceiverId())
        return readdirSync(path).length === 0 ? problems : [...problems, 'something is left']
      },
    })
  })
}

for (const way of ['blocking', 'through the thread pool']) {
  t.test(`reads a file, ${way}, or says why not, whichever call fails`, async (t) => {
    const clock = fakePerformanceNow(t)
    if (way !== 'blocking') {
      replaceDuring(t, 'readSync', (current) => (...args) => {
        clock.pass(11)
        return current(...args)
      })
    }
    const content = bytesOf(10_000)
    const folder = folders(t)
    await torture(t, {
      prepare: () => {
        const path = join(folder(), 'file.txt')
        writeFileSync(path, content)
        return path
      },
      work: async (path) => {
        const source = new FileSource(path)
        await source.inspect()
        return await readSource(source)
      },
      judge: (_, { value, error }, fault) => {
        if (error) return wrongError(error, fault)
        return value?.equals(content) ? [] : ['other bytes were read']
      },
    })
  })
}

/** A folder in which three receivers have left something: one that has gone, this one, and one on another machine. */
function withRemains(t: Test, owners: readonly string[]): () => string {
  const folder = folders(t)
  return () => {
    const path = folder()
    for (const receiverId of owners) {
      mkdirSync(join(path, STAGING, receiverId), { recursive: true })
      writeFileSync(join(path, STAGING, receiverId, '0'), 'half a file')
    }
    return path
  }
}

t.test('cleans up what is left of the dead and nothing of the living, whichever call fails', async (t) => {
  const living = [await newReceiverId(), '0f0f0f0f-1-1-0']
  const dead = await deadReceiver()
  await torture(t, {
    prepare: withRemains(t, [...living, dead]),
    work: (path) => clean(path),
    judge: async (path, { error }, { call, occurrence }) => {
      const problems: string[] = []
      // The folder itself is opened by whoever starts a receiver, and that it cannot be is no secret.
      if (error && !(call === 'open' && occurrence === 1)) problems.push(`it threw ${error}`)
      await clean(path)
      const left = readdirSync(join(path, STAGING))
      for (const receiverId of living) if (!left.includes(receiverId)) problems.push(`${receiverId} is gone`)
      if (left.includes(dead)) problems.push('the dead one was not removed by the next cleaning either')
      return problems
    },
  })
})

t.test('removes what its receiver left, if not now then at the next start, whichever call fails', async (t) => {
  const receiverId = await deadReceiver()
  await torture(t, {
    prepare: withRemains(t, [receiverId]),
    work: (path) => inRoot(path, (root) => removeReceiver(root, receiverId)),
    judge: async (path, { error }, { call, occurrence }) => {
      await clean(path)
      const problems = readdirSync(path).length === 0 ? [] : ['something is left']
      return error && !(call === 'open' && occurrence === 1) ? [`it threw ${error}`, ...problems] : problems
    },
  })
})

t.test('finds a name for a receiver, whichever call fails', async (t) => {
  await torture(t, {
    prepare: () => '',
    work: newReceiverId,
    judge: (_, { value }) =>
      value && /^[0-9a-f]{8}-\d+-\d+-\d+-([0-9a-f]{32})?$/.test(value) ? [] : [`it was ${value}`],
  })
})
