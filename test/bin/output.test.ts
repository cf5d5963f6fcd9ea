import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { portOf, sendTo, shell, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { withoutProgram } from '../fixtures/required.js'

// One of them waits, so the tests run beside each other.
t.jobs = 3
const parallel = { buffered: true }

const RECEIVE = '$RECV --host 127.0.0.1 --port 0 --out -'

t.test('passes a file on through a pipe, and ends with 0 when its end is verified', parallel, async (t) => {
  const bytes = bytesOf(3_000_001)
  const folder = t.testdir({ big: bytes })
  const receiver = shell(t, `${RECEIVE} | cat >copy`, {}, { cwd: folder, covered: true })
  const port = await portOf(receiver)
  const sender = await sendTo(t, { port }, [join(folder, 'big')])
  t.equal(sender.code, 0)
  t.match(sender.stderr, ' as -, 3.00 MB in ')
  const { code, stdout, stderr } = await receiver.done
  t.equal(code, 0)
  t.equal(stdout, '')
  t.match(stderr, /^tcp-recv: stored -, 3\.00 MB in /m)
  t.ok(readFileSync(join(folder, 'copy')).equals(bytes))
})

t.test('carries a tree from tar to tar', { ...parallel, skip: withoutProgram('tar') }, async (t) => {
  const folder = t.testdir({ from: { a: 'one', sub: { b: 'two' } }, to: {} })
  const receiver = shell(t, `${RECEIVE} | tar -C to -x`, {}, { cwd: folder })
  const PORT = await portOf(receiver)
  const script = 'tar -C from -c . | $SEND --name tree.tar - 127.0.0.1 $PORT'
  const sender = await shell(t, script, { PORT }, { cwd: folder }).done
  t.equal(sender.code, 0)
  t.equal((await receiver.done).code, 0)
  t.same(filesIn(join(folder, 'to/sub')), { b: 'two' })
})

t.test('both fail when the reader leaves early, and the sender is told', parallel, async (t) => {
  const folder = t.testdir({ big: bytesOf(5_000_000) })
  const receiver = shell(t, `{ ${RECEIVE}; echo "receiver: $?" >&2; } | head -c 10`)
  const port = await portOf(receiver)
  const sender = await sendTo(t, { port }, [join(folder, 'big')])
  t.equal(sender.code, 5)
  t.match(sender.stderr, 'the receiver refused it: the reader of its output has gone')
  const { stderr } = await receiver.done
  t.match(stderr, /^tcp-recv: failed big: cannot write to the output: its reader has closed it$/m)
  t.match(stderr, /^receiver: 8$/m)
  t.equal(receiver.bytes('stdout').length, 10)
})

t.test('holds the sender back while the reader waits, and takes that for no stall', parallel, async (t) => {
  const bytes = bytesOf(20_000_000)
  const folder = t.testdir({ big: bytes })
  const receiver = await startReceiver(t, ['--out', '-', '--json'], { paused: true })
  const sender = start(t, 'tcp-send', ['--timeout', '8', 'big', '127.0.0.1', receiver.port], { cwd: folder })
  await receiver.says('stderr', /"event":"progress"/)
  // The time is what this is about: longer than the sender would wait for a receiver that says nothing.
  await setTimeout(8_500)
  t.equal(sender.child.exitCode, null)
  t.equal(receiver.child.exitCode, null)
  receiver.child.stdout?.resume()
  t.equal((await sender.done).code, 0)
  t.equal((await receiver.done).code, 0)
  t.ok(receiver.bytes('stdout').equals(bytes))
})

t.test('writes into a file that the shell has opened, behind what is there', parallel, async (t) => {
  const bytes = bytesOf(300_000)
  const folder = t.testdir({ new: bytes, log: 'first line\n' })
  for (const [flags, name, before] of [
    ['w', 'copy', ''],
    ['a', 'log', 'first line\n'],
  ] as const) {
    const fd = openSync(join(folder, name), flags)
    t.teardown(() => closeSync(fd))
    const receiver = await startReceiver(t, ['--out', '-'], { stdio: ['ignore', fd, 'pipe'], covered: true })
    t.equal((await sendTo(t, receiver, [join(folder, 'new')])).code, 0)
    t.equal((await receiver.done).code, 0)
    t.ok(readFileSync(join(folder, name)).equals(Buffer.concat([Buffer.from(before), bytes])), name)
  }
})

t.test('tells its events on stderr, where stdout carries the file', parallel, async (t) => {
  const folder = t.testdir({ a: 'hello' })
  const receiver = await startReceiver(t, ['--out', '-', '--json'])
  t.equal((await sendTo(t, receiver, [join(folder, 'a')])).code, 0)
  const { code, stdout, stderr } = await receiver.done
  t.equal(code, 0)
  t.equal(stdout, 'hello')
  t.match(only(readEvents(t, stderr), 'stored'), { name: 'a', path: '-', size: 5 })
})

t.test('takes one file, and refuses the second', parallel, async (t) => {
  const folder = t.testdir({ a: 'hello', b: 'there' })
  const receiver = await startReceiver(t, ['--out', '-'])
  const sender = await sendTo(t, receiver, ['--json', 'a', 'b'], { cwd: folder })
  t.equal(sender.code, 5)
  const sent = readEvents(t, sender.stdout)
  t.match(only(sent, 'sent'), { name: 'a' })
  t.match(only(sent, 'failed'), { name: 'b', reason: 'policy' })
  t.match(await receiver.done, { code: 5, stdout: 'hello' })
})

t.test('ends with 6 at once when the sender breaks off, since there is no second try', parallel, async (t) => {
  const receiver = await startReceiver(t, ['--out', '-', '--timeout', '600'])
  const sender = start(t, 'tcp-send', ['-', '127.0.0.1', receiver.port], { input: 'pipe' })
  await sender.write(bytesOf(100_000))
  await receiver.until('data', () => receiver.bytes('stdout').length > 1024 || null)
  await sender.kill('SIGKILL')
  const { code, stderr } = await receiver.done
  t.equal(code, 6)
  // The system ends the connection of a killed process, or resets it where that had not read everything yet.
  t.match(
    stderr,
    /tcp-recv: failed stdin: the (sender closed the connection before the end|other side broke the connection)/,
  )
})

t.test('refuses to write a file to a terminal', { ...parallel, skip: withoutProgram('script') }, async (t) => {
  const { code, stdout } = await shell(t, `script -qec "${RECEIVE}" /dev/null`, {}, { covered: true }).done
  t.equal(code, 2)
  t.match(stdout, 'tcp-recv: --out - will not write a file to a terminal; use a pipe or a redirection')
})
