/** Directories that broke off: the same command sends what is missing, and nothing twice. */
import { chmodSync, lutimesSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { type Ended, type Events, type Listening, startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, namesIn } from '../fixtures/folder.ts'
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
    change(where === 'source' ? path : (failed?.kept as string), outside)
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
