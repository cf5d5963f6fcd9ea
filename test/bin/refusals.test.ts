import { mkdirSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  portOf,
  type Receiver,
  runCommand,
  type StartOptions,
  sendTo,
  start,
  startReceiver,
} from '../fixtures/commands.js'
import { filesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { jumpingClock, jumpUntil } from '../fixtures/jumping-clock.js'

interface Refusal {
  title: string
  receive?: string[]
  send: string[]
  input?: string
  /** The code that a program reads, and the words that a person reads on both sides. */
  code: string
  words: RegExp
}

const refusals: Refusal[] = [
  {
    title: 'a name that is taken',
    receive: ['--if-exists', 'fail'],
    send: ['old'],
    code: 'exists',
    words: /it has "old" already/,
  },
  {
    title: 'a folder in the place of a file',
    receive: ['--if-exists', 'overwrite'],
    send: ['--name', 'folder', 'a.txt'],
    code: 'exists',
    words: /it has a folder named "folder"/,
  },
  {
    title: 'a type that is not accepted',
    receive: ['--accept', 'image/*', '--accept', 'text/html'],
    send: ['a.txt'],
    code: 'type',
    words: /it takes only image\/\*, text\/html, and this is text\/plain/,
  },
  {
    title: 'a file over the limit',
    receive: ['--max-size', '2'],
    send: ['a.txt'],
    code: 'too-large',
    words: /the file has 5 bytes or more, and the limit is 2/,
  },
  {
    title: 'a stream that grows over the limit',
    receive: ['--max-size', '1k'],
    send: ['-'],
    input: 'x'.repeat(4096),
    code: 'too-large',
    words: /the file has \d+ bytes or more, and the limit is 1024/,
  },
  {
    title: 'a hidden name',
    send: ['--name', '.bashrc', 'a.txt'],
    code: 'name',
    words: /it begins with a dot .*--allow-hidden/,
  },
  {
    title: 'a name of control characters',
    send: ['\u001b[2Ja'],
    code: 'name',
    words: /"\\u\{1b\}\[2Ja" is refused: it holds a control/,
  },
  {
    title: 'more bytes than are free',
    send: ['huge'],
    code: 'no-space',
    words: /the file has \d+ bytes, and only \d+ are free there/,
  },
]

/** Files to send, and an `out` in which two names are taken. */
const files = {
  'a.txt': 'hello',
  '\u001b[2Ja': '',
  old: 'new',
  huge: '',
  out: { old: 'old', folder: { inner: 'kept' } },
}

/** That the receiver still takes files: it ends with 0 after one more transfer. */
async function stillReceives(t: Test, receiver: Receiver, options: StartOptions): Promise<number | null> {
  await sendTo(t, receiver, ['--name', 'after.html', 'a.txt'], options)
  return (await receiver.done).code
}

t.jobs = 2
for (const { title, receive = [], send, input, code, words } of refusals) {
  t.test(`refuses ${title}, tells both ends, and goes on`, { buffered: true }, async (t) => {
    const folder = t.testdir(files)
    const { bavail, bsize } = statfsSync(folder)
    // A hole in a file takes no space here; where the disk is too large for such a file, the test says so.
    if (code === 'no-space') truncateSync(join(folder, 'huge'), bavail * bsize + 1e12)
    const options = { cwd: folder }
    const args = ['--json', '--once', '--out', join(folder, 'out'), ...receive]
    const receiver = await startReceiver(t, args, options)
    const sender = await sendTo(t, receiver, ['--json', ...send], { ...options, ...(input ? { input } : {}) })
    t.equal(sender.code, 5)
    const failed = only(readEvents(t, sender.stdout), 'failed')
    t.match(failed, { code: 'refused', reason: code, message: words })
    t.notMatch(failed.message, folder, 'no local path is told')
    // A file of 2 bytes goes below every limit here.
    writeFileSync(join(folder, 'a.txt'), 'ok')
    t.equal(await stillReceives(t, receiver, options), 0)
    t.match(only(readEvents(t, receiver.stdout), 'refused'), { reason: code, message: words })
    t.same(filesIn(join(folder, 'out/folder')), { inner: 'kept' })
    rmSync(join(folder, 'out/folder'), { recursive: true })
    t.same(filesIn(join(folder, 'out')), { old: 'old', 'after.html': 'ok' })
  })
}

t.test('skips what is there: a refusal for the sender, and as it should be for the receiver', async (t) => {
  const folder = t.testdir(files)
  const args = ['--once', '--if-exists', 'skip', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder })
  const sender = await sendTo(t, receiver, ['old'], { cwd: folder })
  t.equal(sender.code, 5)
  t.match(sender.stderr, 'tcp-send: failed: old: the receiver refused it: it has "old" already and skips it')
  const { code, stdout } = await receiver.done
  t.equal(code, 0)
  t.equal(stdout, '')
  t.equal(readFileSync(join(folder, 'out/old'), 'utf8'), 'old')
})

t.test('waits for another try, says how long, and exits with the refusal when there is none', async (t) => {
  const folder = t.testdir(files)
  const args = ['--once', '--wait', '60', '--if-exists', 'fail', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder, covered: true, preload: jumpingClock })
  t.equal((await sendTo(t, receiver, ['old'], { cwd: folder })).code, 5)
  await receiver.says('stderr', /waiting up to/)
  const { code, stdout, stderr } = await jumpUntil(receiver, receiver.done)
  t.strictSame({ code, stdout }, { code: 5, stdout: '' })
  const said = stderr
    .replace(/ from 127\.0\.0\.1:\d+/, '')
    .split('\n')
    .slice(1)
  t.strictSame(said, [
    'tcp-recv: refused old: it has "old" already',
    'tcp-recv: waiting up to 30 seconds for a sender to try again',
    'tcp-recv: failed: the sender was refused: it has "old" already; no sender came back within 30 seconds',
    '',
  ])
})

t.test('with --one-attempt ends at once with what came of the first sender, on both sides', async (t) => {
  const folder = t.testdir(files)
  const options = { cwd: folder, covered: true }
  const args = ['--one-attempt', '--timeout', '600', '--if-exists', 'fail', '--out', 'out']
  const refusing = await startReceiver(t, args, options)
  t.equal((await sendTo(t, refusing, ['old'], { cwd: folder })).code, 5)
  const refused = await refusing.done
  t.equal(refused.code, 5)
  t.match(refused.stderr, /^tcp-recv: refused old from .*\n$/m)
  t.notMatch(refused.stderr, 'waiting')
  const taking = await startReceiver(t, args, options)
  t.equal((await sendTo(t, taking, ['a.txt'], { cwd: folder })).code, 0)
  t.match(await taking.done, { code: 0, stdout: 'out/a.txt\n' })

  const listening = ['--listen', '--one-attempt', '--timeout', '600', '--host', '127.0.0.1', '--port', '0', 'old']
  const sender = start(t, 'tcp-send', listening, options)
  const connect = ['--connect', '127.0.0.1', '--port', await portOf(sender)]
  const fetching = await runCommand(t, 'tcp-recv', [...connect, '--if-exists', 'fail', '--out', 'out'], { cwd: folder })
  t.equal(fetching.code, 5)
  t.match(await sender.done, {
    code: 5,
    stderr: /^tcp-send: failed: old: the receiver refused it: it has "old" already$/m,
  })
})

t.test('refuses more files than it takes, and keeps those before', async (t) => {
  const folder = t.testdir({ a: '1', b: '2', c: '3', d: '4' })
  const receiver = await startReceiver(t, ['--json', '--max-files', '2', '--out', 'out'], { cwd: folder })
  const sender = await sendTo(t, receiver, ['--json', 'a', 'b', 'c', 'd'], { cwd: folder })
  t.equal(sender.code, 5)
  const events = readEvents(t, sender.stdout)
  t.match(
    events.find(({ event }) => event === 'failed'),
    { reason: 'files', message: /it takes at most 2 files in one transfer/ },
  )
  t.equal(only(events, 'done').files, 2)
  t.same(filesIn(join(folder, 'out')), { a: '1', b: '2' })
})

t.test('refuses a second transfer when it takes one, and a connection over its limit', async (t) => {
  for (const limit of [['--once'], ['--max-connections', '1', '--count', '1']]) {
    const folder = t.testdir({ 'a.txt': 'hello' })
    const options = { cwd: folder }
    const receiver = await startReceiver(t, ['--json', '--out', 'out', ...limit], options)
    const first = start(t, 'tcp-send', ['--name', 'first', '-', '127.0.0.1', receiver.port], {
      input: 'pipe',
    })
    await receiver.says('stdout', /"event":"progress"/)
    const second = await sendTo(t, receiver, ['--json', 'a.txt'], options)
    t.equal(second.code, 5)
    t.match(only(readEvents(t, second.stdout), 'failed'), { reason: 'busy' })
    first.end()
    t.equal((await first.done).code, 0)
    t.equal((await receiver.done).code, 0)
    t.same(filesIn(join(folder, 'out')), { first: '' })
  }
})

t.test('tells the sender when the folder has gone, and recovers when it is back', async (t) => {
  const folder = t.testdir({ 'a.txt': 'hello', out: {} })
  const options = { cwd: folder }
  const receiver = await startReceiver(
    t,
    ['--json', '--count', '1', '--timeout', '60', '--out', join(folder, 'out')],
    options,
  )
  rmSync(join(folder, 'out'), { recursive: true })
  const sender = await sendTo(t, receiver, ['--json', 'a.txt'], options)
  t.equal(sender.code, 5)
  t.match(only(readEvents(t, sender.stdout), 'failed'), {
    reason: 'disk',
    message: /no such file or directory \(ENOENT\)/,
  })
  t.notMatch(sender.stdout, folder)
  await receiver.says('stdout', /"event":"failed".*"code":"local-file"/)
  mkdirSync(join(folder, 'out'))
  t.equal((await sendTo(t, receiver, ['a.txt'], options)).code, 0)
  t.equal((await receiver.done).code, 0)
  t.same(filesIn(join(folder, 'out')), { 'a.txt': 'hello' })
})
