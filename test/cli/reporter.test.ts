import { once } from 'node:events'
import { constants } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { TransferEvent } from '../../dist/events.js'
import { fakePerformanceNow } from '../fixtures/performance-clock.js'
import { reporter } from '../fixtures/reporter.js'
import { Terminal } from '../fixtures/terminal.js'
import { TextOutput } from '../fixtures/text-output.ts'

const blake3 = 'ab'.repeat(32)
const listening: TransferEvent = { event: 'listening', address: '127.0.0.1', port: 9000 }
const refused: TransferEvent = {
  event: 'refused',
  transfer: 1,
  peer: '127.0.0.1:5',
  name: 'b',
  code: 'refused',
  reason: 'type',
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
  const known = {
    transfer: 1,
    peer: '127.0.0.1:5',
    name: 'a',
    size: 3,
    blake3,
    type: 'text/plain',
    verified: true,
    seconds: 0,
  }
  return { event: 'stored', path, ...known }
}

function progress(name: string, bytes: number): TransferEvent {
  return { event: 'progress', transfer: 1, name, bytes, size: 1000 }
}

const all = [listening, progress('a', 0), progress('a', 500), stored('dir/a'), refused, failed, done]

t.test('prints data on stdout and lines for people on stderr', async (t) => {
  const { stdout, stderr, onEvent, note, close } = await reporter({})
  note('reading the terminal')
  all.forEach(onEvent)
  await close()
  t.equal(stdout.text, 'dir/a\n')
  t.same(stderr.text.split('\n'), [
    'tcp-recv: reading the terminal',
    'tcp-recv: listening on 127.0.0.1:9000',
    'tcp-recv: stored dir/a, 3 B in 0.00 s, blake3 abababab…',
    'tcp-recv: refused b from 127.0.0.1:5: no',
    'tcp-recv: failed c: bad',
    '',
  ])
})

t.test('prints only what went wrong when it is to be quiet, and data all the same', async (t) => {
  const { stdout, stderr, onEvent, note, close } = await reporter({ quiet: true })
  note('reading the terminal')
  all.forEach(onEvent)
  await close()
  t.equal(stdout.text, 'dir/a\n')
  t.equal(stderr.text, 'tcp-recv: refused b from 127.0.0.1:5: no\ntcp-recv: failed c: bad\n')
})

t.test('prints every event as one JSON object a line, and nothing for people', async (t) => {
  const { stdout, stderr, onEvent, note, close } = await reporter({ json: true })
  note('reading the terminal')
  all.forEach(onEvent)
  await close()
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
  while (terminal.isCursorShown) await once(terminal, 'shown')
  await shown.close()
  t.ok(terminal.isCursorShown)
})

t.test('draws no bars on a terminal that knows no control sequences', async (t) => {
  const terminal = new Terminal()
  const stdio = { isSameTerminal: true, isDumbTerminal: true, linePrefix: () => '' }
  for (const how of ['auto', 'bar'] as const) {
    const { onEvent, close } = await reporter({
      stdout: terminal,
      stderr: terminal.stream,
      stdio,
      progress: how,
    })
    all.forEach(onEvent)
    await close()
  }
  t.notMatch(terminal.written, '\u001b')
  t.match(terminal.written, /^tcp-recv: stored dir\/a, /m)
})

t.test('begins each line for people with the stamp of a log, and no line for programs', async (t) => {
  const clock = fakePerformanceNow(t)
  const stdio = { isSameTerminal: false, isDumbTerminal: false, linePrefix: () => '12:00 ' }
  const { onEvent, stdout, stderr } = await reporter({ stdio })
  onEvent(listening)
  onEvent(progress('a', 0))
  clock.pass(10_000)
  onEvent(progress('a', 500))
  onEvent(stored('dir/a'))
  t.match(stderr.text, /^12:00 tcp-recv: listening .*\n12:00 a: 50 %.*\n12:00 tcp-recv: stored dir\/a.*\n$/)
  t.equal(stdout.text, 'dir/a\n')
  const json = await reporter({ stdio, json: true })
  json.onEvent(listening)
  t.match(json.stdout.text, /^\{/)
})

t.test('prints lines of both streams above the bars where they are one terminal', async (t) => {
  const clock = fakePerformanceNow(t)
  for (const json of [false, true]) {
    const terminal = new Terminal(200)
    const stdio = { isSameTerminal: true, isDumbTerminal: false, linePrefix: () => '' }
    const { onEvent, close } = await reporter({
      ...{ stdout: terminal, stderr: terminal.stream, stdio, json, progress: 'bar' },
      print: (event) => (event.event === 'message' ? event.text : event.event === 'stored' ? event.path : null),
    })
    onEvent(progress('large', 0))
    clock.pass(1000)
    onEvent(progress('large', 500))
    while (terminal.screen.at(-1)?.includes('%') !== true) await once(terminal, 'shown')
    onEvent(stored('dir/a'))
    onEvent({ event: 'message', transfer: 2, peer: '127.0.0.1:5', text: 'hello' })
    const screen = terminal.screen
    t.match(screen.at(-1), /^large +\[=+ +\] +50 %/)
    t.equal(screen.filter((row) => row.includes('%')).length, 1)
    t.ok(screen.some((row) => row.startsWith(json ? '{"v":1,"event":"stored"' : 'tcp-recv: stored dir/a, ')))
    t.notOk(screen.includes('dir/a'), 'the line about the file has its path already')
    t.equal(screen.includes('hello'), !json)
    await close()
    t.notMatch(terminal.screen.join(), '%')
  }
})

t.test('takes its bars away while a program runs, and shows them again however that ends', async (t) => {
  const clock = fakePerformanceNow(t)
  const terminal = new Terminal()
  const { onEvent, aside, close } = await reporter({ stderr: terminal.stream })
  onEvent(progress('large', 0))
  clock.pass(1000)
  onEvent(progress('large', 500))
  while (terminal.screen.length === 0) await once(terminal, 'shown')
  const run = async () => {
    t.same(terminal.screen, [])
    throw new Error('it failed')
  }
  await t.rejects(aside(run), { message: 'it failed' })
  t.equal(terminal.screen.length, 1)
  await close()
})

t.test('runs a program beside lines as it is', async (t) => {
  for (const how of ['lines', 'none'] as const) {
    const { stderr, aside, close } = await reporter({ progress: how })
    await aside(async () => void stderr.write('told\n'))
    await close()
    t.equal(stderr.text, 'told\n')
  }
})

t.test('prints the path on a terminal that shows no line about the file', async (t) => {
  for (const how of ['auto', 'lines'] as const) {
    const terminal = new Terminal()
    const stdio = { isSameTerminal: true, isDumbTerminal: false, linePrefix: () => '' }
    const streams = { stdout: terminal, stderr: terminal.stream, stdio }
    const { onEvent } = await reporter({ ...streams, quiet: true, progress: how })
    onEvent(stored('dir/a'))
    t.same(terminal.screen, ['dir/a'])
  }
})

t.test('tells of many files how many they are, and stdout of each', async (t) => {
  const clock = fakePerformanceNow(t)
  const { stdout, stderr, onEvent } = await reporter({})
  onEvent({ event: 'connected', transfer: 1, peer: '127.0.0.1:5' })
  for (let file = 0; file < 500; file++) {
    onEvent(stored(`dir/${file}`))
    clock.pass(50)
  }
  onEvent({ event: 'ended', transfer: 1, files: 500, bytes: 1500, complete: true, seconds: 25 })
  onEvent({ event: 'done', files: 500, bytes: 1500, seconds: 26, exitCode: 0 })
  const lines = stderr.text.trimEnd().split('\n')
  t.match(lines[9], 'tcp-recv: stored dir/9, ')
  t.same(lines.slice(10), [
    'tcp-recv: further files are only counted; --verbose lists them all',
    'stored 211 files so far, 633 B',
    'stored 411 files so far, 1.23 kB',
    'tcp-recv: stored 500 files, 1.50 kB in 25.00 s, 60 B/s',
  ])
  t.equal(stdout.text.match(/^dir\/\d+$/gm)?.length, 500)
})

/** What happens with a directory: its files, one of which is left out, and its end. */
const directory: TransferEvent[] = [
  { event: 'connected', transfer: 1, peer: '127.0.0.1:5' },
  { ...failed, name: 'd/x', directory: 'd', reason: 'left-out', message: 'd/x is left out' } as TransferEvent,
  { ...stored('dir/d/a'), name: 'd/a', directory: 'd' } as TransferEvent,
  { ...stored('dir/d/b'), name: 'd/b', directory: 'd' } as TransferEvent,
  { ...stored('dir/d'), name: 'd', files: 2 } as TransferEvent,
  { event: 'ended', transfer: 1, files: 2, bytes: 6, complete: false, seconds: 1 },
]

t.test('tells of a directory in one line, and stdout of nothing in it', async (t) => {
  const print = (event: TransferEvent) =>
    event.event === 'stored' && event.directory === undefined ? event.path : null
  const { stdout, stderr, onEvent } = await reporter({ print })
  directory.forEach(onEvent)
  t.equal(stdout.text, 'dir/d\n')
  t.same(stderr.text.trimEnd().split('\n'), [
    'tcp-recv: d/x is left out',
    'tcp-recv: stored dir/d/ (2 files), 3 B in 0.00 s, blake3 abababab…',
  ])
  const verbose = await reporter({ verbose: true })
  directory.forEach(verbose.onEvent)
  t.match(
    verbose.stderr.text,
    /left out\n.*stored dir\/d\/a \(.*\n.*stored dir\/d\/b \(.*\n.*stored dir\/d\/ \(2 files\)/,
  )
})

t.test('tells only how many the problems of a directory are where they are many', async (t) => {
  const problems = Array.from({ length: 1250 }, (_, index): TransferEvent => {
    return { ...failed, name: `d/${index}`, directory: 'd', message: `d/${index} is bad` } as TransferEvent
  })
  const events = [directory[0] as TransferEvent, ...problems, ...directory.slice(2)]
  for (const quiet of [false, true]) {
    const { stderr, onEvent } = await reporter({ quiet })
    events.forEach(onEvent)
    const lines = stderr.text.trimEnd().split('\n')
    t.match(lines[99], /d\/99 is bad$/)
    t.same(lines.slice(100), [
      'tcp-recv: more like these in d/ are only counted; --verbose and --json list them all',
      'tcp-recv: 1,150 more like these in d/',
      ...(quiet ? [] : ['tcp-recv: stored dir/d/ (2 files), 3 B in 0.00 s, blake3 abababab…']),
    ])
  }
  const verbose = await reporter({ verbose: true })
  events.forEach(verbose.onEvent)
  t.equal(verbose.stderr.text.match(/ is bad$/gm)?.length, 1250)
  t.notMatch(verbose.stderr.text, 'more like these')
  const json = await reporter({ json: true })
  events.forEach(json.onEvent)
  t.equal(json.stdout.text.match(/ is bad"/g)?.length, 1250)
  t.equal(json.stderr.text, '')
})

t.test('tells of each of many files where that is wanted', async (t) => {
  const { stderr, onEvent } = await reporter({ verbose: true })
  onEvent({ event: 'connected', transfer: 1, peer: '127.0.0.1:5' })
  for (let file = 0; file < 50; file++) onEvent(stored(`dir/${file}`))
  t.equal(stderr.text.match(/^tcp-recv: stored dir\/\d+ \(text\/plain, .* from .* blake3 [0-9a-f]{64}$/gm)?.length, 50)
})

t.test('shows no progress of its own accord when it is quiet or prints JSON', async (t) => {
  const clock = fakePerformanceNow(t)
  for (const options of [{ quiet: true }, { json: true }, { progress: 'none' as const }]) {
    const terminal = new Terminal()
    const { onEvent, close } = await reporter({ stderr: terminal.stream, ...options })
    onEvent(progress('a', 0))
    clock.pass(10_000)
    onEvent(progress('a', 500))
    await close()
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
  await close()
  t.match(stderr.text, /^tcp-recv: stored dir\/a, .*\ntcp-recv: refused b .*\ntcp-recv: failed c: bad$/m)
  t.notMatch(stderr.text, '\u001b')
})

t.test('ends the transfer when nobody can be told of its files any more', async (t) => {
  const { stdout, aborted } = await reporter({})
  stdout.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE', errno: -32 }))
  t.equal(aborted.length, 1)
  t.match(aborted[0], { code: 'local-file', message: 'cannot write to standard output: broken pipe (EPIPE)' })
})

t.test('leaves progress out of its JSON where none is wanted', async (t) => {
  const { stdout, onEvent } = await reporter({ json: true, progress: 'none' })
  all.forEach(onEvent)
  const lines = stdout.text.trimEnd().split('\n')
  t.same(
    lines.map((line) => JSON.parse(line).event),
    ['listening', 'stored', 'refused', 'failed', 'done'],
  )
})

/** A standard output that takes no more than the first lines. */
function full(lines: number): TextOutput {
  const error = Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC', errno: -constants.errno.ENOSPC })
  const sink = new TextOutput()
  sink._write = (_bytes, _encoding, done: (error?: Error) => void) => done(lines-- > 0 ? undefined : error)
  return sink
}

t.test('tells people of a failure whose JSON cannot be written, and of nothing else', async (t) => {
  for (const lines of [0, 1, 4]) {
    const stdout = full(lines)
    const { stderr, aborted, onEvent, close } = await reporter({ json: true, stdout })
    for (const event of all) {
      onEvent(event)
      await setImmediate()
    }
    const message = 'cannot write to standard output: no space left on device (ENOSPC)'
    await t.rejects(close(), { code: 'local-file', message })
    t.match(aborted, [{ message, reason: 'output', peerMessage: 'it cannot write its own output' }], 'once')
    t.equal(aborted.length, 1)
    t.equal(stderr.text, 'tcp-recv: failed c: bad\n')
  }
})

t.test('is not content with lines that only seem to be written', async (t) => {
  const { onEvent, close } = await reporter({ stdout: full(0) })
  onEvent(stored('dir/a'))
  await t.rejects(close(), { code: 'local-file' })
})

t.test('calls standard error by its name where that carries the JSON', async (t) => {
  const stderr = full(0)
  const { aborted, onEvent, close } = await reporter({ json: true, stdout: stderr, stderr: stderr.stream })
  onEvent(listening)
  await t.rejects(close(), { message: /^cannot write to standard error: / })
  t.equal(aborted.length, 1)
})

t.test('goes on without stderr', async (t) => {
  const { stderr, aborted } = await reporter({})
  stderr.emit('error', new Error('write EIO'))
  t.same(aborted, [])
})
