/** Directories that broke off: the same command sends what is missing, and nothing twice. */
import {
  chmodSync,
  lutimesSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { type Ended, type Events, type Listening, startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, keptIn, namesIn } from '../fixtures/folder.ts'
import { key, otherKey } from '../fixtures/keys.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { damagedPort } from '../fixtures/proxy.ts'
import { makeTree, type Tree, tellTree } from '../fixtures/tree.ts'

/** All of it comes before the connection breaks in the last file, which is larger than what passes. */
const whole: Tree = {
  '.hidden': 'hidden',
  a: 'x'.repeat(70_000),
  b: '',
  'd/a': 'inner',
  'd/deep/er/x': 'deep',
  'd/empty/': '',
  'd/line\nbreak': 'two\nlines',
  'd/link': { to: '../a' },
  'dé/漢': 'names',
}
const LAST = 2_000_000
const CUT = 1_000_000

/** The directory to send. Its items have times and modes of their own. */
function project(t: Test, more: Tree = {}): { path: string; out: string } {
  const folder = t.testdir()
  const path = makeTree(join(folder, 'project'), { ...whole, ...more, z: bytesOf(LAST) })
  chmodSync(join(path, 'a'), 0o640)
  chmodSync(join(path, 'd/deep'), 0o700)
  lutimesSync(join(path, 'd/link'), 1, 1_500_000_000)
  utimesSync(join(path, 'd/a'), 1, 1_400_000_000.123)
  utimesSync(join(path, 'd'), 1, 1_300_000_000)
  return { path, out: join(folder, 'out') }
}

/** Sends until the connection breaks in the last file. */
async function breakOff(
  t: Test,
  receiver: Listening,
  path: string,
  options: Partial<SendOptions> = {},
): Promise<Ended> {
  const before = receiver.events.of('failed').length
  const cut = { direction: 'to-receiver', after: CUT, how: 'end' } as const
  const sent = await trySend(t, await damagedPort(t, receiver.port, { cut }), path, { retry: 0, ...options })
  t.match(sent.error, { code: 'incomplete' })
  t.match(await receiver.events.until('failed', before + 1), { name: 'project', reason: 'broken', kept: String })
  return sent
}

/** Sends to the end. Returns the number of bytes that the receiver got, too. */
async function goOn(t: Test, receiver: Listening, path: string, options: Partial<SendOptions> = {}) {
  let bytes = 0
  const change = (direction: string, piece: Buffer) => {
    if (direction === 'to-receiver') bytes += piece.length
    return piece
  }
  const sent = await trySend(t, await damagedPort(t, receiver.port, { change }), path, { retry: 0, ...options })
  return { ...sent, bytes }
}

/** The files that were not there before, according to the events of one side. */
function fresh(events: Events, name: 'sent' | 'stored'): string[] {
  return events
    .of(name)
    .filter(({ directory, resumed }) => directory !== undefined && resumed === undefined)
    .map(({ name }) => name.replace('project/', ''))
}

t.test('goes on with the files that are missing, and sends no other', async (t) => {
  const { path, out } = project(t)
  const leaked = watchOpenFiles(path)
  const receiver = await startReceiver(t, { out })
  await breakOff(t, receiver, path)
  const sent = await goOn(t, receiver, path)
  t.match(sent.summary, { files: 8 })
  t.ok(sent.bytes < LAST + 10_000, `${sent.bytes} bytes came`)
  t.strictSame(tellTree(join(out, 'project')), tellTree(path))
  t.strictSame(fresh(sent.events, 'sent'), ['z'])
  t.strictSame(fresh(receiver.events, 'stored'), ['z'])
  const resumed = 70_000 + 6 + 5 + 4 + 9 + 5
  t.match(sent.events.of('sent').at(-1), { name: 'project', size: resumed + LAST, resumed })
  t.match(receiver.events.of('stored').at(-1), { name: 'project', size: resumed + LAST, resumed })
  await receiver.stop()
  t.strictSame(namesIn(out), ['project'])
  t.strictSame(
    (await leaked()).filter((name) => String(name).startsWith('/')),
    [],
  )
})

/** What may happen between the two commands, to the directory itself or to what is kept of it, and what is sent then. */
const changes: Record<
  string,
  [where: 'source' | 'kept', change: (path: string, outside: string) => void, sent: string[]]
> = {
  'a file of another size': ['source', (path) => writeFileSync(join(path, 'd/a'), 'longer'), ['d/a']],
  'a file of another time': ['source', (path) => utimesSync(join(path, 'd/a'), 1, 1_400_000_001), ['d/a']],
  'a file that has gone': ['source', (path) => rmSync(join(path, 'd/deep/er/x')), []],
  'a directory that has gone': ['source', (path) => rmSync(join(path, 'd'), { recursive: true }), []],
  'a file that became a directory': [
    'source',
    (path) => {
      rmSync(join(path, 'a'))
      makeTree(path, { 'a/new': 'new' })
    },
    ['a/new'],
  ],
  'a directory that became a file': [
    'source',
    (path) => {
      rmSync(join(path, 'd/deep'), { recursive: true })
      writeFileSync(join(path, 'd/deep'), 'new')
    },
    ['d/deep'],
  ],
  'a file that became a symlink': [
    'source',
    (path) => {
      rmSync(join(path, 'b'))
      symlinkSync('a', join(path, 'b'))
    },
    [],
  ],
  'a symlink that became a large file': [
    'source',
    (path) => {
      rmSync(join(path, 'd/link'))
      writeFileSync(join(path, 'd/link'), bytesOf(70_000))
    },
    ['d/link'],
  ],
  'a symlink that became a directory': [
    'source',
    (path) => {
      rmSync(join(path, 'd/link'))
      makeTree(path, { 'd/link/x': 'new' })
    },
    ['d/link/x'],
  ],
  'a file of another mode': ['source', (path) => chmodSync(join(path, 'a'), 0o600), []],
  'a renamed directory': [
    'source',
    (path) => renameSync(join(path, 'd'), join(path, 'e')),
    ['e/a', 'e/deep/er/x', 'e/line\nbreak'],
  ],
  'a kept file that was cut short': ['kept', (path) => writeFileSync(join(path, 'a'), 'x'), ['a']],
  'a kept large file that nobody may read': ['kept', (path) => chmodSync(join(path, 'a'), 0o200), ['a']],
  'a kept file that was replaced by a symlink to the like': [
    'kept',
    (path, outside) => {
      const { atime, mtime } = statSync(join(path, 'a'))
      utimesSync(join(outside, 'a'), atime, mtime)
      rmSync(join(path, 'a'))
      symlinkSync(join(outside, 'a'), join(path, 'a'))
    },
    ['a'],
  ],
  'a kept directory that was replaced by a symlink': [
    'kept',
    (path, outside) => {
      rmSync(join(path, 'd/deep'), { recursive: true })
      symlinkSync(outside, join(path, 'd/deep'))
    },
    ['d/deep/er/x'],
  ],
  'a kept file that was replaced by a directory, and a directory by a file': [
    'kept',
    (path) => {
      for (const name of ['a', 'd']) rmSync(join(path, name), { recursive: true })
      makeTree(path, { 'a/x/y': 'y', d: 'file' })
    },
    ['a', 'd/a', 'd/deep/er/x', 'd/line\nbreak'],
  ],
  'something that nobody sent': ['kept', (path) => makeTree(path, { 'd/more/of/it': '', other: { to: 'a' } }), []],
  'a file in place of all that was kept': [
    'kept',
    (path) => {
      rmSync(path, { recursive: true })
      writeFileSync(path, 'x')
    },
    ['.hidden', 'a', 'b', 'd/a', 'd/deep/er/x', 'd/line\nbreak', 'dé/漢'],
  ],
  'a symlink in place of all that was kept': [
    'kept',
    (path, outside) => {
      rmSync(path, { recursive: true })
      symlinkSync(outside, path)
    },
    ['.hidden', 'a', 'b', 'd/a', 'd/deep/er/x', 'd/line\nbreak', 'dé/漢'],
  ],
  'kept directories that nobody may look into or change': [
    'kept',
    (path) => {
      for (const name of ['d/deep/er', 'd/deep', 'd']) chmodSync(join(path, name), 0)
    },
    [],
  ],
}

for (const [what, [where, change, sent]] of Object.entries(changes)) {
  t.test(`goes on after a break, with ${what}`, async (t) => {
    const { path, out } = project(t)
    const receiver = await startReceiver(t, { out })
    const outside = makeTree(join(path, '../outside'), { a: 'y'.repeat(70_000), 'er/x': 'else' })
    await breakOff(t, receiver, path)
    const [failed] = receiver.events.of('failed')
    change(where === 'source' ? path : String(failed?.kept).replace(/\/$/, ''), outside)
    const beside = tellTree(outside)
    const before = receiver.events.all.length
    const again = await goOn(t, receiver, path)
    t.equal(again.error, undefined)
    t.strictSame(tellTree(join(out, 'project')), tellTree(path))
    t.strictSame(fresh(again.events, 'sent'), [...sent, 'z'])
    t.strictSame(fresh(receiver.events, 'stored'), [...sent, 'z'])
    t.strictSame(
      receiver.events.all.slice(before).filter((event) => 'reason' in event),
      [],
    )
    t.strictSame(tellTree(outside), beside, 'no symlink was followed')
    await receiver.stop()
    t.strictSame(namesIn(out), ['project'])
  })
}

/** A kept file gets another content of the same length, as if its disk had lost it. */
function damage(path: string): void {
  const { atime, mtime } = statSync(path)
  writeFileSync(path, 'y'.repeat(statSync(path).size))
  utimesSync(path, atime, mtime)
}

t.test('notices damage in what is kept, and sends that again, in the same run', async (t) => {
  const { path, out } = project(t)
  const receiver = await startReceiver(t, { out })
  await breakOff(t, receiver, path)
  const kept = receiver.events.of('failed')[0]?.kept as string
  for (const name of ['a', 'd/deep/er/x']) damage(join(kept, name))
  // Only its owner may look into it, and its directories have no write permission for a moment.
  for (const name of ['d/deep/er', 'd/deep']) chmodSync(join(path, name), 0o500)
  const again = await goOn(t, receiver, path)
  t.strictSame(tellTree(join(out, 'project')), tellTree(path))
  t.ok(again.bytes < LAST + 100_000, 'the last file comes once')
  t.match(again.events.of('warning'), [{ reason: 'damaged' }])
  t.match(receiver.events.of('warning'), [{ reason: 'damaged' }])
  t.strictSame(fresh(again.events, 'sent'), ['a', 'd/deep/er/x'])
  t.strictSame(fresh(receiver.events, 'stored'), ['a', 'd/deep/er/x'])
  t.equal(again.events.of('failed').length, 0)
  await receiver.stop()
  for (const name of ['d/deep', 'd/deep/er']) chmodSync(join(path, name), 0o700)
  t.strictSame(namesIn(out), ['project'])
})

t.test('loses nothing if the connection breaks again before the first file', async (t) => {
  const { path, out } = project(t)
  const receiver = await startReceiver(t, { out })
  await breakOff(t, receiver, path)
  const before = keptIn(out)
  // The greeting and the header pass, and one byte of the items.
  const header = (piece: Buffer) => piece.indexOf('"resume":"list"')
  let end = Number.POSITIVE_INFINITY
  const cutting = {
    change: (direction: string, piece: Buffer, position: number) => {
      if (direction === 'to-receiver' && header(piece) >= 0) end = position + piece.length
      return piece
    },
    cut: {
      direction: 'to-receiver' as const,
      how: 'end' as const,
      get after() {
        return end + 8
      },
    },
  }
  const broken = await trySend(t, await damagedPort(t, receiver.port, cutting), path, { retry: 0 })
  t.match(broken.error, { code: 'incomplete' })
  t.match(await receiver.events.until('failed', 2), { name: 'project', reason: 'broken', kept: String })
  t.strictSame(keptIn(out), before)
  const again = await goOn(t, receiver, path)
  t.strictSame(fresh(again.events, 'sent'), ['z'])
  await receiver.stop()
})

t.test('goes on in the same run, and is stored once if only its answer was lost', async (t) => {
  const { path, out } = project(t)
  const receiver = await startReceiver(t, { out })
  let connections = 0
  const wasStored = receiver.events.until('stored', 9)
  const lossy = {
    change: async (direction: string, piece: Buffer, position: number) => {
      if (direction === 'to-receiver' && position === 0) connections++
      // The second connection loses the answer to the whole directory.
      if (direction === 'to-sender' && connections === 2 && piece.includes('"blake3"')) {
        await wasStored
        throw new Error('the connection breaks')
      }
      return piece
    },
    cut: {
      direction: 'to-receiver' as const,
      how: 'end' as const,
      get after() {
        return connections === 1 ? CUT : Number.POSITIVE_INFINITY
      },
    },
  }
  const sent = await trySend(t, await damagedPort(t, receiver.port, lossy), path, { retry: 2, wait: 0 })
  t.equal(connections, 3)
  t.match(sent.summary, { files: 8 })
  t.equal(sent.events.of('sent').length, 9)
  t.equal(receiver.events.of('stored').length, 9, 'each file is stored once')
  await receiver.stop()
  t.strictSame(namesIn(out), ['project'])
  t.strictSame(tellTree(join(out, 'project')), tellTree(path))
})

t.test('lets nobody with another key, or of another directory, have what is kept', async (t) => {
  const { path, out } = project(t)
  const receiver = await startReceiver(t, {
    out,
    key: [
      { name: 'a', key },
      { name: 'b', key: otherKey },
    ],
  })
  await breakOff(t, receiver, path, { key })
  const copy = makeTree(join(path, '../copy/project'), { ...whole, z: bytesOf(LAST) })
  for (const [from, by] of [
    [path, otherKey],
    [copy, key],
  ] as const) {
    const sent = await goOn(t, receiver, from, { key: by })
    t.equal(sent.events.of('sent').at(-1)?.resumed, undefined)
  }
  t.strictSame(fresh((await goOn(t, receiver, path, { key })).events, 'sent'), ['z'])
  await receiver.stop()
})

for (const ifExists of ['overwrite', 'skip'] as const) {
  t.test(`is merged into a directory that is there after it went on (${ifExists})`, async (t) => {
    const { path, out } = project(t)
    makeTree(join(out, 'project'), { a: 'old', 'd/deep/old': 'old' })
    const receiver = await startReceiver(t, { out, ifExists })
    await breakOff(t, receiver, path)
    const again = await goOn(t, receiver, path)
    const skips = ifExists === 'skip'
    t.match(again.error, skips ? { code: 'refused', reason: 'skipped' } : undefined)
    const told = tellTree(join(out, 'project'), { contentOnly: true })
    const expected = tellTree(path, { contentOnly: true })
    t.strictSame(told, { ...expected, 'd/deep/old': 'file old', ...(skips ? { a: 'file old' } : {}) })
    await receiver.stop()
    t.strictSame(namesIn(out), ['project'])
  })
}

t.test('two directories of one transfer go on, each with its own files', async (t) => {
  const { path, out } = project(t)
  const other = makeTree(join(path, '../another'), { a: 'other', b: bytesOf(LAST, 2) })
  const receiver = await startReceiver(t, { out })
  await breakOff(t, receiver, path)
  const port = await damagedPort(t, receiver.port, { cut: { direction: 'to-receiver', after: CUT, how: 'end' } })
  await trySend(t, port, other, { retry: 0 })
  await receiver.events.until('failed', 2)
  const both = await trySend(t, receiver.port, [path, other], { retry: 0 })
  t.match(both.summary, { files: 10 })
  const sent = both.events.of('sent').filter(({ directory, resumed }) => directory && resumed === undefined)
  t.strictSame(
    sent.map(({ name }) => name),
    ['project/z', 'another/b'],
  )
  await receiver.stop()
  t.strictSame(tellTree(join(out, 'project')), tellTree(path))
  t.strictSame(tellTree(join(out, 'another')), tellTree(other))
})

t.test('goes on with what symlinks lead to, if that is sent', async (t) => {
  const { path, out } = project(t)
  symlinkSync('a', join(path, 'copy'))
  const receiver = await startReceiver(t, { out })
  await breakOff(t, receiver, path, { follow: true })
  const sent = await goOn(t, receiver, path, { follow: true })
  t.match(sent.summary, { files: 10 })
  t.strictSame(fresh(sent.events, 'sent'), ['z'])
  t.equal(readFileSync(join(out, 'project/copy'), 'utf8'), 'x'.repeat(70_000))
})
