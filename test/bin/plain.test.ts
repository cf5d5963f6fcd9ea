/** `--plain` as a command: what it says of what it cannot know, and how it ends when something is known. */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { portOf, type Running, runCommand, sendTo, shell, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.js'
import { foreignPeers } from '../fixtures/foreign-peers.js'
import { gate } from '../fixtures/gate.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { jumpingClock, jumpUntil } from '../fixtures/jumping-clock.js'
import { listenAsPeer, Peer } from '../fixtures/peer.js'
import { digest } from '../fixtures/peer-frames.js'

t.jobs = 3
const parallel = { timeout: 120_000 }

/** Sends bytes as a program does that knows no protocol, and waits until the other side has ended. */
async function sendBytes(t: Test, { port }: { port: string }, bytes: Buffer | string): Promise<'end' | 'reset'> {
  const peer = await Peer.dial(t, Number(port))
  peer.finish(bytes)
  return await peer.ended
}

t.test('prints the path, says that nothing is verified, and names the file by what is in it', parallel, async (t) => {
  const folder = t.testdir()
  const receiver = await startReceiver(t, ['--plain', '--count', '3', '--out', 'out'], { cwd: folder })
  for (const bytes of [gzipSync('hello'), '', 'hello']) t.equal(await sendBytes(t, receiver, bytes), 'end')
  const { code, stdout, stderr } = await receiver.done
  t.equal(code, 0)
  t.equal(stdout, 'out/received.gz\nout/received\nout/received_bak\n')
  const lines = stderr.trimEnd().split('\n').slice(1)
  t.match(lines.pop(), /^tcp-recv: stored 3 files in all, \d+ B in 3 transfers$/)
  t.equal(lines.length, 3)
  for (const line of lines) t.match(line, /^tcp-recv: stored out\/received.* blake3 [0-9a-f]{64}, NOT VERIFIED$/)
  t.match(lines[2], `blake3 ${digest('hello')}`, 'so that a person can compare')
  t.strictSame(namesIn(join(folder, 'out')), ['received', 'received.gz', 'received_bak'])
})

t.test('calls verified what was expected, and stores nothing else', parallel, async (t) => {
  const folder = t.testdir()
  const args = ['--plain', '--json', '--one-attempt', '--name', 'file', '--out', 'out']
  const cases: [expected: string[], code: number, reason?: string][] = [
    [['--expect-size', '5', '--expect-blake3', digest('hello').toUpperCase()], 0],
    [['--expect-size', '4'], 6, 'size'],
    [['--expect-size', '6'], 6, 'size'],
    [['--expect-blake3', digest('other')], 7, 'digest'],
  ]
  for (const [expected, code, reason] of cases) {
    const receiver = await startReceiver(t, [...args, ...expected], { cwd: folder })
    t.equal(await sendBytes(t, receiver, 'hello'), code === 0 ? 'end' : 'reset')
    const ended = await receiver.done
    t.equal(ended.code, code, expected.join(' '))
    const events = readEvents(t, ended.stdout)
    if (code === 0) t.match(only(events, 'stored'), { verified: true, size: 5 })
    else
      t.match(
        events.find(({ event }) => event === 'failed'),
        { transfer: 1, name: 'file', reason },
      )
  }
  t.strictSame(filesIn(join(folder, 'out')), { file: 'hello' })
})

t.test('a sender whose receiver did not get what it expected fails too', parallel, async (t) => {
  // More than the kernels hold: the sender cannot have finished before the receiver has seen that it is too much.
  const folder = t.testdir({ file: bytesOf(20_000_000) })
  const args = ['--plain', '--one-attempt', '--expect-size', '4', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder })
  const sent = await sendTo(t, receiver, ['--plain', 'file'], { cwd: folder })
  t.match(sent, {
    code: 6,
    stderr: /^tcp-send: failed file: the other side broke the connection \((ECONNRESET|EPIPE)\)$/m,
  })
  t.equal((await receiver.done).code, 6)
})

t.test(
  'a sender that is not sure of its own input fails, and its receiver takes that for no end',
  parallel,
  async (t) => {
    const folder = t.testdir()
    const args = ['--plain', '--one-attempt', '--name', 'file', '--out', 'out']
    const cases: [script: string, code: number][] = [
      ['printf hell | $SEND --plain --expect-size 5 - 127.0.0.1 $PORT', 6],
      [`printf hell | $SEND --plain --expect-blake3 ${digest('hello')} - 127.0.0.1 $PORT`, 7],
      ['printf hello | $SEND --plain --expect-size 5 - 127.0.0.1 $PORT', 0],
    ]
    for (const [script, code] of cases) {
      const receiver = await startReceiver(t, args, { cwd: folder })
      const sent = await shell(t, script, { PORT: receiver.port }).done
      t.equal(sent.code, code, sent.stderr)
      t.equal((await receiver.done).code, code === 0 ? 0 : 6)
      t.strictSame(filesIn(join(folder, 'out')), code === 0 ? { file: 'hello' } : {})
    }
  },
)

t.test('waits for a slow producer, however much longer than for the other side', parallel, async (t) => {
  const came = gate()
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.bytes(1024)
    came.open()
    await peer.ended
    peer.finish()
  })
  const args = ['--plain', '-', '127.0.0.1', String(port)]
  const sender = start(t, 'tcp-send', args, { input: 'pipe', preload: jumpingClock })
  await sender.write('x'.repeat(1024))
  await came.opened
  // It looks at its clock twice a second.
  await jumpUntil(sender, setTimeout(1_100))
  await sender.write('the end')
  sender.end()
  t.match(await sender.done, { code: 0, stderr: /1031 B in|1\.03 kB in/ })
})

t.test('a plain receiver fetches from a plain sender, either started first', parallel, async (t) => {
  const folder = t.testdir({ file: bytesOf(200_000) })
  const listening = ['--plain', '--listen', '--host', '127.0.0.1', '--port', '0', '--json', 'file']
  const sender: Running = start(t, 'tcp-send', listening, { cwd: folder })
  const args = ['--plain', '--connect', '127.0.0.1', '--port', await portOf(sender), '--name', 'copy', '--out', 'out']
  const received = await runCommand(t, 'tcp-recv', args, { cwd: folder })
  t.match(received, { code: 0, stdout: 'out/copy\n', stderr: /NOT VERIFIED\n$/ })
  const { code, stdout } = await sender.done
  t.equal(code, 0)
  t.match(only(readEvents(t, stdout), 'sent'), { storedAs: '', verified: false, blake3: digest(bytesOf(200_000)) })
})

t.test('passes a plain stream on to standard output', parallel, async (t) => {
  const receiver = await startReceiver(t, ['--plain', '--out', '-'])
  t.equal(await sendBytes(t, receiver, 'hello'), 'end')
  t.match(await receiver.done, { code: 0, stdout: 'hello', stderr: /stored -, .* NOT VERIFIED\n$/ })
})

t.test('each side says what to do where only one of them has --plain', parallel, async (t) => {
  const folder = t.testdir({ file: 'hello' })
  const speaking = await startReceiver(t, ['--out', 'out'], { cwd: folder })
  const remedy =
    /^tcp-send: failed stdin: the other side is tcp-recv without --plain and has stored nothing; give it --plain/m
  // Its input has no end before the answer has come: a sender that has finished waits no more than two seconds for one.
  const args = ['--plain', '-', '127.0.0.1', speaking.port]
  const typed = start(t, 'tcp-send', args, { input: 'pipe' })
  await typed.write('x'.repeat(2048))
  t.match(await typed.done, { code: 5, stderr: remedy })
  const plain = await startReceiver(t, ['--plain', '--out', 'out'], { cwd: folder })
  const refusal =
    /^tcp-send: failed: the receiver refused the transfer: it was started with --plain .* give --plain to tcp-send/m
  t.match(await sendTo(t, plain, ['file'], { cwd: folder }), { code: 5, stderr: refusal })
  await plain.says(
    'stderr',
    /^tcp-recv: refused .*the other side is tcp-send without --plain, so nothing is stored; give it/m,
  )
  await Promise.all([speaking.kill('SIGTERM'), plain.kill('SIGTERM')])
  t.strictSame(namesIn(join(folder, 'out')), [])
})

t.test('an input without end fails as soon as it is too long', parallel, async (t) => {
  const folder = t.testdir()
  const receiver = await startReceiver(t, ['--plain', '--out', 'out'], { cwd: folder })
  const script = '$SEND --plain --expect-size 1k - 127.0.0.1 $PORT </dev/zero'
  const { code, stderr } = await shell(t, script, { PORT: receiver.port }).done
  t.match({ code, stderr }, { code: 6, stderr: /has more than the 1024 bytes that were expected/ })
  await receiver.kill('SIGTERM')
  t.strictSame(namesIn(join(folder, 'out')), [])
})

const nc = foreignPeers.find(({ name }) => name === 'nc')

t.test(
  'takes from nc, which never ends the stream, what it knows the size of',
  { ...parallel, skip: nc?.skip ?? false },
  async (t) => {
    const folder = t.testdir({ file: 'hello' })
    const args = ['--plain', '--once', '--expect-size', '5', '--name', 'copy', '--out', 'out']
    const receiver = await startReceiver(t, args, { cwd: folder })
    const theirs = shell(t, 'nc 127.0.0.1 $PORT <file', { PORT: receiver.port }, { cwd: folder })
    t.match(await receiver.done, { code: 0, stdout: 'out/copy\n' })
    t.equal((await theirs.done).code, 0)
    t.strictSame(filesIn(join(folder, 'out')), { copy: 'hello' })
  },
)

t.test('says to who forgot the -N of nc that it is missing', { ...parallel, skip: nc?.skip ?? false }, async (t) => {
  const folder = t.testdir({ file: 'hello' })
  const args = ['--plain', '--json', '--one-attempt', '--name', 'copy', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder, preload: jumpingClock })
  const theirs = shell(t, 'nc 127.0.0.1 $PORT <file', { PORT: receiver.port }, { cwd: folder })
  await receiver.says('stdout', /"event":"progress"/)
  const { code, stdout } = await jumpUntil(receiver, receiver.done)
  t.equal(code, 9)
  const message = /after 5 bytes, and no end of the stream, so nothing is stored; nc ends it only with -N/
  t.match(only(readEvents(t, stdout), 'failed'), { name: 'copy', message })
  await theirs.done
  t.strictSame(namesIn(join(folder, 'out')), [])
})
