/** Names, symlinks and attributes in a directory as a hostile sender may say them: nothing leaves the directory. */
import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { startReceiver } from '../fixtures/ends.ts'
import { filesIn, namesIn, treeOf } from '../fixtures/folder.ts'
import { brokenDirectory, directoryHeader, HostileSender, type Refused } from '../fixtures/hostile-directory.ts'
import { Peer } from '../fixtures/peer.ts'
import { frame, senderOpening } from '../fixtures/peer-frames.ts'
import { directoryFrames, tree } from '../fixtures/tree-frames.ts'

const name: Refused = { reason: 'name' }
const breach: Refused = { reason: 'protocol', code: 'incomplete' }

const badNames = [
  ...['..', '.', '../evil', 'a/b', 'a/', '/', '/etc/cron.d/x', 'a//b', 'a/..', 'a/../../evil', './a'],
  ...['..\\evil', '\\evil', 'a\\..\\..\\evil', 'a\\', 'nul\0byte', 'carriage\rreturn', '\u001b[1A\rharmless'],
  ...[
    '\u001b]52;c;ZXZpbA==\u0007',
    'c1\u009b2J',
    'del\u007f',
    'line\u2028separator',
    'txt.\u202egpj.exe',
    'isolate\u2066',
  ],
  ...['x'.repeat(256), 'é'.repeat(128), 'a/'.repeat(2_500)],
]

t.test('refuses a directory with any name that could leave it or lie on a terminal', async (t) => {
  const sender = await HostileSender.start(t)
  for (const bad of badNames) {
    const forms = [tree.file(bad, 'evil'), tree.streamed(bad, 'evil'), tree.link(bad, 'x'), tree.open(bad)]
    for (const form of forms) await sender.refused(t, brokenDirectory('bad', [tree.file('\t', 'x'), form]), name)
    await sender.refused(t, brokenDirectory('bad', [tree.open('sub'), forms[0] as Buffer, tree.close()]), name)
    await sender.refused(t, brokenDirectory(bad, [tree.file('a', 'x')]), name)
  }
  for (const bad of ['', '.ssh', '.tcp-recv', 'new\nline', 'tab\t']) {
    await sender.refused(t, brokenDirectory(bad, [tree.file('a', 'x')]), name)
  }
  await sender.refused(t, brokenDirectory('bad', [tree.open('')]), name)
  await sender.stop(t)
})

t.test('refuses a directory with a name that is not Unicode', async (t) => {
  const sender = await HostileSender.start(t)
  const json = (bytes: string) =>
    Buffer.concat([Buffer.from('{"size":0,"target":"a","name":"'), Buffer.from(bytes, 'hex'), Buffer.from('"}')])
  for (const letter of ['O', 'L', 'H']) {
    for (const bytes of ['fffe', 'c0af', 'eda080']) {
      await sender.refused(t, brokenDirectory('bad', [frame(letter, json(bytes))]), breach)
    }
    await sender.refused(t, brokenDirectory('bad', [frame(letter, { name: '\ud800', size: 0, target: 'a' })]), breach)
  }
  await sender.stop(t)
})

t.test('stores every other name as it is', async (t) => {
  const sender = await HostileSender.start(t)
  const names = [
    '-rf',
    '.bashrc',
    '.ssh',
    '.tcp-recv',
    '%2e%2e%2f',
    '..a',
    '...',
    '; rm x',
    '$(id)',
    '．．／x',
    ' name',
    '~',
  ]
  names.push(
    'line\nbreak',
    'tab\t',
    'a\\b',
    'é',
    'e\u0301',
    'README',
    'readme',
    '__proto__',
    'constructor',
    'x'.repeat(255),
    '👨‍👩‍👧',
  )
  const ordered = names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const files = ordered.map((each) => tree.file(each, each))
  const stored = Object.fromEntries(ordered.map((each) => [`names/${each}`, each]))
  await sender.stored(t, directoryFrames('names', files), stored)
  const large = 'large '.repeat(20_000)
  const streamed = ordered.map((each) => tree.streamed(each, large))
  const all = Object.fromEntries(ordered.map((each) => [`streamed/${each}`, large]))
  await sender.stored(t, directoryFrames('streamed', streamed), all)
  await sender.stop(t)
})

t.test('refuses a directory with a symlink that leads out of it, or whose target could not be', async (t) => {
  const sender = await HostileSender.start(t)
  const targets = ['/', '..', '../..', '/etc/passwd', '//', 'x/..', 'x/../..', './..', '../x', '..\\..', '\\x', '']
  targets.push('nul\0byte', '\u001b[2J', 'a\u202eb', 'x'.repeat(4096), sender.folder)
  for (const target of targets) {
    await sender.refused(t, brokenDirectory('bad', [tree.file('\t', 'x'), tree.link('l', target)]), name)
  }
  const below = (target: string) => [tree.open('a'), tree.open('b'), tree.link('l', target), tree.close(), tree.close()]
  for (const target of ['../../..', '/', '../x/../..', '../../../out']) {
    await sender.refused(t, brokenDirectory('bad', below(target)), name)
  }
  await sender.stored(t, directoryFrames('fine', below('../../a/b/l')), { 'fine/a/b/l': '-> ../../a/b/l' })
  await sender.stop(t)
})

t.test('stores symlinks of symlinks that stay inside, and writes nothing through them', async (t) => {
  const sender = await HostileSender.start(t)
  const parts = [
    tree.link('again', 'deep/up'),
    tree.open('deep'),
    tree.link('self', '.'),
    tree.link('up', '..'),
    tree.close(),
    tree.link('through', 'again/deep/up/again'),
  ]
  await sender.stored(t, directoryFrames('chain', parts), {
    'chain/again': '-> deep/up',
    'chain/deep/up': '-> ..',
    'chain/deep/self': '-> .',
    'chain/through': '-> again/deep/up/again',
  })
  for (const link of ['again', 'through']) {
    const below = [...parts.slice(0, link === 'again' ? 1 : 6), tree.open(link), tree.file('x', 'evil'), tree.close()]
    await sender.refused(t, brokenDirectory('bad', below), breach)
  }
  await sender.stop(t)
})

t.test('stores no set-id bits, and any time', async (t) => {
  const sender = await HostileSender.start(t)
  const times = [8.64e15, -8.64e15, -1, 0, 1.7e12 + 1]
  const modes = [0o4755, 0o2777, 0o1777, 0o7777, 0o177777, 0o0]
  const attributes = modes.flatMap((mode) => times.map((mtime) => ({ mode, mtime })))
  const each = (make: (name: string, more: object) => Buffer[]) =>
    attributes.flatMap((more, index) => make(`${100 + index}`, more))
  const parts = [
    tree.open('dirs'),
    ...each((name, more) => [tree.open(name, more), tree.file('x', ''), tree.close()]),
    tree.close(),
    tree.open('large'),
    ...each((name, more) => [tree.streamed(name, 'x', more)]),
    tree.close(),
    tree.open('links'),
    ...each((name, more) => [tree.link(name, 'x', { mtime: (more as { mtime: number }).mtime })]),
    tree.close(),
    tree.open('small'),
    ...each((name, more) => [tree.file(name, 'x', more)]),
    tree.close(),
  ]
  const peer = await Peer.dial(t, sender.receiver.port)
  peer.finish(senderOpening, ...directoryFrames('all', parts), frame('F', { entries: 1 }))
  t.match((await peer.next('S')).fields, { entry: 0, name: 'all' })
  await peer.closed
  const all = join(sender.folder, 'out', 'all')
  for (const [index, { mode }] of attributes.entries()) {
    for (const kind of ['dirs', 'large', 'small']) {
      const stats = lstatSync(join(all, kind, `${100 + index}`))
      t.equal(stats.mode & 0o7777, mode & 0o777 & ~process.umask(), `${kind} ${mode.toString(8)}`)
    }
  }
  sender.expect(treeOf(join(sender.folder, 'out')))
  await sender.stop(t)
})

/** What may be there already where a directory goes. None of it may be followed or replaced. */
t.test('does not follow a symlink that is there already in the place of a directory', async (t) => {
  for (const ifExists of ['overwrite', 'skip', 'fail', 'backup'] as const) {
    const folder = t.testdir({ out: { d: {} }, outside: { x: 'outside' } })
    const out = join(folder, 'out')
    symlinkSync('../../outside', join(out, 'd', 'l'))
    symlinkSync('../outside', join(out, 'e'))
    writeFileSync(join(out, 'f'), 'file')
    mkdirSync(join(out, 'd', 'x'))
    const there = treeOf(out)
    const receiver = await startReceiver(t, { out, ifExists })
    const peer = await Peer.dial(t, receiver.port)
    const evil = [tree.open('l'), tree.file('x', 'evil'), tree.close()]
    const entries = ['d', 'e', 'f'].flatMap((name) => directoryFrames(name, evil))
    const inTheWay = directoryFrames('d', [tree.file('x', 'evil')])
    peer.finish(senderOpening, ...entries, ...inTheWay, frame('F', { entries: 4 }))
    await peer.ended
    await peer.closed
    await receiver.stop()
    const answers = peer.frames
      .filter(({ type }) => 'SR'.includes(type))
      .map(({ fields }) => fields.reason ?? fields.name)
    if (ifExists === 'backup') t.strictSame(answers, ['d_bak', 'e_bak', 'f_bak', 'd_bak2'])
    // A directory cannot be merged into a symlink. What is in the way as a whole is skipped where that is wanted.
    else if (ifExists === 'skip') t.strictSame(answers, ['exists', 'skipped', 'skipped', 'skipped'])
    else t.strictSame(answers, ['exists', 'exists', 'exists', 'exists'])
    t.strictSame(filesIn(join(folder, 'outside')), { x: 'outside' })
    const now = treeOf(out)
    for (const [path, content] of Object.entries(there)) t.equal(now[path], content, `${ifExists}: ${path}`)
    if (ifExists !== 'backup') t.strictSame(now, there)
    t.strictSame(namesIn(folder), ['out', 'outside'])
  }
})

t.test('passes no name on to an archive that it would not store', async (t) => {
  const cases = [
    ...['..', '../evil', '/etc/x', '\u001b[2J'].map((bad) => brokenDirectory(bad, [tree.file('a', 'x')])),
    ...['..', '../evil', 'a/b'].map((bad) => brokenDirectory('d', [tree.open(bad), tree.file('a', 'x'), tree.close()])),
    brokenDirectory('d', [tree.link('l', '..')]),
  ]
  for (const entry of cases) {
    const output = new PassThrough()
    const receiver = await startReceiver(t, { out: output, oneAttempt: true })
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(senderOpening, ...entry, frame('F', { entries: 1 }))
    t.match((await peer.next('R')).fields, { entry: 0, reason: 'name' })
    await peer.closed
    t.match((await receiver.ended).error, { exitCode: 5, reason: 'name' })
    t.notMatch(`${output.read() ?? ''}`, /\.\.|evil|etc|\[2J/)
  }
})

t.test('takes no directory where it takes only messages', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir(), textOnly: true })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(
    senderOpening,
    directoryHeader('d'),
    ...directoryFrames('d', [tree.file('a', 'x')]).slice(1),
    frame('F', { entries: 1 }),
  )
  t.match((await peer.next('R')).fields, { entry: 0, reason: 'policy', message: 'it takes only messages' })
  await peer.closed
  await receiver.stop()
  t.match(receiver.events.of('refused'), [{ name: 'd', code: 'refused', reason: 'policy' }])
})
