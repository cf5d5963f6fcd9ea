import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runCommand, sendTo, startReceiver } from '../fixtures/commands.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { withoutProgram } from '../fixtures/required.js'

/** What `b3sum --check` says to a receipt: its exit status, and how many lines it found right. */
function check(folder: string, receipt: string): { status: number | null; right: number } {
  const { status, stdout } = spawnSync('b3sum', ['--check', receipt], { cwd: folder, encoding: 'utf8' })
  return { status, right: stdout.split('\n').filter((line) => line.endsWith(': OK')).length }
}

t.test('both write receipts that b3sum confirms', { skip: withoutProgram('b3sum') }, async (t) => {
  const files = { plain: 'one', 'a b.txt': 'two', empty: '', 'back\\slash': 'three', 'ünï — 文': 'four' }
  const folder = t.testdir({ ...files, out: { plain: 'old' } })
  const args = ['--once', '--receipt', 'received.b3', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder })
  const sender = await sendTo(t, receiver, ['--receipt', 'sent.b3', ...Object.keys(files)], { cwd: folder })
  t.equal(sender.code, 0)
  t.equal((await receiver.done).code, 0)
  t.same(check(folder, 'sent.b3'), { status: 0, right: 5 })
  t.same(check(folder, 'received.b3'), { status: 0, right: 5 })
  t.match(readFileSync(join(folder, 'received.b3'), 'utf8'), /^[0-9a-f]{64} {2}out\/plain_bak\n/)
  writeFileSync(join(folder, 'out/empty'), 'not any more')
  t.same(check(folder, 'received.b3'), { status: 1, right: 4 })
})

t.test('a receipt holds what was stored, and nothing of what was not', async (t) => {
  const folder = t.testdir({ a: 'one', b: 'two', '.hidden': 'three' })
  const args = ['--receipt', 'received.b3', '--out', 'out', '--json']
  const receiver = await startReceiver(t, args, { cwd: folder })
  const names = ['a', 'missing', '.hidden', 'b']
  const sender = await sendTo(t, receiver, ['--receipt', 'sent.b3', ...names], { cwd: folder })
  t.equal(sender.code, 8, 'the first failure is that of the missing file')
  await receiver.says('stdout', /"event":"stored".*"name":"b"/)
  t.match(readFileSync(join(folder, 'sent.b3'), 'utf8'), /^[0-9a-f]{64} {2}a\n[0-9a-f]{64} {2}b\n$/)
  t.match(readFileSync(join(folder, 'received.b3'), 'utf8'), /^[0-9a-f]{64} {2}out\/a\n[0-9a-f]{64} {2}out\/b\n$/)
})

t.test('says which receipt cannot be written, before anything is sent or listened for', async (t) => {
  const folder = t.testdir({ a: 'one' })
  for (const [name, args] of [
    ['tcp-send', ['a', '127.0.0.1', '1']],
    ['tcp-recv', ['--host', '127.0.0.1', '--port', '0', '--wait', '9', '--out', 'out']],
  ] as const) {
    const receipt = ['--receipt', 'a/receipt']
    const { code, stdout, stderr } = await runCommand(t, name, [...receipt, ...args], { cwd: folder })
    t.equal(code, 8)
    t.equal(stdout, '')
    t.match(stderr, /^tcp-(send|recv): .*cannot write a\/receipt: not a directory \(ENOTDIR\)\n$/)
  }
})

const full = existsSync('/dev/full') ? false : '/dev/full is missing'

t.test('8: a receipt that misses the last line, although the file is stored', { skip: full }, async (t) => {
  const folder = t.testdir({ a: 'one' })
  const receiver = await startReceiver(t, ['--count', '2', '--out', 'out'], { cwd: folder })
  const text = await sendTo(t, receiver, ['--receipt', '/dev/full', 'a'], { cwd: folder })
  t.match(text, { code: 8, stderr: /failed: cannot write \/dev\/full: no space left on device \(ENOSPC\)\n$/ })
  const json = await sendTo(t, receiver, ['--json', '--receipt', '/dev/full', 'a'], { cwd: folder })
  t.equal(json.code, 8)
  const events = readEvents(t, json.stdout)
  t.match(only(events, 'failed'), { transfer: 0, code: 'local-file', reason: 'output' })
  t.match(only(events, 'done'), { files: 1, exitCode: 8 })
  t.equal((await receiver.done).code, 0)
})
