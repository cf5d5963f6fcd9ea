/** The way through a directory: what is found, in which order, and what is left out. */
import {
  chmodSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Directory } from '../../dist/disk/directory.js'
import { type TreeItem, type TreeOptions, TreeWalk } from '../../dist/sources/tree-walk.js'
import { failDuring, injectFault, replaceDuring } from '../fixtures/disk.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { makeFifo, makeSocket } from '../fixtures/special-files.ts'
import { makeTree, slowDisk } from '../fixtures/tree.ts'

async function start(folder: string, options: Partial<TreeOptions> = {}): Promise<TreeWalk> {
  const all = { exclude: [], gitignore: false, follow: false, ...options }
  return (await TreeWalk.start(await Directory.open(folder), folder, all)).tree
}

/** Everything that the walk gives, in order. `look` is called with each item while it is valid. */
async function walk(folder: string, options?: Partial<TreeOptions>, look: (item: TreeItem) => void = () => {}) {
  const leaked = watchOpenFiles(folder)
  const tree = await start(folder, options)
  const items: TreeItem[] = []
  for (let item = await tree.next(); item; item = await tree.next()) {
    look(item)
    items.push(item)
  }
  await tree.close()
  const left = await leaked()
  if (left.length > 0) throw new Error(`still open: ${left}`)
  return items
}

/** An item as one line. */
function tell(item: TreeItem): string {
  switch (item.kind) {
    case 'directory':
      return `${item.path}/`
    case 'leave':
      return '..'
    case 'symlink':
      return `${item.path} -> ${item.target}`
    case 'file':
      return item.path
    case 'problem':
      return `${item.isLeftOut ? 'left out' : 'failed'}: ${item.path}: ${item.error.message.replace(/^.* is left out: /, '')}`
  }
}

async function told(folder: string, options?: Partial<TreeOptions>): Promise<string[]> {
  return (await walk(folder, options)).map(tell)
}

t.test('gives everything depth first, in the order of the bytes of whole paths', async (t) => {
  const folder = makeTree(t.testdir(), {
    'b/c': '',
    'b.txt': '',
    'b!': '',
    'b-': { to: 'b' },
    'empty/': '',
    é: '',
    '\uffee': '',
    '😀': '',
    a: 'content',
    '-x': '',
    'li\nne\ttab': '',
  })
  const items = await walk(folder, {}, (item) => {
    if (item.kind === 'file') readFileSync(item.place)
  })
  t.strictSame(items.map(tell), [
    '-x',
    'a',
    'b!',
    'b- -> b',
    'b.txt',
    'b/',
    'b/c',
    '..',
    'empty/',
    '..',
    'li\nne\ttab',
    'é',
    '\uffee',
    '😀',
  ])
})

t.test('gives the attributes of directories and symlinks', async (t) => {
  const folder = makeTree(t.testdir(), { 'd/': '', l: { to: 'd' } })
  chmodSync(join(folder, 'd'), 0o2751)
  utimesSync(join(folder, 'd'), 0, 1_700_000_000.123)
  lutimesSync(join(folder, 'l'), 0, 1_600_000_000.456)
  t.match(await walk(folder), [
    { kind: 'directory', attributes: { mode: 0o2751, mtime: 1_700_000_000_123 } },
    { kind: 'leave' },
    { kind: 'symlink', mtime: 1_600_000_000_456 },
  ])
})

t.test('leaves out what no receiver takes', async (t) => {
  const deep = Array.from({ length: 12 }, (_, index) => `${index % 10}`.repeat(250)).join('/')
  const folder = makeTree(t.testdir(), {
    'a\u0001': '',
    'b\u202e/inside': '',
    'c\\..': '',
    'd\t\n': '',
    'e\\x2d': '',
    [`${deep}/${'y'.repeat(59)}`]: '',
    [`${deep}/${'z'.repeat(60)}`]: '',
    [`${deep}/${'z'.repeat(61)}/in`]: '',
    link: { to: 'e\u0001' },
    lines: { to: 'e\n\t' },
  })
  const unsafe = 'no receiver takes its name: it holds a control character or a direction override'
  const lines = await told(folder)
  t.strictSame(
    lines.filter((line) => !/^(\d[\d/]+|\.\.)$/.test(line)).map((line) => line.replace(deep, 'deep')),
    [
      `deep/${'y'.repeat(59)}`,
      `deep/${'z'.repeat(60)}`,
      `left out: deep/${'z'.repeat(61)}: its path has more than 3072 bytes`,
      `left out: a\u0001: ${unsafe}`,
      `left out: b\u202e: ${unsafe}`,
      'left out: c\\..: no receiver takes its name: it would leave the folder',
      'd\t\n',
      'e\\x2d',
      'lines -> e\n\t',
      'left out: link: no receiver takes it: its target holds a control character or a direction override',
    ],
  )
})

t.test('keeps symlinks that stay inside, and leaves out those that do not', async (t) => {
  const folder = makeTree(t.testdir(), {
    'd/up': { to: '../file' },
    'd/out': { to: '../../file' },
    abs: { to: '/etc/passwd' },
    chain: { to: 'd/up' },
    dangling: { to: 'nowhere' },
    odd: { to: 'd/../../x' },
    self: { to: '.' },
    bad: { to: 'a\ufffd' },
    file: '',
  })
  const leftOut = (path: string, to: string) => `left out: ${path}: it is a symlink to ${to}, outside of the directory`
  t.strictSame(await told(folder), [
    leftOut('abs', '/etc/passwd'),
    'bad -> a\ufffd',
    'chain -> d/up',
    'd/',
    leftOut('d/out', '../../file'),
    'd/up -> ../file',
    '..',
    'dangling -> nowhere',
    'file',
    leftOut('odd', 'd/../../x'),
    'self -> .',
  ])
})

t.test('sends what symlinks lead to, if it is told to', async (t) => {
  const folder = makeTree(t.testdir(), {
    'outside/file': 'x',
    'outside/in/deep': 'x',
    'tree/d/loop': { to: '..' },
    'tree/d/self': { to: 'self' },
    'tree/d.x': '',
    'tree/linked': { to: '../outside' },
    'tree/linked.x': '',
    'tree/file': { to: '../outside/file' },
    'tree/dangling': { to: 'nowhere' },
    'tree/null': { to: '/dev/null' },
  })
  t.strictSame(await told(join(folder, 'tree'), { follow: true }), [
    'd.x',
    'd/',
    'left out: d/loop: it leads back to a directory that it is in',
    'left out: d/self: it is a symlink that leads nowhere',
    '..',
    'left out: dangling: it is a symlink that leads nowhere',
    'file',
    'linked.x',
    'linked/',
    'linked/file',
    'linked/in/',
    'linked/in/deep',
    '..',
    '..',
    'left out: null: it is no file, directory or symlink',
  ])
  const items = await walk(join(folder, 'tree'), { follow: true })
  t.match(
    items.filter(({ kind }) => kind === 'file').map((item) => 'follow' in item && item.follow),
    [false, true, false, false, false],
  )
})

t.test('leaves out what is no file, directory or symlink', async (t) => {
  const folder = makeTree(t.testdir(), { file: '' })
  makeFifo(join(folder, 'fifo'))
  await makeSocket(t, folder, 'socket')
  const why = 'it is no file, directory or symlink'
  t.strictSame(await told(folder), [`left out: fifo: ${why}`, 'file', `left out: socket: ${why}`])
})

t.test('leaves out names that are not UTF-8, and sends one that only looks like them', async (t) => {
  const folder = t.testdir()
  const raw = (...bytes: number[]) => Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(bytes)])
  writeFileSync(raw(0x61, 0xff), 'bad')
  mkdirSync(raw(0x61, 0xfe))
  writeFileSync(raw(0xe9), 'latin1')
  writeFileSync(join(folder, 'a\ufffd'), 'good')
  mkdirSync(join(folder, 'd\ufffd'))
  t.strictSame(readdirSync(folder).length, 5)
  const misread = 'its name is not UTF-8'
  const lines = await told(folder)
  t.strictSame(
    lines.toSorted(),
    [
      '..',
      'a\ufffd',
      'd\ufffd/',
      `left out: a\ufffd: ${misread}`,
      `left out: a\ufffd: ${misread}`,
      `left out: \ufffd: ${misread}`,
    ].toSorted(),
  )
})

t.test('leaves out what the patterns exclude, and never enters it', async (t) => {
  const folder = makeTree(t.testdir(), {
    '.gitignore': '*.log\n!keep.log\n/build/\n',
    'a.log': '',
    'keep.log': '',
    'build/x': '',
    'd/.gitignore': '!a.log\nbuild\n',
    'd/a.log': '',
    'd/build/x': '',
    'd/e/a.log': '',
    'e/a.log': '',
    'node_modules/x': '',
  })
  const opened = failDuring(t, { call: 'open', code: 'EIO', occurrence: 100 })
  t.strictSame(await told(folder, { gitignore: true, exclude: ['node_modules', 'keep.log'] }), [
    '.gitignore',
    'd/',
    'd/.gitignore',
    'd/a.log',
    'd/e/',
    'd/e/a.log',
    '..',
    '..',
    'e/',
    '..',
  ])
  t.equal(opened.calls, 6, 'four directories and two files of patterns')
  t.equal((await told(folder)).length, 22)
})

t.test('takes no patterns from what is no file', async (t) => {
  const folder = makeTree(t.testdir(), {
    'd/.gitignore/x': '',
    'f/a': '',
    'l/.gitignore': { to: '../patterns' },
    'l/a': '',
    patterns: 'a\n',
    'u/.gitignore': 'a\n',
    'u/a': '',
  })
  makeFifo(join(folder, 'f/.gitignore'))
  failDuring(t, { call: 'readFile', code: 'EIO' })
  const lines = await told(folder, { gitignore: true })
  t.strictSame(
    lines.filter((line) => /^\w\/./.test(line)),
    ['d/.gitignore/', 'd/.gitignore/x', 'f/a', 'l/.gitignore -> ../patterns', 'l/a', 'u/.gitignore', 'u/a'],
  )
  t.ok((await told(folder, { gitignore: true, follow: true })).includes('l/.gitignore'))
  t.notOk((await told(folder, { gitignore: true, follow: true })).includes('l/a'))
})

t.test('does not wait for the writer of a FIFO that takes the place of a file of patterns', async (t) => {
  const folder = makeTree(t.testdir(), { '.gitignore': 'a\n', a: '' })
  replaceDuring(t, 'list', (current) => async (path) => {
    const entries = await current(path)
    unlinkSync(join(folder, '.gitignore'))
    makeFifo(join(folder, '.gitignore'))
    return entries
  })
  t.strictSame(await told(folder, { gitignore: true }), ['.gitignore', 'a'])
})

t.test('says which directory or symlink it cannot read, and goes on', async (t) => {
  const folder = makeTree(t.testdir(), { 'd/x': '', l: { to: 'z' }, z: '' })
  for (const [call, occurrence, path] of [
    ['open', 2, 'd'],
    ['fstat', 2, 'd'],
    ['list', 2, 'd'],
    ['readlinkBytes', 1, 'l'],
    ['lstat', 1, 'l'],
  ] as const) {
    const fault = injectFault({ call, code: 'EIO', occurrence })
    const items = await walk(folder)
    fault.restore()
    const problems = items.filter((item) => item.kind === 'problem')
    const message = `cannot read ${folder}/${path}: i/o error (EIO)`
    const error = { code: 'local-file', reason: 'disk', message }
    t.match(problems, [{ path, isLeftOut: false, error }], `${call} ${occurrence}`)
    t.equal(problems.length, 1)
    t.equal(items.at(-1)?.kind, 'file')
  }
})

t.test('leaves nothing open if it cannot start', async (t) => {
  const folder = makeTree(t.testdir(), { a: '' })
  const leaked = watchOpenFiles(folder)
  for (const call of ['fstat', 'list'] as const) {
    const fault = injectFault({ call, code: 'EIO' })
    await t.rejects(start(folder), { code: 'EIO' })
    fault.restore()
  }
  t.strictSame(await leaked(), [])
})

t.test('closes what is open when it is given up', async (t) => {
  const folder = makeTree(t.testdir(), { 'a/b/c/d': '' })
  const leaked = watchOpenFiles(folder)
  const tree = await start(folder)
  for (let step = 0; step < 3; step++) await tree.next()
  t.equal((await leaked()).length, 4)
  await tree.close()
  await tree.close()
  t.strictSame(await leaked(), [])
  t.equal(await tree.next(), null)
})

t.test(
  'stays in the directory that it has entered, and enters no symlink that has taken the place of one',
  async (t) => {
    const folder = makeTree(t.testdir(), { 'outside/secret': '', 'tree/a/in': 'x', 'tree/b/in': 'x' })
    const lines: string[] = []
    await walk(join(folder, 'tree'), {}, (item) => {
      lines.push(tell(item))
      if (item.kind === 'file') t.equal(readFileSync(item.place, 'utf8'), 'x')
      if (item.kind !== 'directory' || item.path !== 'a') return
      for (const name of ['a', 'b']) {
        renameSync(join(folder, 'tree', name), join(folder, `moved-${name}`))
        symlinkSync('../outside', join(folder, 'tree', name))
      }
    })
    t.match(lines, ['a/', 'a/in', '..', /^failed: b: .*(?:ENOTDIR|ELOOP)/])
  },
)

t.test('says that a directory has gone', async (t) => {
  const folder = makeTree(t.testdir(), { a: '', 'b/c': '' })
  const lines = (await walk(folder, {}, () => rmSync(join(folder, 'b'), { recursive: true, force: true }))).map(tell)
  t.match(lines, ['a', /^failed: b: .*no such file/])
})

t.test('finds the same on a slow disk', async (t) => {
  const folder = makeTree(t.testdir(), { 'a/b': '', l: { to: 'a' }, '.gitignore': 'c\n', c: '' })
  const quick = await told(folder, { gitignore: true })
  slowDisk(t)
  t.strictSame(await told(folder, { gitignore: true }), quick)
})

t.test('names items below a path however that ends', async (t) => {
  const folder = t.testdir()
  const root = await Directory.open(folder)
  const { tree } = await TreeWalk.start(root, 'dir//', { exclude: [], gitignore: false, follow: false })
  t.equal(tree.label('a\nb'), 'dir/a\\u{a}b')
  t.equal(tree.rawLabel(''), 'dir/')
  await tree.close()
})
