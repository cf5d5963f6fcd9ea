import t from 'tap'
import { sendTo, startReceiver } from '../fixtures/commands.js'
import { namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'

t.test('a message is printed as one line, and nothing is stored', async (t) => {
  const folder = t.testdir()
  const receiver = await startReceiver(t, ['--once', '--out', folder], { covered: true })
  const sender = await sendTo(t, receiver, ['--text', 'build 42 is up'], { covered: true })
  t.match(sender, { code: 0, stdout: '' })
  t.match(await receiver.done, { code: 0, stdout: 'build 42 is up\n' })
  t.same(namesIn(folder), [])
})

t.test('a message cannot pretend to be two, or move the cursor', async (t) => {
  const folder = t.testdir()
  const receiver = await startReceiver(t, ['--once', '--text-only', '--out', folder], { covered: true })
  const text = 'first\nsecond\u001b[2J\u202e'
  t.equal((await sendTo(t, receiver, ['--text', '-'], { input: text, covered: true })).code, 0)
  const { code, stdout, stderr } = await receiver.done
  t.equal(code, 0)
  t.equal(stdout, 'first\\u{a}second\\u{1b}[2J\\u{202e}\n')
  t.notMatch(stderr, '\u001b')
})

t.test('JSON carries a message as it came', async (t) => {
  const folder = t.testdir()
  const receiver = await startReceiver(t, ['--json', '--once', '--out', folder])
  const text = 'first\nsecond\u001b[2J'
  const sender = await sendTo(t, receiver, ['--json', '--text', text])
  t.match(only(readEvents(t, sender.stdout), 'sent'), { storedAs: '', verified: true, size: Buffer.byteLength(text) })
  t.match(only(readEvents(t, (await receiver.done).stdout), 'message'), { transfer: 1, text })
})

t.test('a receiver of messages takes no files, and standard output no messages', async (t) => {
  const folder = t.testdir({ file: 'hello' })
  const messages = await startReceiver(t, ['--text-only', '--out', folder])
  t.match(await sendTo(t, messages, ['file'], { cwd: folder }), { code: 5, stderr: 'the receiver refused it' })
  t.equal((await sendTo(t, messages, ['--text', 'still here'])).code, 0)
  t.equal((await messages.kill('SIGTERM')).stdout, 'still here\n')
  const output = await startReceiver(t, ['--out', '-'])
  t.equal((await sendTo(t, output, ['--text', 'hello'])).code, 5)
  t.equal((await output.kill('SIGTERM')).stdout, '')
})
