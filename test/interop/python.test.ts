/** The protocol spoken by a stranger: the two ends in plain Python against the commands, and against each other. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sendTo, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { listenAsPeer, Peer } from '../fixtures/peer.js'
import { digest, frame, sha256 } from '../fixtures/peer-frames.js'
import { sourceOf, startPython, startPythonReceiver } from '../fixtures/python.js'
import { withoutProgram } from '../fixtures/required.js'

const skip = withoutProgram('python3')

const contents: Record<string, Buffer> = {
  'small.txt': Buffer.from('hello\n'),
  'large.bin': bytesOf(5_000_000),
  empty: Buffer.alloc(0),
  'ä name ☃.txt': bytesOf(1025),
}
const names = Object.keys(contents)

t.test('the Python sender sends to tcp-recv', { skip }, async (t) => {
  const folder = t.testdir({ ...contents, out: {} })
  const receiver = await startReceiver(t, ['--json', '--count', String(names.length), '--out', join(folder, 'out')])
  for (const name of names) {
    const { code, stdout, stderr } = await startPython(t, 'send', [join(folder, name), '127.0.0.1', receiver.port]).done
    t.equal(code, 0, stderr)
    t.match(stdout, sha256(contents[name] as Buffer), 'it is told the digest of what was stored')
  }
  const { code, stdout } = await receiver.done
  t.equal(code, 0)
  const stored = readEvents(t, stdout).filter(({ event }) => event === 'stored')
  t.match(
    stored,
    names.map((name) => ({ name, size: contents[name]?.length, verified: true })),
  )
  for (const name of names) t.ok(readFileSync(join(folder, 'out', name)).equals(contents[name] as Buffer), name)
})

t.test('the Python sender succeeds with a file that is reused', { skip }, async (t) => {
  const folder = t.testdir({ 'a.txt': 'hello', out: { 'a.txt': 'hello' } })
  const args = ['--json', '--if-exists', 'reuse', '--count', '2', '--out', join(folder, 'out')]
  const receiver = await startReceiver(t, args)
  for (const content of ['hello', 'other']) {
    writeFileSync(join(folder, 'a.txt'), content)
    const { code, stderr } = await startPython(t, 'send', [join(folder, 'a.txt'), '127.0.0.1', receiver.port]).done
    t.equal(code, 0, stderr)
  }
  const stored = readEvents(t, (await receiver.done).stdout).filter(({ event }) => event === 'stored')
  t.match(stored, [
    { path: join(folder, 'out/a.txt'), reused: true },
    { path: join(folder, 'out/a_bak.txt'), reused: undefined },
  ])
  t.strictSame(filesIn(join(folder, 'out')), { 'a.txt': 'hello', 'a_bak.txt': 'other' })
})

t.test('tcp-send sends to the Python receiver', { skip }, async (t) => {
  const folder = t.testdir({ ...contents, out: {} })
  const { receiver, port } = await startPythonReceiver(t, join(folder, 'out'))
  const sent = await sendTo(t, { port }, ['--json', ...names], { cwd: folder })
  t.equal(sent.code, 0)
  const events = readEvents(t, sent.stdout).filter(({ event }) => event === 'sent')
  // In which order they come depends on how many were sent before the greeting came, and then again.
  t.match(
    names.map((name) => events.find((event) => event.event === 'sent' && event.name === name)),
    names.map((name) => ({ name, storedAs: name, blake3: digest(contents[name] as Buffer), verified: true })),
  )
  const { code, stdout } = await receiver.done
  t.equal(code, 0)
  t.strictSame(stdout.trim().split('\n').sort(), names.map((name) => join(folder, 'out', name)).sort())
  t.strictSame(namesIn(join(folder, 'out')), names.toSorted(), 'and nothing else is left there')
  for (const name of names) t.ok(readFileSync(join(folder, 'out', name)).equals(contents[name] as Buffer), name)
})

t.test('tcp-send compresses nothing for the Python receiver, whatever it is told', { skip }, async (t) => {
  const folder = t.testdir({ 'a.txt': 'again and '.repeat(200_000), out: {} })
  const { receiver, port } = await startPythonReceiver(t, join(folder, 'out'))
  const sent = await sendTo(t, { port }, ['--json', '--compress', 'always', 'a.txt'], { cwd: folder })
  t.equal(sent.code, 0)
  const events = readEvents(t, sent.stdout)
  t.match(only(events, 'warning'), { reason: 'uncompressed' })
  t.equal(only(events, 'sent').wire, undefined)
  t.equal((await receiver.done).code, 0)
  t.equal(readFileSync(join(folder, 'out/a.txt'), 'utf8'), 'again and '.repeat(200_000))
})

t.test('the Python ends understand each other', { skip }, async (t) => {
  const folder = t.testdir({ ...contents, out: {} })
  for (const name of names) {
    const { receiver, port } = await startPythonReceiver(t, join(folder, 'out'))
    t.equal((await startPython(t, 'send', [join(folder, name), '127.0.0.1', port]).done).code, 0)
    t.equal((await receiver.done).code, 0)
    t.ok(readFileSync(join(folder, 'out', name)).equals(contents[name] as Buffer), name)
  }
})

t.test('the Python sender fails when tcp-recv refuses its name, and says why', { skip }, async (t) => {
  const folder = t.testdir({ '.hidden': 'hello', out: {} })
  const receiver = await startReceiver(t, ['--json', '--out', join(folder, 'out')])
  const sent = await startPython(t, 'send', [join(folder, '.hidden'), '127.0.0.1', receiver.port]).done
  t.match(sent, { code: 1, stderr: /^refused: '.*begins with a dot/ })
  t.match(only(readEvents(t, (await receiver.kill('SIGTERM')).stdout), 'refused'), { name: '.hidden', reason: 'name' })
  t.strictSame(namesIn(join(folder, 'out')), [])
})

t.test('tcp-send fails when the Python receiver refuses its name, and the other files arrive', { skip }, async (t) => {
  const folder = t.testdir({ a: '1', '.hidden': '2', b: '3', out: {} })
  const { receiver, port } = await startPythonReceiver(t, join(folder, 'out'))
  const sent = await sendTo(t, { port }, ['--json', 'a', '.hidden', 'b'], { cwd: folder })
  t.equal(sent.code, 5)
  const events = readEvents(t, sent.stdout)
  t.match(only(events, 'failed'), { name: '.hidden', code: 'refused', reason: 'policy', message: /no such names here/ })
  t.match(only(events, 'done'), { files: 2, exitCode: 5 })
  t.equal((await receiver.done).code, 0)
  t.strictSame(namesIn(join(folder, 'out')), ['a', 'b'])
})

t.test('the Python receiver overwrites nothing', { skip }, async (t) => {
  const folder = t.testdir({ a: 'new', out: { a: 'old' } })
  const { receiver, port } = await startPythonReceiver(t, join(folder, 'out'))
  t.equal((await sendTo(t, { port }, ['a'], { cwd: folder })).code, 5)
  await receiver.done
  t.equal(readFileSync(join(folder, 'out/a'), 'utf8'), 'old')
  t.strictSame(namesIn(join(folder, 'out')), ['a'])
})

t.test('the Python receiver does not take a sender that was killed for one that has finished', { skip }, async (t) => {
  const folder = t.testdir({ out: {} })
  const { receiver, port } = await startPythonReceiver(t, join(folder, 'out'))
  const sender = start(t, 'tcp-send', ['--name', 'half', '-', '127.0.0.1', port], { input: 'pipe' })
  await sender.write(bytesOf(3_000_000))
  await sender.kill('SIGKILL')
  const { code, stdout, stderr } = await receiver.done
  t.not(code, 0)
  t.equal(stdout, '')
  t.match(stderr, 'the connection ended before the sender had finished')
  t.notOk(namesIn(join(folder, 'out')).includes('half'))
})

t.test('the Python receiver stores no message as if it were a file', { skip }, async (t) => {
  const folder = t.testdir({ out: {} })
  const { receiver, port } = await startPythonReceiver(t, join(folder, 'out'))
  const sent = await sendTo(t, { port }, ['--json', '--text', 'hello'])
  t.equal(sent.code, 5, 'a receiver refuses a field that it must understand and does not know')
  t.match(only(readEvents(t, sent.stdout), 'failed'), { code: 'refused', reason: 'field', message: /!kind/ })
  await receiver.done
  t.notOk(namesIn(join(folder, 'out')).includes('message'))
})

/** What a later version may add without a new number: the programs of today must go on working with it. */
const later = [frame('x', { later: [1, { a: 2 }] }), frame('a', { later: null })]
const more = { later: { a: 1 }, 'x-later': null }

t.test(
  'the Python receiver skips what it need not know, and refuses an entry that it does not know',
  { skip },
  async (t) => {
    const folder = t.testdir({ out: {} })
    const { receiver, port } = await startPythonReceiver(t, join(folder, 'out'))
    const peer = await Peer.dial(t, Number(port))
    const directory = { name: 'photos', size: 5, '!kind': 'directory' }
    const entry = (header: object, content: string) => [
      frame('H', { ...header, ...more }),
      ...later,
      frame('D', Buffer.from(content)),
      ...later,
      frame('E', { bytes: content.length, sha256: sha256(content), ...more }),
      ...later,
    ]
    peer.finish(
      Buffer.from('tcp-send'),
      frame('G', { version: 1, digest: 'sha256', features: ['later'], ...more }),
      ...later,
      ...entry(directory, 'hello'),
      ...entry({ name: 'a.txt', size: 5 }, 'hello'),
      ...entry({ name: 'b.txt', size: 5, '!later': true }, 'hello'),
      frame('F', { entries: 3, ...more }),
    )
    t.equal(await peer.ended, 'end')
    t.match(
      peer.frames.map(({ type, fields }) => [type, fields]),
      [
        ['G', { version: 1 }],
        ['R', { entry: 0, reason: 'field', message: /!kind/ }],
        ['S', { entry: 1, name: 'a.txt', bytes: 5, sha256: sha256('hello') }],
        ['R', { entry: 2, reason: 'field', message: /!later/ }],
      ],
    )
    t.match(await receiver.done, { code: 0, stdout: join(folder, 'out', 'a.txt') })
    t.strictSame(namesIn(join(folder, 'out')), ['a.txt'])
  },
)

t.test('the Python sender skips what it need not know', { skip }, async (t) => {
  const path = join(t.testdir({ 'a.txt': 'hello' }), 'a.txt')
  const stored = { entry: 0, name: 'b.txt', bytes: 5, sha256: sha256('hello') }
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.next('G')
    const greeting = frame('G', { version: 1, digest: 'sha256', features: ['later', 'resume-2'], ...more })
    await peer.write('tcp-recv', greeting, ...later, frame('B', { entry: 0, bytes: 0, ...more }), ...later)
    await peer.next('F')
    peer.finish(...later, frame('S', { ...stored, ...more }), ...later)
  })
  const { code, stdout, stderr } = await startPython(t, 'send', [path, '127.0.0.1', `${port}`]).done
  t.equal(code, 0, stderr)
  t.equal(stdout, `${sha256('hello')} 'b.txt'\n`)
})

t.test('the Python sender says why it is refused, also after what it need not know', { skip }, async (t) => {
  const path = join(t.testdir({ 'a.txt': 'hello' }), 'a.txt')
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.next('F')
    const refused = frame('R', { entry: null, reason: 'later', message: 'not today', ...more })
    peer.finish('tcp-recv', frame('G', { version: 1, features: [] }), ...later, refused)
  })
  const sent = await startPython(t, 'send', [path, '127.0.0.1', `${port}`]).done
  t.match(sent, { code: 1, stderr: "refused: 'not today'" })
})

t.test('each of them is short enough to be read at once', async (t) => {
  for (const end of ['send', 'recv'] as const) {
    const lines = sourceOf(end).trimEnd().split('\n')
    t.ok(lines.length < 60, `${end}.py has ${lines.length} lines`)
  }
})
