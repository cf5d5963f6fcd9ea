/** Directories from one end to the other: what arrives is what was there. */
import { chmodSync, linkSync, lutimesSync, mkdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ReceiveOptions, SendOptions } from '../../dist/index.js'
import { printable } from '../../dist/text.js'
import { type Ended, type Listening, startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, namesIn } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { asNobody } from '../fixtures/other-user.ts'
import { makeFifo, makeSocket } from '../fixtures/special-files.ts'
import { makeTree, slowDisk, type Tree, tellTree } from '../fixtures/tree.ts'

const contentOnly = { contentOnly: true }

interface Trip {
  sent: Ended
  receiver: Listening
  out: string
}

/** Sends sources into a new folder. The receiver has ended, and nothing is open. */
async function trip(
  t: Test,
  folder: string,
  sources: SendOptions['sources'] | string,
  send: Partial<SendOptions> = {},
  receive: Partial<ReceiveOptions> = {},
): Promise<Trip> {
  const out = join(folder, 'out')
  const leaked = watchOpenFiles(folder)
  const receiver = await startReceiver(t, { out, ...receive })
  const sent = await trySend(t, receiver.port, sources, send)
  await receiver.stop()
  t.strictSame(await leaked(), [], 'nothing is left open')
  return { sent, receiver, out }
}

/** Sends the tree as `project`, and asserts that both ends say so and that it arrives as it is. */
async function arrives(t: Test, tree: Tree, change: (project: string) => void = () => {}): Promise<Trip> {
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), tree)
  change(project)
  const before = tellTree(project)
  const done = await trip(t, folder, project)
  t.equal(done.sent.error, undefined)
  t.strictSame(tellTree(join(done.out, 'project')), before)
  return done
}

const names = [
  'é',
  '日本語',
  'Кириллица',
  'العربية',
  '😀',
  'a b',
  'li\nne',
  'tab\tbed',
  '-rf',
  '--',
  '.hidden',
  '~',
  '%s',
  'back\\slash.d',
]

for (const isQuick of [true, false]) {
  t.test(`everything arrives as it was${isQuick ? '' : ', through the thread pool'}`, async (t) => {
    if (!isQuick) slowDisk(t)
    const { sent, receiver, out } = await arrives(
      t,
      {
        'empty file': '',
        text: 'content',
        'a/b/c/d/e/f/deep': 'x',
        'a.txt': 'x',
        'a-': 'x',
        'nothing/at/all/': '',
        link: { to: 'a/b' },
        'just below': bytesOf(64 * 1024 - 1),
        limit: bytesOf(64 * 1024),
        'just above': bytesOf(64 * 1024 + 1),
        large: bytesOf(5_000_000),
        z: 'last',
      },
      (project) => {
        for (const [path, mode] of [
          ['text', 0o644],
          ['z', 0o600],
          ['a.txt', 0o755],
          ['large', 0o444],
          ['a/b', 0o700],
          ['a/b/c', 0o750],
          ['nothing', 0o755],
        ] as const) {
          chmodSync(join(project, path), mode)
        }
        for (const [path, mtime] of [
          ['text', 1_700_000_000.123],
          ['large', 1.5],
          ['a/b/c', 1_600_000_000.999],
          ['nothing/at', 0],
          ['.', 1_500_000_000.001],
        ] as const) {
          utimesSync(join(project, path), new Date(), new Date(1000 * mtime))
        }
        lutimesSync(join(project, 'link'), 5, 1_400_000_000.456)
      },
    )
    t.match(sent.summary, { files: 10 })
    const size = 7 + 1 + 1 + 1 + 3 * 64 * 1024 + 5_000_000 + 4
    const [stored] = receiver.events.of('stored').slice(-1)
    t.match(stored, { name: 'project', path: join(out, 'project'), files: 10, size, verified: true })
    const [last] = sent.events.of('sent').slice(-1)
    t.match(last, { name: 'project', storedAs: 'project', files: 10, size, blake3: stored?.blake3, verified: true })
    const paths = [
      'a-',
      'a.txt',
      'a/b/c/d/e/f/deep',
      'empty file',
      'just above',
      'just below',
      'large',
      'limit',
      'text',
    ]
    // Every file has an event, in the order of the bytes of its path, before the directory's own.
    t.strictSame(
      receiver.events.of('stored').map(({ path }) => path),
      [...paths, 'z', ''].map((path) => join(out, 'project', path).replace(/\/$/, '')),
    )
    t.strictSame(
      sent.events.of('sent').map(({ name, blake3, size }) => ({ name, blake3, size })),
      receiver.events.of('stored').map(({ name, blake3, size }) => ({ name, blake3, size })),
    )
  })
}

t.test('a directory with nothing in it, or nothing but symlinks or directories', async (t) => {
  for (const tree of [
    {},
    { 'a/b/c/': '', 'd/': '' },
    { a: { to: 'b' }, b: { to: 'c' }, c: { to: '.' }, 'd/e': { to: '../a' }, nowhere: { to: 'missing' } },
  ] as Tree[]) {
    const { sent, receiver } = await arrives(t, tree)
    t.match(sent.summary, { files: 0, bytes: 0 })
    t.match(receiver.events.of('stored'), [{ name: 'project', files: 0, size: 0 }])
  }
})

t.test('names in many scripts, with spaces, breaks and dashes, and as long as they may be', async (t) => {
  const tree: Tree = {}
  for (const name of [...names, 'x'.repeat(255), 'é'.repeat(127), 'odd \ufffd name']) {
    tree[`${name}/${name}`] = name
    tree[`${name}.link`.slice(0, 60)] = { to: name }
  }
  await arrives(t, tree)
})

t.test('a path of 2,000 bytes, and as many directories as are allowed', async (t) => {
  await arrives(t, { [`${'d'.repeat(199)}/`.repeat(9)]: '', [`${'d'.repeat(199)}/`.repeat(9) + 'f'.repeat(200)]: 'x' })
  const deep = { [`${'d/'.repeat(32)}file`]: 'x' }
  await arrives(t, deep)
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), { [`${'d/'.repeat(33)}file`]: 'x' })
  const { sent, receiver, out } = await trip(t, folder, project)
  t.match(sent.error, { code: 'refused', reason: 'files', message: /at most 32 directories inside each other/ })
  t.match(receiver.events.of('refused'), [{ name: 'project', reason: 'files' }])
  t.strictSame(namesIn(out), [])
})

t.test('hundreds of files in one directory', async (t) => {
  const files = Array.from({ length: 700 }, (_, number) => [`${number % 7}/${number}`, bytesOf(number)])
  const { sent } = await arrives(t, Object.fromEntries(files))
  t.match(sent.summary, { files: 700 })
})

t.test('large files that begin anywhere in a buffer', async (t) => {
  const files = Array.from({ length: 64 }, (_, number) => [`${number}`, bytesOf(65_537 + 1_999 * number)])
  const { sent } = await arrives(t, Object.fromEntries(files))
  t.match(sent.summary, { files: 64 })
})

t.test('hard links become files of their own', async (t) => {
  const { out } = await arrives(t, { a: 'x' }, (project) => linkSync(join(project, 'a'), join(project, 'b')))
  t.equal(statSync(join(out, 'project/a')).nlink, 1)
  t.equal(statSync(join(out, 'project/b')).nlink, 1)
})

t.test('set-id and sticky bits are dropped', async (t) => {
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), { small: 'x', large: bytesOf(70_000), 'd/': '' })
  for (const name of ['small', 'large', 'd', '.']) chmodSync(join(project, name), 0o7755)
  const { sent, out } = await trip(t, folder, project)
  t.match(sent.summary, { files: 2 })
  for (const name of ['small', 'large', 'd', '.']) t.equal(statSync(join(out, 'project', name)).mode & 0o7777, 0o755)
})

t.test('what its owner may not change arrives as that', async (t) => {
  await asNobody(t, async (folder) => {
    const project = makeTree(join(folder, 'project'), { 'd/small': 'x', 'd/large': bytesOf(70_000), 'd/e/f': 'x' })
    for (const name of ['d/small', 'd/large', 'd/e/f']) chmodSync(join(project, name), 0o400)
    for (const name of ['d/e', 'd', '.']) chmodSync(join(project, name), 0o555)
    const before = tellTree(project)
    const { sent, out } = await trip(t, folder, [project, project])
    t.match(sent.summary, { files: 6 })
    for (const name of ['project', 'project_bak']) t.strictSame(tellTree(join(out, name)), before)
    for (const name of [project, join(out, 'project'), join(out, 'project_bak')]) {
      for (const path of ['.', 'd', 'd/e']) chmodSync(join(name, path), 0o755)
    }
  })
})

t.test('what cannot be sent is left out and told, and all else arrives', async (t) => {
  const folder = t.testdir({ secret: 'x' })
  const project = makeTree(join(folder, 'project'), {
    file: 'x',
    'd/inside': { to: '../file' },
    'd/outside': { to: '../../secret' },
    absolute: { to: join(folder, 'project/file') },
    self: { to: 'self' },
    // What every receiver would refuse, and the directory with it.
    'd/\u202eexe.txt': 'x',
    'esc\u001b/in': 'x',
    target: { to: 'bell\u0007' },
  })
  makeFifo(join(project, 'fifo'))
  await makeSocket(t, project, 'socket')
  writeFileSync(Buffer.concat([Buffer.from(`${project}/bad`), Buffer.from([0xff])]), 'x')
  symlinkSync(Buffer.from([0x61, 0xff]), join(project, 'bad target'))
  const { sent, receiver, out } = await trip(t, folder, project)
  t.strictSame(tellTree(join(out, 'project'), contentOnly), {
    '.': 'directory',
    d: 'directory',
    'd/inside': 'symlink ../file',
    file: 'file x',
    self: 'symlink self',
  })
  const whys = {
    absolute: `it is a symlink to ${project}/file, outside of the directory`,
    'bad target': 'its target is not UTF-8',
    'bad\ufffd': 'its name is not UTF-8',
    'd/outside': 'it is a symlink to ../../secret, outside of the directory',
    'd/\u202eexe.txt': 'no receiver takes its name: it holds a control character or a direction override',
    'esc\u001b': 'no receiver takes its name: it holds a control character or a direction override',
    fifo: 'it is no file, directory or symlink',
    socket: 'it is no file, directory or symlink',
    target: 'no receiver takes it: its target holds a control character or a direction override',
  }
  t.strictSame(
    sent.events.of('failed').map(({ name, code, reason, message }) => ({ name, code, reason, message })),
    Object.entries(whys).map(([path, why]) => {
      const message = `${printable(`${project}/${path}`)} is left out: ${why}`
      return { name: `project/${path}`, code: 'local-file', reason: 'left-out', message }
    }),
  )
  t.match(sent.error, { code: 'local-file', reason: 'left-out', exitCode: 8 })
  t.match(sent.events.of('sent').slice(-1), [{ name: 'project', files: 1 }])
  t.match(receiver.events.of('stored').slice(-1), [{ name: 'project', files: 1 }])
  t.strictSame(
    receiver.events.of('failed').filter(({ transfer }) => transfer > 0),
    [],
    'the receiver has what was sent',
  )
})

t.test('what symlinks lead to is sent, if that is wanted', async (t) => {
  const folder = t.testdir()
  makeTree(folder, { 'other/large': bytesOf(70_000), 'other/small': 'x' })
  const project = makeTree(join(folder, 'project'), {
    'd.txt': 'x',
    d: { to: '../other' },
    'd-': { to: '../other/small' },
    loop: { to: '.' },
    nowhere: { to: 'missing' },
    outer: { to: '/dev/null' },
  })
  const { sent, out } = await trip(t, folder, project, { follow: true })
  const told = tellTree(join(out, 'project'), contentOnly)
  t.strictSame(Object.keys(told).sort(), ['.', 'd', 'd-', 'd.txt', 'd/large', 'd/small'])
  t.strictSame([told.d, told['d-'], told['d/small']], ['directory', 'file x', 'file x'])
  t.match(sent.events.of('failed'), [
    { name: 'project/loop', message: /leads back to a directory that it is in/ },
    { name: 'project/nowhere', message: /is a symlink that leads nowhere/ },
    { name: 'project/outer', message: /is no file, directory or symlink/ },
  ])
  t.match(sent.error, { reason: 'left-out', exitCode: 8 })
})

t.test('what the patterns exclude is not sent, and nobody hears of it', async (t) => {
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), {
    '.gitignore': '*.log\n/build/\n',
    'a.log': 'x',
    'build/x': 'x',
    'src/.gitignore': '!keep.log\n',
    'src/keep.log': 'x',
    'src/other.log': 'x',
    'src/build/y': 'x',
    'node_modules/z': 'x',
    out: { to: '/' },
  })
  const options = { gitignore: true, exclude: ['node_modules/', '/out'] }
  const { sent, out } = await trip(t, folder, project, options)
  t.match(sent.summary, { files: 4 })
  t.strictSame(Object.keys(tellTree(join(out, 'project'))), [
    '.',
    '.gitignore',
    'src',
    'src/.gitignore',
    'src/build',
    'src/build/y',
    'src/keep.log',
  ])
})

t.test('beside files, several of them, and under another name', async (t) => {
  const folder = t.testdir()
  makeTree(folder, { 'one/a': 'x', 'two/b/c': 'y', file: 'z' })
  const sources = [join(folder, 'one'), join(folder, 'file'), { path: join(folder, 'two/'), name: 'three' }]
  const { sent, receiver, out } = await trip(t, folder, sources)
  t.match(sent.summary, { files: 3, bytes: 3 })
  t.match(receiver.events.of('ended'), [{ files: 3, complete: true }])
  t.strictSame(tellTree(out, contentOnly), {
    '.': 'directory',
    file: 'file z',
    one: 'directory',
    'one/a': 'file x',
    three: 'directory',
    'three/b': 'directory',
    'three/b/c': 'file y',
  })
})

t.test('the root has no name, and a plain receiver takes no directory', async (t) => {
  const folder = t.testdir()
  const { sent, out } = await trip(t, folder, '/')
  t.match(sent.error, { code: 'local-file', reason: 'name', exitCode: 8, message: /^\/ has no name of its own/ })
  t.strictSame(namesIn(out), [])
  const plain = await trySend(t, 9, folder, { plain: true })
  t.match(plain.error, { code: 'local-file', message: /is a directory; send it as an archive/ })
})

t.test('two receivers of one sender get the same directory', async (t) => {
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), { 'a/b': 'x', large: bytesOf(300_000) })
  const before = tellTree(project)
  const sender = await startSender(t, [project], { count: 2 })
  const outs = ['one', 'two'].map((name) => join(folder, name))
  const received = await Promise.all(outs.map((out) => tryReceive(t, sender.port, { out })))
  for (const { summary } of received) t.match(summary, { files: 2 })
  t.match((await sender.ended).summary, { files: 4 })
  for (const out of outs) t.strictSame(tellTree(join(out, 'project')), before)
})

t.test('two senders at once: both are stored whole', async (t) => {
  const folder = t.testdir()
  const project = makeTree(
    join(folder, 'project'),
    Object.fromEntries(names.map((name) => [`${name}/x`, bytesOf(50_000)])),
  )
  const before = tellTree(project)
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, { out, count: 4 })
  const all = await Promise.all([1, 2, 3, 4].map(() => trySend(t, receiver.port, project)))
  for (const { summary } of all) t.match(summary, { files: names.length })
  t.match((await receiver.ended).summary, { files: 4 * names.length })
  t.strictSame(namesIn(out), ['project', 'project_bak', 'project_bak2', 'project_bak3'])
  for (const name of namesIn(out)) t.strictSame(tellTree(join(out, name)), before)
  t.strictSame(all.map(({ events }) => events.of('sent').at(-1)?.storedAs).sort(), [
    'project',
    'project_bak',
    'project_bak2',
    'project_bak3',
  ])
})

t.test('the limits of the receiver hold for what is in it', async (t) => {
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), { a: 'x', 'b/c': 'x'.repeat(100), 'd.png': 'x' })
  for (const [receive, reason] of [
    [{ maxSize: 99 }, 'too-large'],
    [{ maxFiles: 3 }, 'files'],
    [{ accept: ['text/*', 'application/octet-stream'] }, 'type'],
    [{ textOnly: true }, 'policy'],
  ] as const) {
    const { sent, receiver, out } = await trip(t, folder, project, {}, receive)
    t.match(sent.error, { code: 'refused', reason, exitCode: 5 })
    t.match(receiver.events.of('refused'), [{ name: 'project', reason }])
    t.strictSame(namesIn(out), [])
  }
  mkdirSync(join(folder, 'x'))
  const { sent } = await trip(t, folder, project, {}, { maxSize: 100, maxFiles: 5 })
  t.match(sent.summary, { files: 3 })
})

t.test('reports the files of a directory only to who wants them', async (t) => {
  const folder = t.testdir({ project: { a: 'one', b: { c: 'three' } }, out: {} })
  const quiet = { fileEvents: false }
  const { sent, receiver, out } = await trip(t, folder, join(folder, 'project'), quiet, quiet)
  const facts = { name: 'project', files: 2, size: 8 }
  t.match(sent.events.of('sent'), [facts])
  t.equal(sent.events.of('sent').length, 1)
  t.match(receiver.events.of('stored'), [{ ...facts, path: join(out, 'project') }])
  t.equal(receiver.events.of('stored').length, 1)
  t.match(sent.events.of('done'), [{ files: 2, bytes: 8 }])

  writeFileSync(join(folder, 'project/new'), 'four')
  const skipping = { ...quiet, ifExists: 'skip' as const }
  const again = await trip(t, folder, join(folder, 'project'), quiet, skipping)
  t.match(again.receiver.events.of('refused'), [{ name: 'project/a' }, { name: 'project/b/c' }])
  t.match(again.receiver.events.of('stored'), [{ name: 'project', files: 1, size: 4 }])
  t.equal(again.receiver.events.of('stored').length, 1, 'what was skipped is told all the same')
})
