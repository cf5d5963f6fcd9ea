/** Directories whose name is taken, and directories that go to a stream. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/errors.js'
import type { IfExists, TransferEvent } from '../../dist/index.js'
import { replaceDuring, systemError } from '../fixtures/disk.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { withoutProgram } from '../fixtures/required.ts'
import { makeTree, type Tree, tellTree } from '../fixtures/tree.ts'

const contentOnly = { contentOnly: true }

const tree: Tree = {
  a: 'new',
  'd/b': 'new',
  'd/e/c': bytesOf(70_000),
  'd/link': { to: 'b' },
  f: 'new',
  last: { to: 'a' },
}

/** Sends `project` to a folder that has `there`. Gives what both ends say, and what is in the folder. */
async function sendOver(t: Test, ifExists: IfExists, there: Tree) {
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), tree)
  const out = makeTree(join(folder, 'out'), there)
  const leaked = watchOpenFiles(folder)
  const receiver = await startReceiver(t, { out, ifExists, oneAttempt: true })
  const sent = await trySend(t, receiver.port, project)
  const received = await receiver.ended
  t.strictSame(await leaked(), [])
  return { sent, received, events: receiver.events, out, told: tellTree(out, contentOnly), project }
}

const whole = tellTreeOf(tree)

/** What `tellTree` says of the files of a tree below `project`. */
function tellTreeOf(files: Tree): Record<string, string> {
  const told: Record<string, string> = {}
  for (const [path, what] of Object.entries(files)) {
    if (typeof what === 'string') told[`project/${path}`] = `file ${what}`
  }
  return told
}

for (const ifExists of ['overwrite', 'skip', 'fail'] as const) {
  t.test(`files are put beside those that are there (${ifExists})`, async (t) => {
    const { sent, received, told } = await sendOver(t, ifExists, { 'project/other': 'old', 'project/d/other': 'old' })
    t.match(sent.summary, { files: 4 })
    t.match(received.summary, { files: 4 })
    t.match(told, {
      ...whole,
      'project/other': 'file old',
      'project/d/other': 'file old',
      'project/d/link': 'symlink b',
    })
  })
}

t.test('overwrite replaces files and symlinks, and nothing else', async (t) => {
  const there: Tree = {
    outside: 'old',
    'project/a': { to: '../outside' },
    'project/d/link': 'old',
    'project/d/x': 'old',
  }
  const { sent, received, told } = await sendOver(t, 'overwrite', there)
  t.match(sent.summary, { files: 4 })
  t.match(received.summary, { files: 4 })
  t.match(told, { ...whole, 'project/d/link': 'symlink b', 'project/d/x': 'file old', outside: 'file old' })
})

t.test('skip keeps what is there and tells each file, the receiver has not failed, and the sender has', async (t) => {
  const there: Tree = { 'project/a': 'old', 'project/d/link': { to: '/' }, 'project/d/e/c': 'old', 'project/z': 'old' }
  const { sent, received, events, told } = await sendOver(t, 'skip', there)
  const message = 'it is there already and is skipped'
  t.strictSame(
    events.of('refused').map(({ name, code, reason, message }) => ({ name, code, reason, message })),
    ['a', 'd/e/c', 'd/link'].map((path) => ({ name: `project/${path}`, code: 'refused', reason: 'skipped', message })),
  )
  t.match(
    events.of('stored').map(({ name, files, size }) => ({ name, files, size })),
    [{ name: 'project/d/b' }, { name: 'project/f' }, { name: 'project', files: 2, size: 6 }],
  )
  t.match(received.summary, { files: 2, bytes: 6 })
  t.match(sent.error, { code: 'refused', reason: 'skipped', exitCode: 5, message: /it had 3 of / })
  t.match(told, {
    'project/a': 'file old',
    'project/d/b': 'file new',
    'project/d/link': 'symlink /',
    'project/d/e/c': 'file old',
    'project/f': 'file new',
    'project/z': 'file old',
  })
})

t.test('skip tells a symlink that comes last, or alone', async (t) => {
  const { sent, events } = await sendOver(t, 'skip', { 'project/last': 'old' })
  t.match(events.of('refused'), [{ name: 'project/last', reason: 'skipped' }])
  t.equal(events.of('stored').length, 5)
  t.match(sent.error, { reason: 'skipped', message: /it had 1 of / })
  const last = await sendOver(t, 'skip', { 'project/f': 'old', 'project/last': 'old' })
  t.match(last.events.of('refused'), [{ name: 'project/f' }, { name: 'project/last', reason: 'skipped' }])
  t.match(last.sent.error, { reason: 'skipped', message: /it had 2 of / })
})

for (const [ifExists, there, name] of [
  ['fail', { 'project/d/e/c': 'old' }, 'project/d/e/c'],
  ['fail', { project: 'old' }, 'project'],
  ['fail', { project: { to: '.' } }, 'project'],
  ['overwrite', { project: 'old' }, 'project'],
  ['overwrite', { project: { to: 'elsewhere' }, 'elsewhere/': '' }, 'project'],
  ['overwrite', { 'project/d': 'old' }, 'project/d'],
  ['overwrite', { 'project/f/': '' }, 'project/f'],
  ['skip', { 'project/d': { to: '..' } }, 'project/d'],
] as [IfExists, Tree, string][]) {
  t.test(`nothing is moved because of ${Object.keys(there)} (${ifExists})`, async (t) => {
    const { sent, received, events, out, told } = await sendOver(t, ifExists, there)
    t.match(sent.error, { code: 'refused', reason: 'exists', exitCode: 5 })
    t.ok(sent.error?.message.includes(`"${name}"`), String(sent.error))
    t.match(received.error, { code: 'refused', reason: 'exists', exitCode: 5 })
    t.match(events.of('refused'), [{ name: 'project', reason: 'exists' }])
    t.strictSame(events.of('stored'), [])
    const folder = t.testdir()
    t.strictSame(told, tellTree(makeTree(folder, there), contentOnly), out)
  })
}

t.test('skip refuses a directory whose name a file has, and has not failed', async (t) => {
  const { sent, received, events, told } = await sendOver(t, 'skip', { project: 'old' })
  t.match(events.of('refused'), [{ name: 'project', reason: 'skipped' }])
  t.match(sent.error, { code: 'refused', reason: 'skipped' })
  t.match(received.summary, { files: 0 })
  t.equal(told.project, 'file old')
})

t.test('backup takes another name, whatever has it', async (t) => {
  for (const there of [
    { project: 'old' },
    { 'project/a': 'old' },
    { project: { to: '.' } },
    { 'project/': '' },
  ] as Tree[]) {
    const { sent, told } = await sendOver(t, 'backup', there)
    t.match(sent.events.of('sent').at(-1), { name: 'project', storedAs: 'project_bak', files: 4 })
    t.equal(told['project_bak/a'], 'file new')
    t.notOk(Object.values(told).includes('file new') && told['project/f'])
  }
})

t.test('a merge that fails halfway is told to both sides', async (t) => {
  let renames = 0
  replaceDuring(t, 'rename', (current) => async (from, to) => {
    if (++renames === 2) throw systemError('EIO', 'rename')
    await current(from, to)
  })
  const { sent, received, out, project } = await sendOver(t, 'overwrite', { 'project/x': 'old' })
  const why = 'is stored in part, because moving it into the directory there has failed: i/o error (EIO)'
  t.match(received.error, { code: 'local-file', exitCode: 8, message: `${join(out, 'project')} ${why}` })
  t.match(sent.error, { code: 'refused', message: `${project}: the receiver refused it: "project" ${why}` })
})

/** Sends a directory to a stream. */
async function sendToStream(t: Test, change: (project: string) => void = () => {}) {
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), {
    ...tree,
    'é/ü': 'x',
    ['x'.repeat(200)]: 'x',
    z: bytesOf(500_000),
  })
  change(project)
  const output = new PassThrough()
  const reading = buffer(output)
  const receiver = await startReceiver(t, { out: output, oneAttempt: true })
  const sent = await trySend(t, receiver.port, project)
  const received = await receiver.ended
  output.end()
  return { folder, project, sent, received, events: receiver.events, bytes: await reading }
}

t.test('a stream gets a tar archive', { skip: withoutProgram('tar') }, async (t) => {
  const { folder, project, sent, received, events, bytes } = await sendToStream(t)
  t.match(sent.summary, { files: 7 })
  t.match(received.summary, { files: 7 })
  t.match(events.of('stored').at(-1), { name: 'project', path: '-', files: 7 })
  mkdirSync(join(folder, 'x'))
  const listed = spawnSync('tar', ['-t'], { input: bytes, encoding: 'utf8' })
  t.match(listed, { status: 0, stderr: '' })
  t.equal(listed.stdout.split('\n').length, 14)
  t.match(spawnSync('tar', ['-C', join(folder, 'x'), '-xp'], { input: bytes, encoding: 'utf8' }), {
    status: 0,
    stderr: '',
  })
  t.strictSame(tellTree(join(folder, 'x/project')), tellTree(project))
})

t.test('a stream gets no end of an archive if a file could not be read', { skip: withoutProgram('tar') }, async (t) => {
  let hasFailed = false
  const fail = (at: number | null) => {
    if (at === null || at < 100_000 || hasFailed) return
    hasFailed = true
    throw systemError('EIO', 'read')
  }
  replaceDuring(t, 'readSync', (current) => (fd, buffer, offset, length, at) => {
    fail(at)
    return current(fd, buffer, offset, length, at)
  })
  // A busy machine looks like a slow disk.
  replaceDuring(t, 'read', (current) => async (fd, buffer, offset, length, at) => {
    fail(at)
    return await current(fd, buffer, offset, length, at)
  })
  const { sent, received, bytes } = await sendToStream(t)
  t.match(sent.error, { code: 'local-file' })
  t.match(received.error, { code: 'incomplete' })
  t.not(spawnSync('tar', ['-t'], { input: bytes }).status, 0)
})

t.test('what a user of the library throws on an event ends the transfer, and leaves nothing open', async (t) => {
  const isFirst = (event: TransferEvent) => event.event === 'progress'
  for (const when of [isFirst, (event: TransferEvent) => event.event === 'stored']) {
    const folder = t.testdir()
    const project = makeTree(join(folder, 'project'), tree)
    const leaked = watchOpenFiles(folder)
    const out = join(folder, 'out')
    const receiver = await startReceiver(t, {
      out,
      oneAttempt: true,
      onEvent: (event) => {
        if (when(event)) throw new TransferError('hook', 'enough')
      },
    })
    const sent = await trySend(t, receiver.port, project)
    const { error } = await receiver.ended
    t.match(error, { code: 'hook' })
    if (when === isFirst) {
      t.ok(sent.error)
      t.strictSame(tellTree(out), { '.': tellTree(out)['.'] })
    }
    t.strictSame(await leaked(), [])
  }
})
