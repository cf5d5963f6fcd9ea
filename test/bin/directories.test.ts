/** Directories with the real commands: what they print, what they exit with, and what a script gets of it. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand, sendTo, startReceiver } from '../fixtures/commands.js'
import { filesIn, namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { withoutProgram } from '../fixtures/required.js'

t.jobs = 3
const parallel = { buffered: true }

/** A folder with a directory `project` of three files. */
function project(t: Test, more: Record<string, string | object> = {}): string {
  return t.testdir({ project: { a: 'one', 'b c': 'two', sub: { c: 'three', empty: {} } }, ...more })
}

t.test('a directory is one line on either side, and one path for a script', parallel, async (t) => {
  const folder = project(t)
  const receiver = await startReceiver(t, ['--once', '--out', 'out'], { cwd: folder, covered: true })
  const sent = await sendTo(t, receiver, ['project/'], { cwd: folder, covered: true })
  t.match(sent, { code: 0, stdout: '' })
  const line = (verb: string, path: string) =>
    new RegExp(`^tcp-\\w+: ${verb} ${path} \\(3 files\\), 11 B in \\d+\\.\\d\\d s, blake3 [0-9a-f]{8}…\\n$`)
  t.match(sent.stderr.replace(/^20.*? tcp/, 'tcp'), line('sent', 'project/'))
  const { code, stdout, stderr } = await receiver.done
  t.equal(code, 0)
  t.equal(stdout, 'out/project\n')
  t.match(stderr.replace(/^.*listening.*\n/, ''), line('stored', 'out/project/'))
  t.strictSame(filesIn(join(folder, 'out/project/sub/empty')), {})
})

t.test(
  'both write receipts of the files in it that b3sum confirms',
  { ...parallel, skip: withoutProgram('b3sum') },
  async (t) => {
    const folder = project(t, { file: 'four', nothing: {} })
    writeFileSync(join(folder, 'project/new\nline \\ back'), 'five')
    const receipt = ['--receipt', 'received.b3']
    const receiver = await startReceiver(t, ['--once', ...receipt, '--out', 'out'], { cwd: folder })
    const args = ['--receipt', 'sent.b3', 'project', 'nothing', 'file']
    t.equal((await sendTo(t, receiver, args, { cwd: folder })).code, 0)
    t.equal((await receiver.done).code, 0)
    for (const name of ['sent.b3', 'received.b3']) {
      const { status, stdout } = spawnSync('b3sum', ['--check', name], { cwd: folder, encoding: 'utf8' })
      t.equal(status, 0)
      t.equal(stdout.match(/: OK$/gm)?.length, 5, 'no line for a directory')
    }
  },
)

/** The recipe of the README for the digest of a directory. */
const [, recipe = ''] =
  /^ +(cd project && find .*)$/m.exec(readFileSync(new URL('../../README.md', import.meta.url), 'utf8')) ?? []

t.test(
  'the digest of a directory is what the recipe of the README prints',
  { ...parallel, skip: withoutProgram('b3sum') },
  async (t) => {
    const folder = project(t, { empty: {}, links: {} })
    for (const name of ['new\nline', 'back\\slash', '-dash', 'z', 'A', 'ä', 'sub.txt', 'sub-']) {
      writeFileSync(join(folder, 'project', name), name)
    }
    mkdirSync(join(folder, 'project/sub\ndir'))
    writeFileSync(join(folder, 'project/sub\ndir/x'), 'x')
    symlinkSync('nowhere', join(folder, 'links/link'))
    const receiver = await startReceiver(t, ['--json', '--once', '--out', 'out'], { cwd: folder })
    const sent = await sendTo(t, receiver, ['--json', 'project', 'empty', 'links'], { cwd: folder })
    t.equal(sent.code, 0)
    const received = await receiver.done
    for (const name of ['project', 'empty', 'links']) {
      const script = recipe.replace('project', name)
      const { stdout } = spawnSync('bash', ['-c', script], { cwd: folder, encoding: 'utf8' })
      const digest = stdout.replace(/ .*\n/, '')
      t.match(digest, /^[0-9a-f]{64}$/, recipe)
      for (const output of [sent.stdout, received.stdout]) {
        const events = readEvents(t, output).filter(
          (event) => 'files' in event && 'blake3' in event && event.name === name,
        )
        t.match(events, [{ blake3: digest }], name)
      }
      t.equal(spawnSync('bash', ['-c', script], { cwd: join(folder, 'out'), encoding: 'utf8' }).stdout, stdout)
    }
  },
)

t.test('--exec runs once for a directory, with its facts', parallel, async (t) => {
  const folder = project(t, { file: 'four' })
  const hook =
    'echo "$TCP_TRANSFER_PATH $TCP_TRANSFER_NAME $TCP_TRANSFER_SIZE $TCP_TRANSFER_TYPE <$TCP_TRANSFER_FILES>" >>log'
  writeFileSync(join(folder, 'hook.sh'), `${hook}; cat >>events`)
  const args = ['--once', '--exec', 'sh hook.sh', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder, covered: true })
  t.equal((await sendTo(t, receiver, ['project', 'file'], { cwd: folder })).code, 0)
  t.equal((await receiver.done).code, 0)
  const log = readFileSync(join(folder, 'log'), 'utf8')
  t.equal(log, 'out/project project 11 inode/directory <3>\nout/file file 4 application/octet-stream <>\n')
  const [first] = readFileSync(join(folder, 'events'), 'utf8').split('\n')
  t.match(JSON.parse(first as string), { event: 'stored', name: 'project', files: 3 })
})

t.test('8: a part that was left out has a line, and the rest is stored', parallel, async (t) => {
  const folder = project(t)
  symlinkSync('/etc/passwd', join(folder, 'project/out'))
  const receiver = await startReceiver(t, ['--count', '2', '--out', 'out'], { cwd: folder })
  const { code, stderr } = await sendTo(t, receiver, ['project'], { cwd: folder })
  t.equal(code, 8)
  t.match(
    stderr,
    /^tcp-send: project\/out is left out: it is a symlink to \/etc\/passwd, outside of the directory\ntcp-send: sent project\/ \(3 files\), .*\n$/,
  )
  const json = await sendTo(t, receiver, ['--json', 'project'], { cwd: folder })
  t.equal(json.code, 8)
  t.match(only(readEvents(t, json.stdout), 'failed'), { name: 'project/out', directory: 'project', reason: 'left-out' })
  t.match(await receiver.done, { code: 0, stdout: 'out/project\nout/project_bak\n' })
})

t.test('sends what --exclude, --exclude-from and --gitignore leave, and what --follow finds', parallel, async (t) => {
  const folder = project(t, { patterns: 'empty/\n*.tmp\n', there: { x: 'far' } })
  for (const name of ['a.log', 'b.tmp', 'c.o']) writeFileSync(join(folder, 'project', name), '')
  writeFileSync(join(folder, 'project/.gitignore'), '*.o\n')
  symlinkSync('../there', join(folder, 'project/link'))
  const receiver = await startReceiver(t, ['--once', '--out', 'out'], { cwd: folder })
  const args = [
    '--exclude',
    '*.log',
    '--exclude-from',
    'patterns',
    '--gitignore',
    '--follow',
    '--exclude',
    '.gitignore',
  ]
  const { code, stderr } = await sendTo(t, receiver, [...args, 'project'], { cwd: folder, covered: true })
  t.equal(code, 0, stderr)
  t.equal((await receiver.done).code, 0)
  t.strictSame(namesIn(join(folder, 'out/project')), ['a', 'b c', 'link', 'sub'])
  t.strictSame(namesIn(join(folder, 'out/project/sub')), ['c'])
  t.strictSame(filesIn(join(folder, 'out/project/link')), { x: 'far' })
})

t.test('8: a file of patterns that cannot be read is an event, and nothing is sent', parallel, async (t) => {
  const folder = project(t)
  const args = ['--json', '--exclude-from', 'missing', 'project', '127.0.0.1', '1']
  const { code, stdout } = await runCommand(t, 'tcp-send', args, { cwd: folder })
  t.equal(code, 8)
  const message = 'cannot read missing: no such file or directory (ENOENT)'
  t.match(only(readEvents(t, stdout), 'failed'), { code: 'local-file', message })
})

t.test('5: a directory that is deeper than --max-depth, or has more files than --max-files', parallel, async (t) => {
  const folder = project(t)
  for (const [args, message] of [
    [['--max-depth', '1'], /at most 1 director(y|ies)/],
    [['--max-files', '3'], /at most 3/],
  ] as const) {
    const options = [...args, '--one-attempt', '--out', 'out']
    const receiver = await startReceiver(t, options, { cwd: folder, covered: true })
    const { code, stderr } = await sendTo(t, receiver, ['project'], { cwd: folder })
    t.equal(code, 5, stderr)
    t.match(stderr, message)
    t.equal((await receiver.done).code, 5)
    t.strictSame(namesIn(join(folder, 'out')), [])
  }
})

t.test('8: what cannot be done with a directory is known before the connection', parallel, async (t) => {
  const folder = project(t)
  for (const [args, message] of [
    [['--plain'], 'is a directory; send it as an archive: tar -C project -c . | tcp-send --plain - 127.0.0.1 1'],
    [['--expect-size', '3'], 'is a directory; an expected size or digest'],
  ] as const) {
    const outcome = await runCommand(t, 'tcp-send', [...args, 'project', '127.0.0.1', '1'], { cwd: folder })
    t.equal(outcome.code, 8)
    t.match(outcome.stderr, `tcp-send: failed: project ${message}`)
  }
})

t.test('--dry-run lists what would be sent, and touches nothing', parallel, async (t) => {
  const folder = project(t, { port: '1\n', receipt: 'of before\n', file: 'four' })
  symlinkSync('a', join(folder, 'project/new\nline'))
  const receipt = ['--receipt', 'receipt', '--listen', '--port', '0', '--port-file', 'port']
  const args = ['--dry-run', ...receipt, 'project/', 'file', '-']
  const { code, stdout, stderr } = await runCommand(t, 'tcp-send', args, { cwd: folder, covered: true, input: 'x' })
  t.equal(code, 0)
  t.strictSame(stdout.split('\n'), [
    '           -  project/',
    '           3  project/a',
    '           3  project/b c',
    '           -  project/new\\u{a}line (symlink)',
    '           -  project/sub/',
    '           5  project/sub/c',
    '           -  project/sub/empty/',
    '           4  file',
    '           -  - (stdin)',
    '',
  ])
  t.equal(stderr, 'tcp-send: would send 5 files, 15 B; 1 of unknown size\n')
  t.equal(readFileSync(join(folder, 'port'), 'utf8'), '1\n')
  t.equal(readFileSync(join(folder, 'receipt'), 'utf8'), 'of before\n')
})

t.test('--dry-run with --json has an event for everything, and the exit status of a run', parallel, async (t) => {
  const folder = project(t)
  symlinkSync('/etc/passwd', join(folder, 'project/out'))
  const args = ['--dry-run', '--json', 'project/', 'missing', '127.0.0.1', '1']
  const { code, stdout } = await runCommand(t, 'tcp-send', args, { cwd: folder })
  t.equal(code, 8)
  const events = readEvents(t, stdout)
  t.match(
    events.filter(({ event }) => event === 'listed').map((event) => ('path' in event ? event.path : '')),
    ['project/', 'project/a', 'project/b c', 'project/sub', 'project/sub/c', 'project/sub/empty'],
  )
  t.match(
    events.filter(({ event }) => event === 'failed'),
    [{ name: 'missing' }, { name: 'project/out' }],
  )
  const message = await runCommand(t, 'tcp-send', ['--dry-run', '--text', 'hello', 'host', '1'], { covered: true })
  t.match(message, { code: 0, stdout: '           5  (message)\n' })
})

t.test('a warning names the paths that are offered under one name, and all are sent', parallel, async (t) => {
  const folder = t.testdir({ x: { same: 'one' }, y: { same: { a: 'two' } } })
  const receiver = await startReceiver(t, ['--once', '--out', 'out'], { cwd: folder })
  const { code, stderr } = await sendTo(t, receiver, ['x/same', 'y/same'], { cwd: folder })
  t.equal(code, 0)
  const [first] = stderr.split('\n')
  t.equal(
    first,
    'tcp-send: warning: x/same and y/same are both offered as "same"; the receiver decides by its --if-exists',
  )
  t.equal((await receiver.done).code, 0)
  t.strictSame(namesIn(join(folder, 'out')), ['same', 'same_bak'])
})

t.test('5: --if-exists skip merges, and both sides tell what was there already', parallel, async (t) => {
  const folder = project(t, { out: { project: { a: 'old' } } })
  const args = ['--if-exists', 'skip', '--once', '--receipt', 'received.b3', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder, covered: true })
  const { code, stderr } = await sendTo(t, receiver, ['project'], { cwd: folder })
  t.equal(code, 5)
  t.match(
    stderr,
    /^tcp-send: failed: project\/?: the receiver refused it: it had 1 of the \w+ in "project" and skipped/,
  )
  const received = await receiver.done
  t.match(received, { code: 0, stdout: 'out/project\n' })
  t.match(
    received.stderr,
    /refused project\/a from \S+: it is there already and is skipped\n.*stored out\/project\/ \(2 files\), 8 B/,
  )
  t.strictSame(readFileSync(join(folder, 'received.b3'), 'utf8').match(/out.*/g), [
    'out/project/b c',
    'out/project/sub/c',
  ])
  t.equal(readFileSync(join(folder, 'out/project/a'), 'utf8'), 'old')
})

t.test('--out - gives a directory as a tar stream', { ...parallel, skip: withoutProgram('tar') }, async (t) => {
  const folder = project(t, { unpacked: {} })
  const receiver = await startReceiver(t, ['--out', '-', '--receipt', 'received.b3'], { cwd: folder, covered: true })
  const sent = await sendTo(t, receiver, ['--json', 'project'], { cwd: folder, covered: true })
  t.equal(sent.code, 0)
  t.match(readEvents(t, sent.stdout).filter((event) => 'directory' in event)[0], { storedAs: 'project/a' })
  const { code, stderr } = await receiver.done
  t.equal(code, 0)
  t.match(stderr, /stored project\/ as a tar archive \(3 files\), 11 B/)
  const { status } = spawnSync('tar', ['-x'], { cwd: join(folder, 'unpacked'), input: receiver.bytes('stdout') })
  t.equal(status, 0)
  t.strictSame(namesIn(join(folder, 'unpacked/project')), ['a', 'b c', 'sub'])
  if (withoutProgram('b3sum')) return
  t.equal(spawnSync('b3sum', ['--check', '../received.b3'], { cwd: join(folder, 'unpacked') }).status, 0)
})
