import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand, sendTo, shell, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn } from '../fixtures/folder.js'
import { digest } from '../fixtures/peer-frames.js'
import { withoutProgram } from '../fixtures/required.js'

// Most of the time is spent waiting for what must happen in time, so the tests run beside each other.
t.jobs = 3
const parallel = { buffered: true }

/** A receiver of one transfer into `out`, a script that sends to `$PORT`, and how both ended. */
async function sendByScript(t: Test, folder: string, script: string) {
  const args = ['--one-attempt', '--out', join(folder, 'out')]
  const receiver = await startReceiver(t, args)
  const sender = await shell(t, script, { PORT: receiver.port }, { cwd: folder }).done
  const received = await receiver.done
  return { sender, receiver: received, files: filesIn(join(folder, 'out')) }
}

t.test('sends what a command writes, under the name that it is given', parallel, async (t) => {
  const { sender, receiver, files } = await sendByScript(
    t,
    t.testdir(),
    'printf hello | $SEND --name greeting.txt - 127.0.0.1 $PORT',
  )
  t.match(sender, {
    code: 0,
    stdout: '',
    stderr: /^tcp-send: sent greeting\.txt, 5 B in /,
  })
  t.equal(receiver.code, 0)
  t.same(files, { 'greeting.txt': 'hello' })
})

t.test('calls standard input stdin unless told otherwise', parallel, async (t) => {
  const { sender, files } = await sendByScript(t, t.testdir(), 'printf hello | $SEND - 127.0.0.1 $PORT')
  t.equal(sender.code, 0)
  t.same(files, { stdin: 'hello' })
})

t.test('takes an input that is /dev/null or empty for an empty file', parallel, async (t) => {
  const folder = t.testdir()
  const args = ['--json', '--count', '2', '--out', join(folder, 'out')]
  const receiver = await startReceiver(t, args)
  const variables = { PORT: receiver.port }
  for (const [name, input] of [
    ['null', '</dev/null'],
    ['empty', '< <(true)'],
  ]) {
    const sender = await shell(t, `$SEND --name ${name} - 127.0.0.1 $PORT ${input}`, variables).done
    t.equal(sender.code, 0, sender.stderr)
  }
  t.equal((await receiver.done).code, 0)
  t.same(filesIn(join(folder, 'out')), { null: '', empty: '' })
})

t.test('reads a file that the shell has opened, from where it stands', parallel, async (t) => {
  const bytes = bytesOf(3_000_001)
  const folder = t.testdir({ big: bytes })
  const whole = await sendByScript(t, folder, '$SEND --name whole - 127.0.0.1 $PORT <big')
  t.equal(whole.sender.code, 0)
  t.ok(readFileSync(join(folder, 'out/whole')).equals(bytes))
  const script = '{ dd bs=1000 count=1 of=start status=none; $SEND --name rest - 127.0.0.1 $PORT; } <big'
  t.equal((await sendByScript(t, folder, script)).sender.code, 0)
  t.ok(readFileSync(join(folder, 'out/rest')).equals(bytes.subarray(1000)))
})

t.test('a directory goes through as an archive', { ...parallel, skip: withoutProgram('tar') }, async (t) => {
  const folder = t.testdir({ tree: { a: 'one', sub: { b: 'two' } }, unpacked: {} })
  const { sender, receiver } = await sendByScript(
    t,
    folder,
    'tar -C tree -c . | $SEND --name tree.tar - 127.0.0.1 $PORT && tar -C unpacked -xf out/tree.tar',
  )
  t.equal(sender.code, 0, sender.stderr)
  t.equal(receiver.code, 0)
  t.equal(readFileSync(join(folder, 'unpacked/sub/b'), 'utf8'), 'two')
})

t.test('a producer that dies fails the pipeline, and what it wrote is stored', parallel, async (t) => {
  const { sender, receiver, files } = await sendByScript(
    t,
    t.testdir(),
    '(printf half; exit 3) | $SEND --name x - 127.0.0.1 $PORT',
  )
  t.equal(sender.code, 3, 'the status is the one that pipefail carries')
  t.equal(receiver.code, 0)
  t.same(files, { x: 'half' })
})

t.test('--expect-size keeps what is not whole from being stored', parallel, async (t) => {
  const { sender, receiver, files } = await sendByScript(
    t,
    t.testdir(),
    'printf half | $SEND --name half.bin --expect-size 8 - 127.0.0.1 $PORT',
  )
  t.equal(sender.code, 6)
  t.match(sender.stderr, /^tcp-send: failed half\.bin: standard input has 4 bytes, and 8 were expected$/m)
  t.equal(receiver.code, 6)
  t.match(
    receiver.stderr,
    /^tcp-recv: failed half\.bin: the sender gave up: it did not have the expected size \(size\)$/m,
  )
  t.same(files, {})
})

t.test('--expect-blake3 keeps other bytes from being stored', parallel, async (t) => {
  const expected = digest('right')
  const script = `printf wrong | $SEND --name x --expect-blake3 ${expected} - 127.0.0.1 $PORT`
  const { sender, receiver, files } = await sendByScript(t, t.testdir(), script)
  t.equal(sender.code, 7)
  t.match(sender.stderr, `standard input has the BLAKE3 ${digest('wrong')}, and ${expected} was expected`)
  t.equal(receiver.code, 6)
  t.same(files, {})
})

t.test('--expect-size and --expect-blake3 let the right bytes pass', parallel, async (t) => {
  const script = `printf right | $SEND --name x --expect-size 5 --expect-blake3 ${digest('right')} - 127.0.0.1 $PORT`
  const { sender, files } = await sendByScript(t, t.testdir(), script)
  t.equal(sender.code, 0)
  t.same(files, { x: 'right' })
})

t.test('reads a terminal until Ctrl-D, and says so', { ...parallel, skip: withoutProgram('script') }, async (t) => {
  const folder = t.testdir()
  const receiver = await startReceiver(t, ['--once', '--out', join(folder, 'out')])
  const command = `script -qec "$SEND --name typed - 127.0.0.1 $PORT" /dev/null`
  const sender = shell(t, command, { PORT: receiver.port }, { cwd: folder, input: 'pipe', covered: true })
  await sender.says('stdout', /reading standard input from the terminal; Ctrl-D ends it/)
  await sender.write('typed\n\u0004')
  t.equal((await sender.done).code, 0, sender.stdout)
  t.equal((await receiver.done).code, 0)
  t.same(filesIn(join(folder, 'out')), { typed: 'typed\n' })
})

t.test('lets go of an input that still flows when the transfer has failed', parallel, async (t) => {
  const out = join(t.testdir(), 'out')
  const receiver = await startReceiver(t, ['--max-size', '1MB', '--out', out])
  const script = '{ yes; echo "producer: $?" >&2; } | $SEND --name x - 127.0.0.1 $PORT'
  const sender = await shell(t, script, { PORT: receiver.port }).done
  t.equal(sender.code, 5)
  t.match(sender.stderr, /^producer: 141$/m, 'the producer gets SIGPIPE')
  t.match(sender.stderr, /the file has \d+ bytes or more, and the limit is 1000000/)
  t.same(filesIn(out), {})
})

t.test('refuses a directory without the protocol, and a device, and says what to type instead', parallel, async (t) => {
  const folder = t.testdir({ 'my dir': {} })
  const table: [args: string[], message: string][] = [
    [
      ['--plain', 'my dir', '::1', '9'],
      `my dir is a directory; send it as an archive: tar -C 'my dir' -c . | tcp-send --plain - ::1 9`,
    ],
    [
      ['--plain', 'my dir', 'h:9'],
      `my dir is a directory; send it as an archive: tar -C 'my dir' -c . | tcp-send --plain - h 9`,
    ],
    [
      ['--plain', '--listen', '-p', '9', 'my dir'],
      `my dir is a directory; send it as an archive: tar -C 'my dir' -c . | tcp-send --plain - --listen --port 9`,
    ],
    [
      ['/dev/zero', 'h', '9'],
      '/dev/zero is not a regular file; send what it gives: cat /dev/zero | tcp-send --name zero - h 9',
    ],
  ]
  for (const [args, message] of table) {
    const { code, stderr } = await runCommand(t, 'tcp-send', args, { cwd: folder })
    t.match({ code, stderr }, { code: 8, stderr: `tcp-send: failed: ${message}\n` })
  }
})

t.test('does what its hint for a directory says', { ...parallel, skip: withoutProgram('tar') }, async (t) => {
  const folder = t.testdir({ "it's": { a: 'one' }, unpacked: {} })
  const args = ['--plain', '--name', "it's.tar", '--once', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder })
  const { stderr } = await sendTo(t, receiver, ['--plain', "it's"], { cwd: folder })
  const [, hint = ''] = /send it as an archive: (.*)\n$/.exec(stderr) ?? []
  const script = `${hint.replace('tcp-send', '$SEND')} && tar -C unpacked -xf "out/it's.tar"`
  t.equal((await shell(t, script, {}, { cwd: folder }).done).code, 0, hint)
  t.equal((await receiver.done).code, 0)
  t.equal(readFileSync(join(folder, 'unpacked/a'), 'utf8'), 'one')
})
