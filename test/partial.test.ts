/** `listPartial` and `cleanPartial`: what is kept in a folder of what was not completed. */
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { cleanPartial, listPartial, type PartialEvent, type TransferError } from '../dist/index.js'
import { newReceiverId } from '../dist/stores/receiver-id.js'
import { failDuring, replaceDuring, systemError } from './fixtures/disk.js'
import { Events } from './fixtures/ends.js'
import { namesIn } from './fixtures/folder.js'

type Call = typeof listPartial

async function run(call: Call, out: string) {
  const events = new Events()
  const ended = await call({ out, onEvent: events.add }).then(
    (summary) => ({ summary, error: undefined }),
    (error: TransferError) => ({ summary: undefined, error }),
  )
  t.equal(events.all.at(-1)?.event, 'done', 'the last event is done')
  return { ...ended, events, found: events.of('partial').map(({ name }: PartialEvent) => name) }
}

interface Part {
  name: string
  bytes: number
  owner?: string
  isDirectory?: boolean
}

/** Something that was not completed, with its description, in `folder`. */
function makePart(folder: string, { name, bytes, owner = '', isDirectory = false }: Part): void {
  mkdirSync(folder, { recursive: true })
  const file = { kind: 'file', size: 10_000_000, source: 'a'.repeat(32), edition: 'b'.repeat(32) }
  const directory = { kind: 'directory', size: null, source: '', edition: '' }
  writeFileSync(join(folder, 'about'), JSON.stringify({ owner, name, ...(isDirectory ? directory : file) }))
  const content = join(folder, 'content')
  if (isDirectory) mkdirSync(join(content, 'd'), { recursive: true })
  writeFileSync(isDirectory ? join(content, 'd/file') : content, Buffer.alloc(bytes))
}

/** Something that is kept in `out`, and broke off so many hours ago. */
function keep(out: string, id: string, hours: number, part: Part): string {
  const folder = join(out, '.tcp-recv/kept', id)
  makePart(folder, part)
  const time = Date.now() / 1000 - hours * 3600
  utimesSync(folder, time, time)
  return folder
}

/** Some of everything that can be kept, the newest first. */
function keepSome(t: Test): string {
  const out = t.testdir({})
  keep(out, '1', 30, { name: 'old.iso', bytes: 2048, owner: 'alice' })
  keep(out, '2', 1, { name: 'new.iso', bytes: 4096 })
  keep(out, '3', 2, { name: 'project', bytes: 5, isDirectory: true })
  return out
}

t.test('lists what is kept, the newest first, with all that is known of it', async (t) => {
  const out = keepSome(t)
  const { summary, events } = await run(listPartial, out)
  t.match(summary, { files: 3, bytes: 2048 + 4096 + 5 })
  const kept = join(out, '.tcp-recv/kept')
  const [first, second, third] = events.of('partial')
  t.match(first, { name: 'new.iso', kind: 'file', bytes: 4096, size: 10_000_000, path: join(kept, '2/content') })
  t.match(second, { name: 'project', kind: 'directory', bytes: 5, size: null, path: join(kept, '3/content') })
  t.match(third, { name: 'old.iso', key: 'alice' })
  t.notOk('key' in (first as object))
  t.ok(events.of('partial').every(({ path }) => existsSync(path)))
  const hours = events.of('partial').map(({ seconds }) => Math.floor(seconds / 3600))
  t.strictSame(hours, [1, 2, 30])
  t.match(events.of('done'), [{ files: 3, bytes: 2048 + 4096 + 5, exitCode: 0 }])
  t.strictSame((await run(listPartial, out)).found, ['new.iso', 'project', 'old.iso'], 'and it is still there')
})

t.test('shows nothing that is younger than now', async (t) => {
  const out = t.testdir({})
  keep(out, '1', -5, { name: 'a', bytes: 2048 })
  t.match((await run(listPartial, out)).events.of('partial'), [{ seconds: 0 }])
})

t.test('removes all that is kept, and says what it was', async (t) => {
  const out = keepSome(t)
  writeFileSync(join(out, 'stored'), '')
  const { summary, found } = await run(cleanPartial, out)
  t.match(summary, { files: 3, bytes: 2048 + 4096 + 5 })
  t.strictSame(found, ['new.iso', 'project', 'old.iso'])
  t.strictSame(namesIn(out), ['stored'], 'and the staging folder is gone')
  t.match(await cleanPartial({ out }), { files: 0, bytes: 0 }, 'and nobody needs to listen')
})

t.test('finds nothing where nothing is kept', async (t) => {
  const out = t.testdir({ empty: {}, begun: { '.tcp-recv': {} }, kept: { '.tcp-recv': { kept: {} } } })
  for (const call of [listPartial, cleanPartial]) {
    for (const name of ['empty', 'begun', 'kept']) {
      const { summary, found } = await run(call, join(out, name))
      t.match(summary, { files: 0, bytes: 0 })
      t.strictSame(found, [])
    }
  }
})

t.test('leaves out what has no description, and removes it all the same', async (t) => {
  const out = t.testdir({})
  const folder = keep(out, '1', 1, { name: 'a', bytes: 2048 })
  writeFileSync(join(folder, 'about'), '{')
  keep(out, '2', 1, { name: 'b', bytes: 2048 })
  t.strictSame((await run(listPartial, out)).found, ['b'])
  t.strictSame((await run(cleanPartial, out)).found, ['b'])
  t.strictSame(namesIn(out), [])
})

/** The folder of a receiver of this machine that no longer runs. */
async function deadReceiver(out: string): Promise<string> {
  const [boot, , ...others] = (await newReceiverId()).split('-')
  return join(out, '.tcp-recv', [boot, 2 ** 22 + 1, ...others].join('-'))
}

t.test('finds what a killed receiver has left behind', async (t) => {
  for (const [call, left] of [
    [listPartial, ['.tcp-recv']],
    [cleanPartial, []],
  ] as const) {
    const out = t.testdir({})
    const dead = await deadReceiver(out)
    makePart(join(dead, '0'), { name: 'a.iso', bytes: 4096 })
    makePart(join(dead, '1'), { name: 'small.iso', bytes: 100 })
    t.strictSame((await run(call, out)).found, ['a.iso'])
    t.notOk(existsSync(dead))
    t.strictSame(namesIn(out), left)
  }
})

t.test('leaves what a running receiver is receiving', async (t) => {
  const out = t.testdir({})
  const own = join(out, '.tcp-recv', await newReceiverId())
  makePart(join(own, '0'), { name: 'a.iso', bytes: 4096 })
  keep(out, '1', 1, { name: 'b.iso', bytes: 4096 })
  t.strictSame((await run(listPartial, out)).found, ['b.iso'])
  t.strictSame((await run(cleanPartial, out)).found, ['b.iso'])
  t.strictSame(namesIn(join(own, '0')), ['about', 'content'])
})

t.test('gets along with a receiver that takes something away meanwhile', async (t) => {
  const out = keepSome(t)
  replaceDuring(t, 'rename', (current) => async (from, to) => {
    if (String(from).endsWith('/3')) rmSync(join(out, '.tcp-recv/kept/3'), { recursive: true, force: true })
    return await current(from, to)
  })
  t.strictSame((await run(cleanPartial, out)).found, ['new.iso', 'old.iso'])
  t.strictSame(namesIn(out), [])
})

t.test('says which folder cannot be read', async (t) => {
  const out = t.testdir({ file: '' })
  for (const call of [listPartial, cleanPartial]) {
    for (const [name, code] of [
      ['missing', 'ENOENT'],
      ['file', 'ENOTDIR'],
    ] as const) {
      const { error, events } = await run(call, join(out, name))
      t.match(error, { code: 'local-file', reason: 'disk', message: `cannot read ${join(out, name)}: ` })
      t.match(error?.message, code)
      t.match(events.of('failed'), [{ transfer: 0, code: 'local-file' }])
    }
  }
})

t.test('says that it could not look, and not that nothing is kept', async (t) => {
  const out = keepSome(t)
  failDuring(t, { call: 'readdir', code: 'EACCES', occurrence: 0 })
  for (const call of [listPartial, cleanPartial]) {
    const { error } = await run(call, out)
    t.match(error, { code: 'local-file', message: `cannot use the staging folder ${join(out, '.tcp-recv')}: ` })
  }
})

t.test('says that something could not be removed', async (t) => {
  const out = keepSome(t)
  failDuring(t, { call: 'rename', code: 'EACCES', occurrence: 0 })
  const { error, found } = await run(cleanPartial, out)
  t.match(error, { code: 'local-file', message: 'cannot use the staging folder' })
  t.strictSame(found, [])
  t.equal(readdirSync(join(out, '.tcp-recv/kept')).length, 3)
})

t.test('counts what it may look into', async (t) => {
  const out = keepSome(t)
  replaceDuring(t, 'open', (current) => (path, ...how) => {
    return String(path).endsWith('/d') ? Promise.reject(systemError('EACCES')) : current(path, ...how)
  })
  const { summary, found } = await run(listPartial, out)
  t.strictSame(found, ['new.iso', 'project', 'old.iso'])
  t.match(summary, { bytes: 2048 + 4096 })
})

t.test('lists the others if a receiver takes something away meanwhile', async (t) => {
  const out = keepSome(t)
  replaceDuring(t, 'lstat', (current) => async (path) => {
    if (String(path).endsWith('/3')) rmSync(join(out, '.tcp-recv/kept/3'), { recursive: true, force: true })
    return await current(path)
  })
  t.strictSame((await run(listPartial, out)).found, ['new.iso', 'old.iso'])
})
