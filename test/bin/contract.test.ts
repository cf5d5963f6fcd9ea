import { closeSync, openSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { portOf, sendTo, shell, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.js'
import { type Place, unusedPlace } from '../fixtures/ports.js'
import { type Direction, damagedPort } from '../fixtures/proxy.js'
import { withoutProgram } from '../fixtures/required.js'
import { Terminal } from '../fixtures/terminal.js'

t.jobs = 3
const parallel = { buffered: true }

t.test('path=$(tcp-recv --once) is the path of the file, and nothing else', parallel, async (t) => {
  const folder = t.testdir({ 'file.txt': 'hello' })
  const script = shell(
    t,
    'path=$($RECV --once --host 127.0.0.1 --port 0 --out out); echo "$? <$path>"',
    {},
    { cwd: folder },
  )
  const port = await portOf(script)
  const sender = await sendTo(t, { port }, [join(folder, 'file.txt')])
  const receiver = await script.done
  t.equal(sender.code, 0)
  t.equal(receiver.stdout, '0 <out/file.txt>\n')
  t.equal(readFileSync(join(folder, 'out/file.txt'), 'utf8'), 'hello')
})

t.test(
  'prints the path of each file on a line of its own, and both say on stderr what they did',
  parallel,
  async (t) => {
    const folder = t.testdir({ a: 'one', 'b.txt': '', out: { a: 'old' } })
    const receiver = await startReceiver(t, ['--once', '--out', 'out'], { cwd: folder })
    const sender = await sendTo(t, receiver, ['a', 'b.txt'], { cwd: folder })
    const received = await receiver.done
    t.equal(sender.code, 0)
    t.equal(sender.stdout, '')
    t.match(
      sender.stderr,
      /^tcp-send: sent a as a_bak, 3 B in .* s, blake3 [0-9a-f]{8}…\ntcp-send: sent b.txt, .*\ntcp-send: sent 2 files, 3 B .*\n$/,
    )
    t.equal(received.code, 0)
    t.equal(received.stdout, 'out/a_bak\nout/b.txt\n')
    t.match(received.stderr, /^tcp-recv: listening on 127\.0\.0\.1:\d+\n/)
    t.match(received.stderr, /^tcp-recv: stored out\/a_bak, 3 B in .* s, blake3 [0-9a-f]{8}…$/m)
    t.match(received.stderr, /^tcp-recv: stored 2 files, 3 B .*$/m)
    t.same(namesIn(join(folder, 'out')), ['a', 'a_bak', 'b.txt'])
    t.same(filesIn(join(folder, 'out')), { a: 'old', a_bak: 'one', 'b.txt': '' })
  },
)

t.test('stores into the working directory unless told otherwise', parallel, async (t) => {
  const folder = t.testdir({ 'file.txt': 'hello', out: {} })
  const receiver = await startReceiver(t, ['--once'], { cwd: join(folder, 'out') })
  t.equal((await sendTo(t, receiver, [join(folder, 'file.txt')])).code, 0)
  t.equal((await receiver.done).stdout, 'file.txt\n')
  t.same(filesIn(join(folder, 'out')), { 'file.txt': 'hello' })
})

t.test('--quiet leaves stderr empty on success, and stdout the path', parallel, async (t) => {
  const folder = t.testdir({ 'file.txt': 'hello' })
  const { host, port } = await unusedPlace()
  const args = ['--quiet', '--once', '--host', host, '--port', port, '--out', 'out']
  const receiver = start(t, 'tcp-recv', args, { cwd: folder, covered: true })
  const sender = start(t, 'tcp-send', ['--quiet', '--wait', '120', 'file.txt', host, port], {
    cwd: folder,
    covered: true,
  })
  t.match(await sender.done, { code: 0, stdout: '', stderr: '' })
  t.match(await receiver.done, { code: 0, stdout: 'out/file.txt\n', stderr: '' })
})

t.test('the sender may start before the receiver', parallel, async (t) => {
  const folder = t.testdir({ 'file.txt': 'hello' })
  const { host, port } = await unusedPlace()
  const sender = start(t, 'tcp-send', ['--json', '--wait', '120', join(folder, 'file.txt'), host, port])
  const before = await sendTo(t, { port: '1' }, [join(folder, 'file.txt')])
  t.equal(before.code, 3, 'one that does not wait is done in the meantime')
  t.equal(sender.child.exitCode, null)
  const args = ['--once', '--wait', '120', '--host', host, '--port', port, '--out', join(folder, 'out')]
  const receiver = start(t, 'tcp-recv', args)
  t.equal((await sender.done).code, 0)
  t.equal((await receiver.done).code, 0)
  t.same(filesIn(join(folder, 'out')), { 'file.txt': 'hello' })
})

t.test('whoever dials and waits says so once, with what is missing there', parallel, async (t) => {
  const folder = t.testdir({ 'file.txt': 'hello' })
  const send = (place: Place) => ['--wait', '60', 'file.txt', place.host, place.port]
  const receive = (place: Place) => ['--wait', '60', '--connect', place.host, '--port', place.port, '--out', 'out']
  const listen = (place: Place) => ['--host', place.host, '--port', place.port]
  for (const [dialler, dial, listener, options] of [
    ['tcp-send', send, 'tcp-recv', ['--once', '--out', 'out']],
    ['tcp-recv', receive, 'tcp-send', ['--listen', 'file.txt']],
  ] as const) {
    const place = await unusedPlace()
    const waiting = start(t, dialler, dial(place), { cwd: folder, covered: true })
    const [line] = await waiting.says('stderr', /^.*\n/)
    const program = [listener, ...options.filter((option) => option === '--listen')].join(' ')
    const why = `nothing listens there (is ${program} running?) (ECONNREFUSED)`
    const to = `${place.host}:${place.port}`
    t.equal(line, `${dialler}: cannot connect to ${to}: ${why}; trying again for up to 60 seconds\n`)
    const other = start(t, listener, [...listen(place), ...options], { cwd: folder })
    t.equal((await other.done).code, 0)
    const { code, stderr } = await waiting.done
    t.equal(code, 0)
    t.equal(stderr.split('trying again').length, 2)
  }
})

t.test('sends no control sequences to a file, while it shows progress', parallel, async (t) => {
  const folder = t.testdir({ 'recv.log': '', 'send.log': '' })
  const logs = ['recv.log', 'send.log'].map((name) => openSync(join(folder, name), 'a')) as [number, number]
  const [recvLog, sendLog] = logs
  t.teardown(() => logs.forEach(closeSync))
  for (const how of ['auto', 'bar', 'lines', 'none']) {
    const { host, port } = await unusedPlace()
    const args = ['--once', '--progress', how, '--host', host, '--port', port, '--out', 'out']
    const receiver = start(t, 'tcp-recv', args, { cwd: folder, stdio: ['ignore', 'pipe', recvLog] })
    const sendArgs = ['--progress', how, '--wait', '120', '--name', `${how}.bin`, '-', host, port]
    const sender = start(t, 'tcp-send', sendArgs, { stdio: ['pipe', 'pipe', sendLog] })
    // Each piece is on its way before the next, so the first ones have been reported when the last is written.
    for (let piece = 0; piece < 4; piece++) await sender.write(bytesOf(1_000_000, piece + 1))
    sender.end()
    t.equal((await sender.done).code, 0, how)
    t.equal((await receiver.done).code, 0, how)
  }
  for (const name of ['recv.log', 'send.log']) {
    const text = readFileSync(join(folder, name), 'utf8')
    t.notMatch(text, '\u001b', name)
    const lines = text.match(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d tcp-(recv: stored|send: sent) /gm)
    t.equal(lines?.length, 4, 'each file has its line, with the time')
  }
})

t.test(
  'draws bars in a terminal, and leaves whole lines there',
  { ...parallel, skip: withoutProgram('script') },
  async (t) => {
    const folder = t.testdir({ 'x.bin': '', small: 'hello' })
    truncateSync(join(folder, 'x.bin'), 20_000_000)
    const inTerminal = (command: string) => `TERM=xterm script -qec "stty cols 100; ${command}" /dev/null`
    const receiver = shell(t, inTerminal('$RECV --count 2 --host 127.0.0.1 --port 0 --out out'), {}, { cwd: folder })
    const port = await portOf(receiver)
    // The network is slow until bars are drawn.
    let isSlow = true
    const change = async (_direction: Direction, bytes: Buffer) => {
      if (isSlow) await setTimeout(20)
      return bytes
    }
    const PORT = `${await damagedPort(t, Number(port), { change })}`
    const sender = shell(t, inTerminal('$SEND x.bin 127.0.0.1 $PORT'), { PORT }, { cwd: folder })
    for (const side of [receiver, sender]) await side.says('stdout', / {2}\[=* +\] +\d+ %/)
    t.equal((await sendTo(t, { port }, ['small'], { cwd: folder })).code, 0)
    isSlow = false
    const sent = await sender.done
    t.equal(sent.code, 0, sent.stdout)
    t.match(screenOf(sent.stdout), [/^tcp-send: sent x\.bin, 20\.0 MB in .*, blake3 [0-9a-f]{8}…$/])
    const received = await receiver.done
    t.equal(received.code, 0, received.stdout)
    const screen = screenOf(received.stdout)
    t.match(screen[0], /^tcp-recv: listening on 127\.0\.0\.1:\d+$/)
    t.ok(screen.some((row) => /^tcp-recv: stored out\/small, 5 B in .*, blake3 [0-9a-f]{8}…$/.test(row)))
    t.ok(screen.some((row) => /^tcp-recv: stored out\/x\.bin, 20\.0 MB in .*, blake3 [0-9a-f]{8}…$/.test(row)))
    t.equal(screen.length, 4, 'a line for each file, and one for both')
  },
)

/** What a person sees of that output in the end. */
function screenOf(output: string): string[] {
  const terminal = new Terminal(100)
  // The line discipline adds a carriage return to each end of a line, which the fake terminal does for itself.
  terminal.write(output.replaceAll('\r', ''))
  return terminal.screen
}

t.test('fails when the reader of the paths has gone', parallel, async (t) => {
  const folder = t.testdir({ 'file.txt': 'hello' })
  const receiver = await startReceiver(t, ['--once', '--out', join(folder, 'out')])
  receiver.child.stdout?.destroy()
  await sendTo(t, receiver, [join(folder, 'file.txt')])
  const { code, stderr } = await receiver.done
  t.equal(code, 8)
  t.match(stderr, 'tcp-recv: failed: cannot write to standard output: broken pipe (EPIPE)')
})
