/** Directories that change, or cannot be read, while they are sent: they are not stored, and all else goes on. */
import {
  appendFileSync,
  mkdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { failDuring, replaceDuring, systemError } from '../fixtures/disk.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, keptIn, keptPath } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { makeFifo } from '../fixtures/special-files.ts'
import { makeTree, setQuick } from '../fixtures/tree.ts'

const SMALL = 100
const LARGE = 1_000_000

/** Calls `change` once, when the file of that name has been read to `position`. */
function onRead(t: Test, name: string, position: number, change: () => void): void {
  let isOver = false
  const look = (fd: number, at: number | null) => {
    if (isOver || at === null || at < position || !readlinkSync(`/proc/self/fd/${fd}`).endsWith(`/${name}`)) return
    isOver = true
    change()
  }
  replaceDuring(t, 'readSync', (current) => (fd, buffer, offset, length, at) => {
    look(fd, at)
    return current(fd, buffer, offset, length, at)
  })
  replaceDuring(t, 'read', (current) => async (fd, buffer, offset, length, at) => {
    look(fd, at)
    return await current(fd, buffer, offset, length, at)
  })
}

/** Calls `change` once, before the file of that name is opened. */
function onOpen(t: Test, name: string, change: () => void): void {
  let isOver = false
  const look = (path: string) => {
    if (isOver || !path.endsWith(`/${name}`)) return
    isOver = true
    change()
  }
  replaceDuring(t, 'openSync', (current) => (path, flags, mode) => {
    look(path)
    return current(path, flags, mode)
  })
  replaceDuring(t, 'open', (current) => async (path, flags, mode) => {
    look(path)
    return await current(path, flags, mode)
  })
}

interface Failure {
  /** The path of what cannot be sent, in the directory. */
  path: string
  /** What is said of it, after its path. */
  message: RegExp
  reason?: string
}

/** Sends a directory in which something goes wrong, with a file behind it. Asserts what both ends say and do. */
async function goesWrong(t: Test, folder: string, failures: Failure[], what: string): Promise<void> {
  const leaked = watchOpenFiles(folder)
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, { out, oneAttempt: true })
  const project = join(folder, 'project')
  const sent = await trySend(t, receiver.port, [project, join(folder, 'other')])
  const received = await receiver.ended
  t.match(sent.events.of('failed'), [
    ...failures.map(({ path, message, reason = 'changed' }) => ({ name: `project/${path}`, message, reason })),
    {
      name: 'project',
      code: 'local-file',
      reason: 'changed',
      message: `${project} is not stored: ${what} could not be read; the receiver keeps the rest in its staging folder`,
    },
  ])
  t.equal(sent.events.of('failed').length, failures.length + 1)
  t.match(sent.error, { code: 'local-file', exitCode: 8, reason: failures[0]?.reason ?? 'changed' })
  t.match(sent.events.of('sent'), [{ name: 'other' }])
  t.match(receiver.events.of('failed'), [
    {
      ...{ name: 'project', code: 'incomplete', kept: keptPath(out) },
      message: new RegExp(`gave up: ${what} could not be read \\(changed\\)$`),
    },
  ])
  t.match(received.error, { code: 'incomplete', exitCode: 6 })
  t.match(receiver.events.of('stored'), [{ name: 'other' }])
  const said = [...receiver.events.of('failed').map(({ message }) => message), received.error?.message]
  t.notOk(
    said.some((message) => message?.includes(folder)),
    'no path of the sender is told',
  )
  t.strictSame(filesIn(out), { other: 'x' })
  t.strictSame(keptIn(out), keptTree, 'what came whole is kept')
  t.strictSame(await leaked(), [])
}

/** What is kept of the directory that `prepare` makes. */
const keptTree = { 'project/a': 'x', 'project/d/': '', 'project/z': bytesOf(70_000).toString() }

function prepare(t: Test, size: number): { folder: string; file: string } {
  const folder = makeTree(t.testdir(), {
    other: 'x',
    'project/a': 'x',
    'project/d/file': bytesOf(size),
    'project/z': bytesOf(70_000),
  })
  return { folder, file: join(folder, 'project/d/file') }
}

for (const [kind, size] of [
  ['small', SMALL],
  ['large', LARGE],
] as const) {
  for (const isQuick of [true, false]) {
    const how = `${kind} file${isQuick ? '' : ' on a slow disk'}`

    for (const [title, change, message] of [
      ['grows', (file: string) => appendFileSync(file, 'more'), kind === 'small' ? /became longer/ : /changed/],
      ['shrinks', (file: string) => truncateSync(file, 10), /became shorter/],
      ['gets another time', (file: string) => utimesSync(file, 1, 1), /changed/],
    ] as [string, (file: string) => void, RegExp][]) {
      t.test(`a ${how} ${title} while it is read`, async (t) => {
        setQuick(t, isQuick)
        const { folder, file } = prepare(t, size)
        onRead(t, 'file', size / 2 >= SMALL ? size / 2 : 0, () => change(file))
        await goesWrong(t, folder, [{ path: 'd/file', message }], 'a file or directory in it')
      })
    }

    t.test(`a ${how} cannot be read to its end`, async (t) => {
      setQuick(t, isQuick)
      const { folder, file } = prepare(t, size)
      onRead(t, 'file', kind === 'small' ? 0 : size / 2, () => {
        throw systemError('EIO', 'read')
      })
      const message = new RegExp(`^cannot read ${file}: i/o error \\(EIO\\)$`)
      await goesWrong(t, folder, [{ path: 'd/file', message, reason: 'disk' }], 'a file or directory in it')
    })
  }
}

for (const [title, change, message, reason] of [
  ['has gone', (file: string) => unlinkSync(file), /no such file/, 'disk'],
  [
    'has become a FIFO',
    (file: string) => {
      unlinkSync(file)
      makeFifo(file)
    },
    /was replaced by something that is no file while it was sent/,
    'changed',
  ],
  [
    'has become a directory',
    (file: string) => {
      unlinkSync(file)
      mkdirSync(file)
    },
    /was replaced by something that is no file/,
    'changed',
  ],
  [
    'has become a symlink',
    (file: string) => {
      unlinkSync(file)
      symlinkSync('/etc/passwd', file)
    },
    /\(ELOOP\)/,
    'disk',
  ],
  [
    'may not be read',
    () => {
      throw systemError('EACCES', 'open')
    },
    /permission denied \(EACCES\)/,
    'disk',
  ],
] as [string, (file: string) => void, RegExp, string][]) {
  for (const isQuick of [true, false]) {
    t.test(`a file ${title} when its turn comes${isQuick ? '' : ', on a slow disk'}`, async (t) => {
      setQuick(t, isQuick)
      const { folder, file } = prepare(t, LARGE)
      onOpen(t, 'd/file', () => {})
      onOpen(t, 'file', () => change(file))
      await goesWrong(t, folder, [{ path: 'd/file', message, reason }], 'a file or directory in it')
    })
  }
}

t.test('everything that cannot be read is told, and counted', async (t) => {
  const { folder, file } = prepare(t, LARGE)
  makeTree(join(folder, 'project'), { 'e/x': 'x', f: 'x' })
  onOpen(t, 'e', () => {
    rmSync(join(folder, 'project/e'), { recursive: true })
    unlinkSync(join(folder, 'project/f'))
  })
  onRead(t, 'file', LARGE / 2, () => truncateSync(file, 10))
  await goesWrong(
    t,
    folder,
    [
      { path: 'd/file', message: /became shorter/ },
      { path: 'e', message: /no such file/, reason: 'disk' },
      { path: 'f', message: /no such file/, reason: 'disk' },
    ],
    '3 files or directories in it',
  )
})

t.test('the directory itself has gone when its turn comes', async (t) => {
  const { folder } = prepare(t, SMALL)
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, { out })
  const sent = await trySend(t, receiver.port, [join(folder, 'project'), join(folder, 'other')], {
    onEvent: ({ event }) => {
      if (event === 'connected') rmSync(join(folder, 'project'), { recursive: true })
    },
  })
  await receiver.stop()
  t.match(sent.events.of('failed'), [{ name: 'project', code: 'local-file', message: /no such file/ }])
  t.match(sent.error, { code: 'local-file', exitCode: 8 })
  t.strictSame(filesIn(out), { other: 'x' })
})

t.test('the disk of the receiver is full, and the rest is stored', async (t) => {
  for (const [call, name] of [
    ['mkdir', 'd'],
    ['write', 'd/file'],
  ] as const) {
    const { folder } = prepare(t, LARGE)
    const leaked = watchOpenFiles(folder)
    const out = join(folder, 'out')
    const receiver = await startReceiver(t, { out })
    if (call === 'mkdir') failDuring(t, { call, code: 'ENOSPC', occurrence: 5 })
    else {
      let isFull = false
      replaceDuring(t, 'writeSync', (current) => (fd, ...args) => {
        if (isFull || !readlinkSync(`/proc/self/fd/${fd}`).endsWith('/file')) return current(fd, ...args)
        isFull = true
        throw systemError('ENOSPC', 'write')
      })
    }
    const sent = await trySend(t, receiver.port, [join(folder, 'project'), join(folder, 'other')])
    await receiver.stop()
    const path = join(out, 'project', name)
    const message = new RegExp(`${path}: no space left on device \\(ENOSPC\\)$`)
    t.match(receiver.events.of('failed')[0], { name: 'project', code: 'local-file', reason: 'no-space', message })
    const said = `${join(folder, 'project')}: the receiver refused it: its disk is full`
    t.match(sent.events.of('failed'), [{ name: 'project', code: 'refused', reason: 'no-space', message: said }])
    t.match(sent.error, { code: 'refused', exitCode: 5 })
    t.strictSame(filesIn(out), { other: 'x' })
    t.strictSame(await leaked(), [])
  }
})

t.test('the connection breaks while the directory is under way: nothing is stored or left open', async (t) => {
  for (const side of ['sender', 'receiver'] as const) {
    // So large that something of it has been sent when it breaks.
    const { folder } = prepare(t, 4 * LARGE)
    const leaked = watchOpenFiles(folder)
    const out = join(folder, 'out')
    const receiver = await startReceiver(t, { out, oneAttempt: true })
    const stop = new AbortController()
    onRead(t, 'file', 3 * LARGE, () => {
      if (side === 'sender') stop.abort()
      else void receiver.stop()
    })
    const sent = await trySend(t, receiver.port, [join(folder, 'project')], { signal: stop.signal })
    const received = await receiver.ended
    t.match(sent.error, { code: side === 'sender' ? 'interrupted' : 'incomplete' })
    t.match(received.error, { code: side === 'sender' ? 'incomplete' : 'interrupted' })
    t.strictSame(filesIn(out), {})
    if (side === 'sender') {
      t.strictSame(keptIn(out), { 'project/a': 'x', 'project/d/': '' })
      t.match(receiver.events.of('failed'), [{ name: 'project', kept: keptPath(out) }])
    }
    t.strictSame(await leaked(), [])
  }
})
