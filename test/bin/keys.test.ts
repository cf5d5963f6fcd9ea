/** The commands with a key: that nobody sees it, and that keys come and go while a receiver runs. */
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { keysOf } from '../../dist/keys.js'
import { runCommand, sendTo, shell, startReceiver } from '../fixtures/commands.ts'
import { key, otherKey } from '../fixtures/keys.ts'

t.jobs = 4

const [{ fingerprint = '' } = {}] = keysOf(key)
const withKey = (text: string) => ({ env: { ...process.env, TCP_TRANSFER_KEY: text } })

/** A folder with a file to send and key files. */
function place(t: Test): { root: string; at(name: string): string } {
  const root = t.testdir({ 'file.txt': 'hello', out: {} })
  const named = `alice ${key}\r\n# old\r\nbob ${otherKey}\r\n`
  const files = { key: `${key}\n`, other: otherKey, named }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text, { mode: 0o600 })
  return { root, at: (name) => join(root, name) }
}

t.test('--generate-key and --fingerprint print to standard output', async (t) => {
  const { root } = place(t)
  const script = `$RECV --generate-key; $RECV --fingerprint --key-file key; $SEND --fingerprint; echo $?`
  const done = shell(t, script, {}, { cwd: root, covered: true }).done
  const [made, shown, status, ...rest] = (await done).stdout.split('\n')
  t.match(made, /^[\w-]{43}$/)
  t.equal(shown, fingerprint)
  t.equal(status, '2', 'there is no fingerprint without a key')
  t.strictSame(rest, [''])
  t.match((await done).stderr, /^tcp-send: --fingerprint needs a key: .*\n$/)
})

t.test('shows the key to nobody: no output, no argument, no program of --exec', async (t) => {
  const { at } = place(t)
  const exec = `sh -c 'env >${at('env')}; cat >${at('event')}; ps -ww -eo args >${at('ps')}'`
  const args = ['--json', '--verbose', '--once', '--out', at('out'), '--exec', exec]
  const receiver = await startReceiver(t, args, { ...withKey(key), covered: true })
  const [wrong, none] = await Promise.all([
    sendTo(t, receiver, ['--json', '--key-file', at('other'), at('file.txt')]),
    sendTo(t, receiver, [at('file.txt')]),
  ])
  t.match(wrong, { code: 4 })
  t.match(none, { code: 4, stderr: /only peers with its key/ })
  const line = `/proc/${receiver.child.pid}/cmdline`
  const seen = [existsSync(line) ? readFileSync(line, 'utf8') : '']
  const sent = await sendTo(t, receiver, ['--verbose', at('file.txt')], withKey(`${key}\r\n`))
  t.match(sent, { code: 0 })
  const received = await receiver.done
  t.match(received, { code: 0, stdout: new RegExp(`"fingerprint":"${fingerprint}"`) })
  const [env, event, ps] = ['env', 'event', 'ps'].map((name) => readFileSync(at(name), 'utf8'))
  t.match(env, 'TCP_TRANSFER_NAME=file.txt')
  t.notMatch(env, 'TCP_TRANSFER_KEY')
  t.match(event, '"event":"stored"')
  t.match(ps, 'tcp-recv')
  seen.push(...[env, event, ps].map(String))
  for (const { stdout, stderr } of [wrong, none, sent, received]) seen.push(stdout, stderr)
  for (const secret of [key, otherKey]) t.notOk(seen.some((text) => text.includes(secret)))
})

t.test('reads a key from a pipe, and stores what comes with each name in its folder', async (t) => {
  const { root, at } = place(t)
  const args = ['--key-file', at('named'), '--per-key-folder', '--out', at('out')]
  const receiver = await startReceiver(t, args)
  await receiver.says('stderr', /only peers with one of its 2 keys can send/)
  const script = `$SEND --key-file <(cat key) file.txt 127.0.0.1 ${receiver.port}`
  const bob = sendTo(t, receiver, ['--key-file', at('other'), at('file.txt')])
  t.match(await shell(t, script, {}, { cwd: root }).done, { code: 0 })
  t.match(await bob, { code: 0 })
  t.strictSame(readdirSync(at('out')).sort(), ['alice', 'bob'])
  // Alice and bob are out, carol is in.
  writeFileSync(at('named'), `carol ${otherKey}\n`)
  const [alice, carol] = await Promise.all(
    ['key', 'other'].map((name) => sendTo(t, receiver, ['--key-file', at(name), at('file.txt')])),
  )
  t.match(alice, { code: 4 })
  t.match(carol, { code: 0 })
  t.match(await receiver.kill('SIGTERM'), { code: 143 })
  t.strictSame(readdirSync(join(at('out'), 'carol')), ['file.txt'])
  t.strictSame(readdirSync(join(at('out'), 'alice')), ['file.txt'])
})

t.test('a key file that others can read is wrong usage, and so is --plain with a key', async (t) => {
  const { root } = place(t)
  writeFileSync(join(root, 'open'), key)
  chmodSync(join(root, 'open'), 0o644)
  const options = { cwd: root }
  const [open, plain] = await Promise.all([
    runCommand(t, 'tcp-recv', ['--port', '0', '--key-file', 'open'], options),
    runCommand(t, 'tcp-send', ['--plain', 'file.txt', '127.0.0.1:1'], { ...options, ...withKey(key) }),
  ])
  t.match(open, { code: 2, stdout: '', stderr: /^tcp-recv: open can be .* by other users; type: chmod 600 open\n$/ })
  t.match(plain, { code: 2, stdout: '', stderr: /^tcp-send: --plain encrypts nothing, and TCP_TRANSFER_KEY/ })
})
