/** Messages as commands: their limits, where they come from, and whom they never reach. */
import { join } from 'node:path'
import t from 'tap'
import { portOf, runCommand, sendTo, shell, start, startReceiver } from '../fixtures/commands.js'
import { filesIn, namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { unusedPlace } from '../fixtures/ports.js'

t.jobs = 3
const parallel = { timeout: 120_000 }
const MOST = 65_536

t.test('carries as much as 64 KiB, on one line', parallel, async (t) => {
  const receiver = await startReceiver(t, ['--once', '--text-only', '--quiet', '--progress', 'none', '--json'])
  const text = 'ü\n'.repeat(MOST / 3 - 1) + '!'.repeat(MOST - 3 * (Math.floor(MOST / 3) - 1) - 3)
  const sent = await sendTo(t, receiver, ['--json', '--text', '-'], { input: text })
  t.equal(sent.code, 0)
  t.match(only(readEvents(t, sent.stdout), 'sent'), { path: '-', name: 'message', size: Buffer.byteLength(text) })
  const { code, stdout } = await receiver.done
  t.equal(code, 0)
  t.equal(only(readEvents(t, stdout), 'message').text, text)
})

t.test('sends nothing over 64 KiB, and nothing that is no text, wherever it comes from', parallel, async (t) => {
  // Nobody listens there: it is known before a connection is tried.
  const { host, port } = await unusedPlace()
  const variables = { HOST: host, PORT: port }
  const cases: [script: string, message: string][] = [
    [`head -c ${MOST + 1} /dev/zero | tr '\\0' x | $SEND --text - $HOST $PORT`, 'is longer than 65536 bytes'],
    [`$SEND --text "$(head -c ${MOST + 1} /dev/zero | tr '\\0' x)" $HOST $PORT`, 'is longer than 65536 bytes'],
    [`printf 'caf\\351' | $SEND --text - $HOST $PORT`, 'is not UTF-8'],
    ['yes | $SEND --text - $HOST $PORT', 'is longer than 65536 bytes'],
  ]
  for (const [script, message] of cases) {
    const { code, stderr } = await shell(t, `set +o pipefail; ${script}`, variables).done
    t.equal(code, 8, script)
    t.match(stderr, `tcp-send: failed: the message ${message}; send it as a file`)
  }
})

t.test('carries what a pipe says, and nothing of it is stored', parallel, async (t) => {
  const folder = t.testdir()
  const receiver = await startReceiver(t, ['--once', '--out', folder, '--exec', 'touch never'], { cwd: folder })
  const script = 'printf "%s\\n" one two | tail -n 1 | $SEND --text - 127.0.0.1 $PORT'
  t.equal((await shell(t, script, { PORT: receiver.port }).done).code, 0)
  t.match(await receiver.done, { code: 0, stdout: 'two\n' })
  t.strictSame(namesIn(folder), [], '--exec is for files')
})

t.test('goes the other way as well', parallel, async (t) => {
  const args = ['--listen', '--host', '127.0.0.1', '--port', '0', '--count', '2', '--text', 'build 42 is up']
  const sender = start(t, 'tcp-send', args)
  const port = await portOf(sender)
  for (let times = 0; times < 2; times++) {
    const fetched = await runCommand(t, 'tcp-recv', ['--connect', '127.0.0.1', '--port', port, '--text-only'])
    t.match(fetched, { code: 0, stdout: 'build 42 is up\n' })
  }
  t.equal((await sender.done).code, 0)
})

t.test('goes beside files no further than it is wanted', parallel, async (t) => {
  const folder = t.testdir({ 'file.txt': 'hello' })
  const messages = await startReceiver(t, ['--text-only', '--json', '--out', 'out'], { cwd: folder })
  const refused = await sendTo(t, messages, ['--json', 'file.txt'], { cwd: folder })
  t.equal(refused.code, 5)
  t.match(only(readEvents(t, refused.stdout), 'failed'), { code: 'refused', reason: 'policy', name: 'file.txt' })
  const { code, stdout } = await messages.kill('SIGINT')
  t.equal(code, 130)
  t.match(only(readEvents(t, stdout), 'refused'), { reason: 'policy', message: 'it takes only messages' })
  t.strictSame(filesIn(join(folder, 'out')), {})

  const output = await startReceiver(t, ['--json', '--out', '-', '--one-attempt'])
  const unwanted = await sendTo(t, output, ['--json', '--text', 'hello'])
  t.equal(unwanted.code, 5)
  const ended = await output.done
  t.match(ended, { code: 5, stdout: '' })
  t.match(only(readEvents(t, ended.stderr), 'refused'), { reason: 'policy', message: 'it takes no messages' })
})
