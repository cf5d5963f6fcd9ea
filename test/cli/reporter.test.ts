import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createReporter, type ReporterOptions } from '../../dist/cli/reporter.js'
import { TransferError } from '../../dist/errors.js'
import type { SentEvent, TransferEvent } from '../../dist/events.js'
import { digest } from '../fixtures/peer-frames.js'
import { fakePerformanceNow } from '../fixtures/performance-clock.js'
import { withoutProgram } from '../fixtures/required.js'
import { Sink } from '../fixtures/sink.js'
import { Terminal } from '../fixtures/terminal.js'

/** A reporter with these options, and where its output goes. */
async function reporter(options: Partial<ReporterOptions>) {
  const stdout = new Sink()
  const stderr = new Sink()
  const aborted: Error[] = []
  const created = await createReporter({
    command: 'tcp-recv',
    stdout,
    stderr: stderr.stream,
    json: false,
    quiet: false,
    progress: 'auto',
    print: (event) => (event.event === 'stored' ? event.path : null),
    abort: (error) => aborted.push(error),
    ...options,
  })
  return { ...created, stdout, stderr, aborted }
}

const blake3 = 'ab'.repeat(32)
const listening: TransferEvent = { event: 'listening', address: '127.0.0.1', port: 9000 }
const refused: TransferEvent = {
  event: 'refused',
  transfer: 1,
  peer: '127.0.0.1:5',
  name: 'b',
  code: 'type',
  message: 'no',
}
const failed: TransferEvent = {
  event: 'failed',
  transfer: 1,
  name: 'c',
  code: 'incomplete',
  reason: 'broken',
  message: 'bad',
}
const done: TransferEvent = { event: 'done', files: 1, bytes: 3, seconds: 1, exitCode: 6 }

function stored(path: string): TransferEvent {
  const known = { transfer: 1, peer: '127.0.0.1:5', name: 'a', size: 3, blake3, type: 'text/plain', seconds: 0 }
  return { event: 'stored', path, ...known }
}

function sent(path: string, blake3: string): SentEvent {
  return { event: 'sent', transfer: 1, path, name: 'a', storedAs: 'a', size: 3, blake3, type: 'text/plain', seconds: 0 }
}

function progress(name: string, bytes: number): TransferEvent {
  return { event: 'progress', transfer: 1, name, bytes, size: 1000 }
}

const all = [listening, progress('a', 0), progress('a', 500), stored('dir/a'), refused, failed, done]

t.test('prints data on stdout and lines for people on stderr', async (t) => {
  const { stdout, stderr, onEvent, note, close } = await reporter({})
  note('reading the terminal')
  all.forEach(onEvent)
  close()
  t.equal(stdout.text, 'dir/a\n')
  t.same(stderr.text.split('\n'), [
    'tcp-recv: reading the terminal',
    'tcp-recv: listening on 127.0.0.1:9000',
    `tcp-recv: stored dir/a (text/plain, 3 B in 0.00 s) from 127.0.0.1:5, blake3 ${blake3}`,
    'tcp-recv: refused b from 127.0.0.1:5: no',
    'tcp-recv: failed c: bad',
    '',
  ])
})

t.test('prints only what went wrong when it is to be quiet, and data all the same', async (t) => {
  const { stdout, stderr, onEvent, note, close } = await reporter({ quiet: true })
  note('reading the terminal')
  all.forEach(onEvent)
  close()
  t.equal(stdout.text, 'dir/a\n')
  t.equal(stderr.text, 'tcp-recv: refused b from 127.0.0.1:5: no\ntcp-recv: failed c: bad\n')
})

t.test('prints every event as one JSON object a line, and nothing for people', async (t) => {
  const { stdout, stderr, onEvent, note, close } = await reporter({ json: true })
  note('reading the terminal')
  all.forEach(onEvent)
  close()
  const lines = stdout.text.trimEnd().split('\n')
  t.same(
    lines.map((line) => JSON.parse(line)),
    all.map((event) => ({ v: 1, ...event })),
  )
  t.equal(stderr.text, '')
})

t.test('keeps a hostile name inside its line of JSON', async (t) => {
  const { stdout, onEvent } = await reporter({ json: true })
  onEvent({ ...refused, name: 'a\nb\u001b[2J' } as TransferEvent)
  t.match(stdout.text, /^[ -~]+\n$/)
})

t.test('shows bars on a terminal, and lines in a log', async (t) => {
  const clock = fakePerformanceNow(t)
  const terminal = new Terminal()
  const shown = await reporter({ stderr: terminal.stream })
  const logged = await reporter({})
  for (const { onEvent } of [shown, logged]) onEvent(progress('a', 0))
  clock.pass(10_000)
  for (const { onEvent } of [shown, logged]) onEvent(progress('a', 500))
  t.equal(logged.stderr.text, 'a: 50 %, 500 B of 1.00 kB, 50 B/s, 0:10 left\n')
  t.notOk(terminal.isCursorShown)
  shown.close()
  t.ok(terminal.isCursorShown)
})

t.test('shows no progress of its own accord when it is quiet or prints JSON', async (t) => {
  const clock = fakePerformanceNow(t)
  for (const options of [{ quiet: true }, { json: true }, { progress: 'none' as const }]) {
    const terminal = new Terminal()
    const { onEvent, close } = await reporter({ stderr: terminal.stream, ...options })
    onEvent(progress('a', 0))
    clock.pass(10_000)
    onEvent(progress('a', 500))
    close()
    t.equal(terminal.written, '', JSON.stringify(options))
  }
})

t.test('shows the progress that was asked for, also beside JSON', async (t) => {
  const clock = fakePerformanceNow(t)
  const { stderr, stdout, onEvent } = await reporter({ json: true, progress: 'lines' })
  onEvent(progress('a', 0))
  clock.pass(10_000)
  onEvent(progress('a', 500))
  t.match(stderr.text, /^a: 50 %/)
  t.equal(stdout.text.split('\n').length, 3)
})

t.test('sends no control sequence where bars are asked for and there is no terminal', async (t) => {
  const { stderr, onEvent, close } = await reporter({ progress: 'bar' })
  for (const name of ['a', 'b']) {
    onEvent(progress(name, 0))
    onEvent(progress(name, 500))
  }
  all.forEach(onEvent)
  close()
  t.match(stderr.text, /^tcp-recv: stored dir\/a .*\ntcp-recv: refused b .*\ntcp-recv: failed c: bad$/m)
  t.notMatch(stderr.text, '\u001b')
})

t.test('ends the transfer when nobody can be told of its files any more', async (t) => {
  const { stdout, aborted } = await reporter({})
  stdout.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE', errno: -32 }))
  t.equal(aborted.length, 1)
  t.match(aborted[0], { code: 'local-file', message: 'cannot write to standard output: broken pipe (EPIPE)' })
})

t.test('goes on without stderr', async (t) => {
  const { stderr, aborted } = await reporter({})
  stderr.emit('error', new Error('write EIO'))
  t.same(aborted, [])
})

t.test('says which receipt cannot be written', async (t) => {
  const path = join(t.testdir({ file: '' }), 'file', 'receipt')
  const error = await reporter({ receipt: path }).catch((error: unknown) => error)
  t.ok(error instanceof TransferError)
  t.match(error, { code: 'local-file', message: `cannot write ${path}: not a directory (ENOTDIR)` })
})

t.test(
  'ends the transfer when the receipt cannot be written any more',
  { skip: !existsSync('/dev/full') && 'there is no /dev/full' },
  async (t) => {
    const { onEvent, aborted, close } = await reporter({ receipt: '/dev/full' })
    onEvent(stored('dir/a'))
    close()
    t.match(aborted, [{ code: 'local-file', reason: 'no-space', message: /^cannot write \/dev\/full: / }])
  },
)

t.test('writes a line of the receipt as soon as its file is done', async (t) => {
  const path = join(t.testdir(), 'receipt')
  const { onEvent, close } = await reporter({ receipt: path, json: true, quiet: true })
  t.equal(readFileSync(path, 'utf8'), '')
  onEvent(listening)
  onEvent(stored('dir/a'))
  t.equal(readFileSync(path, 'utf8'), `${blake3}  dir/a\n`)
  onEvent(failed)
  onEvent(sent('b', blake3))
  t.equal(readFileSync(path, 'utf8'), `${blake3}  dir/a\n${blake3}  b\n`)
  close()
})

t.test('begins a receipt anew', async (t) => {
  const path = join(t.testdir({ receipt: 'from an earlier run\n' }), 'receipt')
  const { close } = await reporter({ receipt: path })
  close()
  t.equal(readFileSync(path, 'utf8'), '')
})

t.test('escapes a name in a receipt as b3sum does', { skip: withoutProgram('b3sum') }, async (t) => {
  const folder = t.testdir()
  const names = [
    'plain',
    'a b',
    'back\\slash',
    'back\\nslash',
    'new\nline',
    'return\rhere',
    ' lead',
    '-dash',
    'ünï',
    '\\',
  ]
  const { onEvent, close } = await reporter({ receipt: join(folder, 'receipt') })
  for (const name of names) {
    writeFileSync(join(folder, name), name)
    onEvent(sent(`./${name}`, digest(name)))
  }
  close()
  const checked = spawnSync('b3sum', ['--check', 'receipt'], { cwd: folder, encoding: 'utf8' })
  t.equal(checked.status, 0, checked.stdout + checked.stderr)
  t.equal(checked.stdout.trimEnd().split('\n').length, names.length)
  writeFileSync(join(folder, 'plain'), 'other bytes')
  t.equal(spawnSync('b3sum', ['--check', 'receipt'], { cwd: folder }).status, 1)
})
