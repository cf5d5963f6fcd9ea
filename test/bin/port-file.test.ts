/** `--port-file` of the commands: a reader finds the port for as long as somebody listens there, and no other. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { portOf, runCommand, sendTo, start, startReceiver } from '../fixtures/commands.js'
import { namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'

t.jobs = 2
const parallel = { buffered: true }
const place = ['--host', '127.0.0.1', '--port', '0', '--port-file', 'port']

t.test('it holds the port while a receiver listens, and goes when that is done', parallel, async (t) => {
  const folder = t.testdir({ a: 'hello', port: '1\n' })
  const args = ['--port-file', 'port', '--once', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder, covered: true })
  t.equal(readFileSync(join(folder, 'port'), 'utf8'), `${receiver.port}\n`, 'it is there before that is said')
  t.equal((await sendTo(t, receiver, ['a'], { cwd: folder })).code, 0)
  t.equal((await receiver.done).code, 0)
  t.strictSame(namesIn(folder), ['a', 'out'])
})

t.test('it holds the port of a sender that listens, and goes when that is interrupted', parallel, async (t) => {
  const folder = t.testdir({ a: 'hello' })
  const sender = start(t, 'tcp-send', ['--listen', ...place, 'a'], { cwd: folder, covered: true })
  t.equal(await portOf(sender), readFileSync(join(folder, 'port'), 'utf8').trim())
  t.equal((await sender.kill('SIGINT')).code, 130)
  t.strictSame(namesIn(folder), ['a'])
})

t.test('an old one goes first, whatever fails then', parallel, async (t) => {
  for (const [args, code] of [
    [['--port', '0', '--once', '--count', '2'], 2],
    [['--port', '0', '--out', 'file'], 8],
    [['--port', '0', '--out', 'out', '--receipt', 'missing/receipt'], 8],
    [['--port', '0', '--out', 'out', '--host', 'nope.invalid'], 3],
  ] as const) {
    const folder = t.testdir({ file: '', port: '1\n' })
    t.equal((await runCommand(t, 'tcp-recv', ['--port-file', 'port', ...args], { cwd: folder })).code, code)
    t.notOk(existsSync(join(folder, 'port')), args.join(' '))
  }
})

t.test('says that it cannot be written, on both sides, and ends', parallel, async (t) => {
  const folder = t.testdir({ a: 'hello' })
  const missing = ['--host', '127.0.0.1', '--port', '0', '--port-file', 'missing/port']
  const why = 'cannot write the port to missing/port: no such file or directory (ENOENT)'
  const receiver = await runCommand(t, 'tcp-recv', [...missing, '--out', 'out'], { cwd: folder })
  t.match(receiver, { code: 8, stdout: '', stderr: `tcp-recv: failed: ${why}\n` })
  const sender = await runCommand(t, 'tcp-send', ['--listen', '--json', ...missing, 'a'], { cwd: folder })
  t.match(sender, { code: 8, stderr: '' })
  const events = readEvents(t, sender.stdout)
  t.match(only(events, 'failed'), { transfer: 0, code: 'local-file', message: why })
  t.equal(only(events, 'done').exitCode, 8)
})

t.test('it stays when another command has taken the name meanwhile', parallel, async (t) => {
  const folder = t.testdir()
  const options = { cwd: folder }
  const first = await startReceiver(t, ['--port-file', 'port', '--out', 'out'], options)
  const second = await startReceiver(t, ['--port-file', 'port', '--out', 'out'], options)
  t.equal((await first.kill('SIGTERM')).code, 143)
  t.equal(readFileSync(join(folder, 'port'), 'utf8'), `${second.port}\n`)
  t.equal((await second.kill('SIGTERM')).code, 143)
  t.notOk(existsSync(join(folder, 'port')))
})
