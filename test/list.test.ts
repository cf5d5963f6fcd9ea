/** `list` and what it has in common with `send`: the sources, what of them can be sent, and what cannot. */
import { rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { type ListedEvent, type ListOptions, list, send, type TransferError } from '../dist/index.js'
import { failDuring, replaceDuring, systemError } from './fixtures/disk.js'
import { Events } from './fixtures/ends.js'
import { watchOpenFiles } from './fixtures/open-files.js'
import { makeFifo } from './fixtures/special-files.js'

/** Lists these sources to the end. */
async function tryList(sources: ListOptions['sources'], options: Partial<ListOptions> = {}) {
  const events = new Events()
  const onEvent = events.with(options.onEvent)
  const ended = list({ ...options, sources, onEvent }).then(
    (summary) => ({ summary, error: undefined }),
    (error: TransferError) => ({ summary: undefined, error }),
  )
  return { ...(await ended), events }
}

/** What was listed, as one text each. */
function lines(events: Events): string[] {
  return events.of('listed').map(({ path, kind, size }: ListedEvent) => `${path} ${kind} ${size}`)
}

function project(t: Test, more: Record<string, string | object> = {}): string {
  const folder = t.testdir({ d: { a: 'one', sub: { b: 'three', empty: {} }, ...more } })
  symlinkSync('a', join(folder, 'd/link'))
  return join(folder, 'd')
}

t.test('lists everything that would be sent, in the order in which it would be sent', async (t) => {
  const folder = project(t)
  const fifo = join(folder, '../fifo')
  makeFifo(fifo)
  const stream = Readable.from(['never read'])
  const { summary, events } = await tryList([
    join(folder, 'a'),
    { path: `${folder}/`, name: 'other' },
    fifo,
    { stream, name: 'stream' },
    { text: 'hello' },
  ])
  t.match(summary, { files: 6, bytes: 3 + 3 + 5 + 5 })
  t.strictSame(lines(events), [
    `${folder}/a file 3`,
    `${folder}/ directory null`,
    `${folder}/a file 3`,
    `${folder}/link symlink null`,
    `${folder}/sub directory null`,
    `${folder}/sub/b file 5`,
    `${folder}/sub/empty directory null`,
    `${fifo} file null`,
    '- file null',
    '- message 5',
  ])
  t.match(events.of('listed')[5], { name: 'other/sub/b', directory: 'other' })
  t.notOk('directory' in (events.of('listed')[1] as ListedEvent))
  t.ok(stream.destroyed, 'a producer does not wait for a reader')
  t.match(events.of('done'), [{ files: 6, bytes: 16, exitCode: 0 }])
})

t.test('lists what the patterns leave, and what symlinks lead to', async (t) => {
  const folder = project(t, { '.gitignore': 'b\n', 'x.log': '' })
  const { events } = await tryList([folder], { exclude: ['*.log'], gitignore: true, follow: true })
  t.strictSame(lines(events), [
    `${folder} directory null`,
    `${folder}/.gitignore file 2`,
    `${folder}/a file 3`,
    `${folder}/link file 3`,
    `${folder}/sub directory null`,
    `${folder}/sub/empty directory null`,
  ])
  t.strictSame(await list({ sources: [folder] }).then(({ files }) => files), 4, 'without a listener')
})

t.test('reports what could not be sent, and lists the rest', async (t) => {
  const folder = project(t)
  symlinkSync('/etc', join(folder, 'out'))
  const { error, events } = await tryList([join(folder, 'missing'), folder])
  t.match(error, { code: 'local-file', reason: 'disk' }, 'the first failure is that of the missing file')
  t.match(events.of('failed'), [
    { transfer: 0, name: 'missing' },
    { transfer: 0, name: 'd/out', directory: 'd', code: 'local-file', reason: 'left-out' },
  ])
  t.equal(events.of('failed').length, 2)
  t.match(events.of('done'), [{ files: 2, exitCode: 8 }])
})

t.test('says that a directory with a file that cannot be read would not be sent', async (t) => {
  const folder = project(t)
  for (const unreadable of [['a'], ['a', 'b']]) {
    await t.test(unreadable.join(), async (t) => {
      replaceDuring(t, 'access', (access) => async (path, mode) => {
        if (unreadable.some((name) => path.endsWith(`/${name}`))) throw systemError('EACCES', 'access')
        return await access(path, mode)
      })
      const { error, events } = await tryList([folder])
      t.match(error, { code: 'local-file', message: `cannot read ${folder}/a: permission denied (EACCES)` })
      const failures = events.of('failed')
      t.equal(failures.length, unreadable.length + 1)
      t.match(failures[0], { name: 'd/a', directory: 'd' })
      const what = unreadable.length === 1 ? 'a file or directory in it' : '2 files or directories in it'
      t.match(failures.at(-1), { name: 'd', message: `${folder} is not sent: ${what} cannot be read` })
      t.notOk(lines(events).includes(`${folder}/a file 3`))
    })
  }
})

t.test('goes on after a directory that is gone when its turn comes', async (t) => {
  const folder = project(t)
  const file = join(t.testdirName, 'file')
  makeFifo(file)
  const onEvent: ListOptions['onEvent'] = (event) => {
    if (event.event === 'listed' && event.path === file) rmSync(folder, { recursive: true })
  }
  const { error, events } = await tryList([file, folder, { text: 'last' }], { onEvent })
  t.match(error, { code: 'local-file', reason: 'disk' })
  t.match(events.of('failed'), [{ name: 'd', message: `cannot read ${folder}: no such file or directory (ENOENT)` }])
  t.strictSame(lines(events), [`${file} file null`, '- message 4'])
})

t.test('ends when it is interrupted, and leaves nothing open', async (t) => {
  const folder = project(t)
  const stillOpen = watchOpenFiles(t.testdirName)
  const controller = new AbortController()
  const onEvent: ListOptions['onEvent'] = (event) => {
    if (event.event === 'listed') controller.abort()
  }
  const { error, events } = await tryList([folder, folder], { onEvent, signal: controller.signal })
  t.match(error, { code: 'interrupted' })
  t.strictSame(lines(events), [`${folder} directory null`])
  t.strictSame(await stillOpen(), [])
})

t.test('lets the event loop have its turns while it lists many files', async (t) => {
  const files = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`f${index}`, '']))
  const folder = join(t.testdir({ d: files }), 'd')
  const controller = new AbortController()
  let listed = 0
  const onEvent: ListOptions['onEvent'] = (event) => {
    if (event.event !== 'listed') return
    if (listed++ === 0) setImmediate(() => controller.abort())
  }
  const { error } = await tryList([folder], { onEvent, signal: controller.signal })
  t.match(error, { code: 'interrupted' }, 'as a signal would')
  t.ok(listed < 1000, `${listed} were listed before`)
})

t.test('warns of sources with the same name before anything is sent, and goes on', async (t) => {
  const folder = project(t, { other: { a: 'other', e: { a: 'third', x: '' } } })
  const other = join(folder, 'other')
  const sources = [join(folder, 'a'), join(other, 'a'), join(other, 'e/a'), join(other, 'e/x'), { text: 'm' }]
  const { summary, events } = await tryList([...sources, { path: join(other, 'e/x'), name: 'message' }])
  t.equal(summary?.files, 6)
  t.equal(events.all[0]?.event, 'warning')
  const both = `${folder}/a and ${other}/a (and 1 more)`
  t.strictSame(events.of('warning'), [
    {
      event: 'warning',
      reason: 'same-name',
      message: `${both} are both offered as "a"; the receiver decides by its --if-exists`,
    },
  ])
  const two = await tryList(sources.slice(1, 3))
  t.match(two.events.of('warning'), [{ message: new RegExp(`^${other}/a and ${other}/e/a are both offered as "a";`) }])
  await t.resolves(list({ sources: sources.slice(0, 2) }), 'without a listener')
})

t.test('expects no size or digest of a directory', async (t) => {
  const folder = project(t)
  for (const expect of [{ size: 3 }, { blake3: 'ab'.repeat(32) }]) {
    const { error, events } = await tryList([folder], { expect })
    t.match(error, {
      code: 'local-file',
      message: /d is a directory; an expected size or digest .* is for a single file$/,
    })
    t.match(events.of('failed'), [{ transfer: 0, name: 'd' }])
    // Nobody listens there: the failure comes before the connection.
    await t.rejects(send({ sources: [folder], expect, host: '127.0.0.1', port: 1 }), { code: 'local-file' })
  }
})

t.test('knows without the protocol that a directory is none of its sources', async (t) => {
  const folder = project(t)
  const { error } = await tryList([folder], { plain: true })
  t.match(error, { code: 'local-file', message: /is a directory; send it as an archive: tar -C .* HOST PORT$/ })
  t.match((await tryList([folder, folder], { plain: true })).error, { code: 'usage' })
})

t.test('reports a file that is gone when it is listed', async (t) => {
  const folder = project(t)
  failDuring(t, { call: 'lstat', code: 'ENOENT' })
  const { events } = await tryList([join(folder, 'sub')])
  t.match(events.of('failed')[0], { name: 'sub/b', message: /sub\/b: no such file/ })
})
