/** A transfer that breaks off and goes on, and what is kept of it meanwhile, as both commands tell it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Running, runCommand, sendTo, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { unusedPlace } from '../fixtures/ports.js'

t.jobs = 2
const parallel = { timeout: 120_000 }
const SIZE = 12_000_000
const content = bytesOf(SIZE)
/** Slow enough to be stopped in the middle. */
const slowly = ['--limit', '4M']

function folderOf(t: Test): string {
  const folder = t.testdir({ in: {} })
  writeFileSync(join(folder, 'in/big.iso'), content)
  return folder
}

/** Waits until the side has moved more than 1 MiB, and less than all. */
async function middle(side: Running): Promise<void> {
  await side.says('stdout', /"event":"progress".*"bytes":[1-9]\d{6},/)
}

/** Leaves a part of a file in `out`, whose receiver is killed. */
async function killedReceiver(t: Test, folder: string): Promise<void> {
  const receiver = await startReceiver(t, ['--json', '--out', 'out'], { cwd: folder })
  const args = ['--retry', '0', ...slowly, 'in/big.iso', '127.0.0.1', receiver.port]
  const sender = start(t, 'tcp-send', args, { cwd: folder })
  await middle(receiver)
  await receiver.kill('SIGKILL')
  t.equal((await sender.done).code, 6)
}

t.test('lists what a killed receiver has left, goes on with it, and then there is nothing', parallel, async (t) => {
  const folder = folderOf(t)
  await killedReceiver(t, folder)
  const listed = await runCommand(t, 'tcp-recv', ['--list-partial', '--out', 'out'], { cwd: folder, covered: true })
  t.match(listed, { code: 0, stderr: '' })
  t.match(listed.stdout, /^big\.iso: [\d.]+ MB of 12\.0 MB, \d+ seconds? old\n$/)

  const told = await runCommand(t, 'tcp-recv', ['--list-partial', '--json', '--out', 'out'], { cwd: folder })
  const part = only(readEvents(t, told.stdout), 'partial')
  t.match(part, { name: 'big.iso', kind: 'file', size: SIZE })
  const bytes = readFileSync(join(folder, part.path))
  t.equal(bytes.length, part.bytes)
  t.ok(bytes.equals(content.subarray(0, part.bytes)), 'it is the beginning of the file')

  const receiver = await startReceiver(t, ['--json', '--once', '--out', 'out'], { cwd: folder })
  const sent = await sendTo(t, receiver, ['in/big.iso'], { cwd: folder, covered: true })
  t.equal(sent.code, 0)
  t.match(sent.stderr, /^tcp-send: sent in\/big\.iso, 12\.0 MB, of which [\d.]+ MB was there before, in /)
  const { code, stdout } = await receiver.done
  t.equal(code, 0)
  const { resumed = 0, path } = only(readEvents(t, stdout), 'stored')
  t.ok(resumed > 0 && resumed <= part.bytes)
  t.ok(readFileSync(join(folder, path)).equals(content))
  t.strictSame(namesIn(join(folder, 'out')), ['big.iso'])
  const none = await runCommand(t, 'tcp-recv', ['--list-partial', '--out', 'out'], { cwd: folder, covered: true })
  t.same(none, { code: 0, signal: null, stdout: '', stderr: 'tcp-recv: nothing is kept in out\n' })
})

t.test('removes it, and says how much it was', parallel, async (t) => {
  const folder = folderOf(t)
  await killedReceiver(t, folder)
  const cleaned = await runCommand(t, 'tcp-recv', ['--clean', '--out', 'out'], { cwd: folder, covered: true })
  t.match(cleaned, { code: 0, stdout: '' })
  t.match(cleaned.stderr, /^tcp-recv: removed what was kept of 1 file or directory, [\d.]+ MB\n$/)
  t.strictSame(filesIn(join(folder, 'out')), {})
  t.strictSame(namesIn(join(folder, 'out')), [])
})

t.test('tells what it has removed as events, and nothing if it is to be quiet', parallel, async (t) => {
  const folder = t.testdir({ out: {} })
  const facts = { owner: '', kind: 'file', size: SIZE, source: 'a', edition: 'b' }
  for (const name of ['one', 'two']) {
    const about = JSON.stringify({ ...facts, name })
    t.testdir({ out: { '.tcp-recv': { kept: { 1: { about, content: 'x' }, 2: { about, content: 'yy' } } } } })
    const args = ['--clean', '--out', 'out', ...(name === 'one' ? ['--json'] : ['--quiet'])]
    const { code, stdout, stderr } = await runCommand(t, 'tcp-recv', args, { cwd: folder, covered: true })
    t.same({ code, stderr }, { code: 0, stderr: '' })
    if (name === 'two') t.equal(stdout, '')
    else t.match(readEvents(t, stdout), [{ event: 'partial', name }, { event: 'partial' }, { files: 2, bytes: 3 }])
    t.strictSame(namesIn(join(folder, 'out')), [])
  }
})

t.test('counts several', parallel, async (t) => {
  const about = JSON.stringify({ owner: '', kind: 'directory', name: 'd', size: null, source: 'a', edition: '' })
  const kept = { 1: { about, content: { a: 'x' } }, 2: { about, content: { b: 'y' } } }
  const folder = t.testdir({ out: { '.tcp-recv': { kept } } })
  const { stderr } = await runCommand(t, 'tcp-recv', ['--clean', '--out', 'out'], { cwd: folder, covered: true })
  t.equal(stderr, 'tcp-recv: removed what was kept of 2 files and directories, 2 B\n')
})

t.test('says what is wrong with the folder', parallel, async (t) => {
  const folder = t.testdir({})
  for (const mode of ['--list-partial', '--clean']) {
    const { code, stdout, stderr } = await runCommand(t, 'tcp-recv', [mode, '--out', 'missing'], { cwd: folder })
    t.same({ code, stdout }, { code: 8, stdout: '' })
    t.equal(stderr, 'tcp-recv: failed: cannot read missing: no such file or directory (ENOENT)\n')
  }
})

t.test('goes on by itself when the receiver is there again, in one transfer', parallel, async (t) => {
  const folder = folderOf(t)
  const { port } = await unusedPlace()
  const place = ['--json', '--host', '127.0.0.1', '--port', port, '--out', 'out']
  const first = start(t, 'tcp-recv', place, { cwd: folder })
  await first.says('stdout', /"event":"listening"/)
  const sender = start(t, 'tcp-send', ['--json', ...slowly, 'in/big.iso', '127.0.0.1', port], { cwd: folder })
  await middle(first)
  await first.kill('SIGKILL')
  const second = start(t, 'tcp-recv', [...place, '--once'], { cwd: folder })
  const sent = await sender.done
  t.equal(sent.code, 0, sent.stdout)
  const events = readEvents(t, sent.stdout)
  const kinds = events.map(({ event }) => event).filter((event) => event !== 'progress' && event !== 'waiting')
  t.strictSame(kinds, ['connected', 'sent', 'ended', 'done'])
  const waits = events.flatMap((event) => (event.event === 'waiting' ? [event] : []))
  t.match(waits[0], { for: 'receiver', seconds: 1, message: /; going on in 1 second$/ })
  t.ok(Number(only(events, 'sent').resumed) > 0)
  t.equal((await second.done).code, 0)
  t.ok(readFileSync(join(folder, 'out/big.iso')).equals(content))
})

t.test('gives up when nobody is there again, and does not say how to wait for it', parallel, async (t) => {
  const folder = folderOf(t)
  const receiver = await startReceiver(t, ['--json', '--out', 'out'], { cwd: folder })
  const args = ['--retry', '1', ...slowly, 'in/big.iso', '127.0.0.1', receiver.port]
  const sender = start(t, 'tcp-send', args, { cwd: folder, covered: true })
  await middle(receiver)
  await receiver.kill('SIGKILL')
  const { code, stderr } = await sender.done
  t.equal(code, 6)
  t.match(stderr, /: cannot connect to .*: nothing listens there \(ECONNREFUSED\); tried again 1 time\n$/)
  t.notMatch(stderr, '--wait')
})

t.test('keeps nothing if it is told so', parallel, async (t) => {
  const folder = folderOf(t)
  const args = ['--json', '--one-attempt', '--keep-partial', '0', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder, covered: true })
  const sender = start(t, 'tcp-send', [...slowly, 'in/big.iso', '127.0.0.1', receiver.port], { cwd: folder })
  await middle(receiver)
  await sender.kill('SIGKILL')
  const { code, stdout } = await receiver.done
  t.equal(code, 6)
  t.notOk('kept' in only(readEvents(t, stdout), 'failed'))
  t.strictSame(namesIn(join(folder, 'out')), [])
})

t.test('says that what came is kept, and goes on there when it is sent again', parallel, async (t) => {
  const folder = folderOf(t)
  const receiver = await startReceiver(t, ['--one-attempt', '--out', 'out', '--keep-partial', '1h'], { cwd: folder })
  const sender = start(t, 'tcp-send', ['--json', ...slowly, 'in/big.iso', '127.0.0.1', receiver.port], { cwd: folder })
  await middle(sender)
  await sender.kill('SIGTERM')
  const { code, stderr } = await receiver.done
  t.equal(code, 6)
  t.match(stderr, /failed big\.iso: .*; what came is kept, and it goes on there when it is sent again\n/)
})
