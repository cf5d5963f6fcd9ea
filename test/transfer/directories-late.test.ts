/** Files that a receiver has are read again while the rest of the directory moves. Much can happen to them until then. */
import { realpathSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { replaceDuring, systemError } from '../fixtures/disk.ts'
import { type Events, type Listening, startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, keptIn, namesIn } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { damagedPort } from '../fixtures/proxy.ts'
import { makeTree, tellTree } from '../fixtures/tree.ts'

const LAST = 300_000

/** A directory that has broken off in its last file. */
async function broken(t: Test, follow = false) {
  const folder = t.testdir()
  const path = makeTree(join(folder, 'project'), { 'd/a': 'first', 'd/b': 'other', z: bytesOf(LAST) })
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, { out })
  const cut = { direction: 'to-receiver', after: LAST / 2, how: 'end' } as const
  await trySend(t, await damagedPort(t, receiver.port, { cut }), path, { retry: 0, follow })
  await receiver.events.until('failed')
  return { path, out, receiver }
}

function fresh(events: Events): string[] {
  const files = events.of('sent').filter(({ directory, resumed }) => directory !== undefined && resumed === undefined)
  return files.map(({ name }) => name)
}

/** Everything that was left comes with the next command. */
async function complete(t: Test, receiver: Listening, path: string, out: string, expected: string[]): Promise<void> {
  const sent = await trySend(t, receiver.port, path, { retry: 0 })
  t.equal(sent.error, undefined)
  t.strictSame(fresh(sent.events), expected)
  t.strictSame(tellTree(join(out, 'project')), tellTree(path))
  await receiver.stop()
  t.strictSame(namesIn(out), ['project'])
}

/** Calls `work` when the sender looks at `d/a`, before or after it does. */
function whenSeen(t: Test, path: string, when: 'before' | 'after', work: () => void): void {
  let isOver = false
  replaceDuring(t, 'lstat', (current) => async (place) => {
    const isIt = !isOver && realpathSync(place).startsWith(join(path, 'd/a'))
    if (isIt) isOver = true
    if (isIt && when === 'before') work()
    try {
      return await current(place)
    } finally {
      if (isIt && when === 'after') work()
    }
  })
}

const happenings: Record<string, [when: 'before' | 'after', work: (file: string) => void]> = {
  'gets another content': ['after', (file) => writeFileSync(file, 'later')],
  'gets another content, and its time back': [
    'after',
    (file) => {
      const time = 1_500_000_000
      writeFileSync(file, 'later')
      utimesSync(file, time, time)
    },
  ],
  vanishes: ['after', (file) => rmSync(file)],
  'becomes a directory': [
    'after',
    (file) => {
      rmSync(file)
      makeTree(file, { x: '' })
    },
  ],
  'becomes a directory before it is compared': [
    'before',
    (file) => {
      rmSync(file)
      makeTree(file, { x: '' })
    },
  ],
  'vanishes before it is compared': ['before', (file) => rmSync(file)],
}

for (const [what, [when, work]] of Object.entries(happenings)) {
  t.test(`a file that need not come ${what}: the directory fails, and the rest stays kept`, async (t) => {
    const { path, out, receiver } = await broken(t)
    const leaked = watchOpenFiles(path)
    whenSeen(t, path, when, () => work(join(path, 'd/a')))
    const sent = await trySend(t, receiver.port, path, { retry: 0 })
    t.match(sent.error, { code: 'local-file' })
    t.match(sent.events.of('failed'), [{ name: 'project/d/a' }, { name: 'project', reason: 'changed' }])
    t.match(await receiver.events.until('failed', 2), { name: 'project', reason: 'aborted', kept: String })
    t.strictSame(
      (await leaked()).filter((name) => String(name).startsWith(path)),
      [],
    )
    t.ok(
      Object.keys(keptIn(out)).some((name) => name.endsWith('/z')),
      'what came meanwhile is kept, too',
    )
    rmSync(join(path, 'd/a'), { recursive: true, force: true })
    writeFileSync(join(path, 'd/a'), 'a new one')
    await complete(t, receiver, path, out, ['project/d/a'])
  })
}

t.test('a kept file that cannot be read again counts as damaged, and comes again', async (t) => {
  const { path, out, receiver } = await broken(t)
  let faults = 0
  replaceDuring(t, 'open', (current) => (place, ...more) => {
    if (faults > 0 || !place.endsWith('/b') || !realpathSync(place).startsWith(out)) return current(place, ...more)
    faults++
    throw systemError('EIO', 'open')
  })
  await complete(t, receiver, path, out, ['project/d/b'])
  t.equal(faults, 1)
  t.match(receiver.events.of('warning'), [{ reason: 'damaged' }])
})

t.test('a directory whose symlinks are followed goes on, too', async (t) => {
  const { path, out, receiver } = await broken(t, true)
  const sent = await trySend(t, receiver.port, path, { retry: 0, follow: true })
  t.strictSame(fresh(sent.events), ['project/z'])
  await receiver.stop()
  t.strictSame(tellTree(join(out, 'project')), tellTree(path))
})
