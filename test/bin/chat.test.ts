/** `tcp-chat` as people and scripts use it: two processes, pipes, and programs that are no tcp-chat. */
import t from 'tap'
import { portOf, runCommand, shell, start, startChat } from '../fixtures/commands.js'

t.test('two talk, and Q of one ends it for both', async (t) => {
  const bob = await startChat(t, ['--name', 'bob', '--once'], { input: 'pipe', covered: true })
  const anna = start(t, 'tcp-chat', ['--name', 'anna', '127.0.0.1', bob.port], { input: 'pipe', covered: true })
  await anna.write('hello bob\n')
  await bob.says('stdout', /^hello bob\n$/)
  await bob.write('hello \u001b[2Janna\n')
  await anna.says('stdout', /^hello \\u\{1b\}\[2Janna\n$/)
  await anna.write('/who\n')
  await anna.says('stderr', /tcp-chat: here: bob, anna\n/)
  await anna.write('Q\nnever said\n')
  const [one, other] = await Promise.all([anna.done, bob.done])
  t.match(
    [one, other],
    [
      { code: 0, signal: null },
      { code: 0, signal: null },
    ],
  )
  t.equal(other.stdout, 'hello bob\n')
  t.match(other.stderr, /tcp-chat: anna has joined \(127\.0\.0\.1:\d+\)\ntcp-chat: anna has left\n$/)
  t.match(one.stderr, /^tcp-chat: talking to bob; you are anna\n/)
})

t.test('what comes before the partner does is said to the partner, and all of it arrives', async (t) => {
  const count = 20_000
  const input = Array.from({ length: count }, (_, index) => `line ${index}\n`).join('')
  const bob = await startChat(t, [], { input })
  const anna = await runCommand(t, 'tcp-chat', [`127.0.0.1:${bob.port}`], { stdio: ['pipe', 'pipe', 'pipe'] })
  t.equal(anna.code, 0)
  t.ok(anna.stdout === input)
  t.equal((await bob.done).code, 0)
})

t.test('a log in a pipe is said whole, also its last line without an end', async (t) => {
  const bob = await startChat(t, ['--once'])
  const lines = Array.from({ length: 5_000 }, (_, index) => `${index} äöü`).join('\n')
  t.equal((await runCommand(t, 'tcp-chat', ['127.0.0.1', bob.port], { input: lines })).code, 0)
  const { code, stdout } = await bob.done
  t.equal(code, 0)
  t.ok(stdout === `${lines}\n`)
})

t.test('nc on either side', async (t) => {
  const bob = await startChat(t, ['--once'], { input: 'pipe' })
  const nc = shell(t, 'nc 127.0.0.1 "$PORT"', { PORT: bob.port }, { input: 'pipe' })
  await nc.write('hello from nc\n')
  await bob.says('stdout', /^hello from nc\n$/)
  await bob.write('hello nc\n')
  await nc.says('stdout', /^hello nc\n$/)
  await nc.write('Q\n')
  t.equal((await bob.done).code, 0)
  t.match(bob.stderr, /guest has joined \(127.0.0.1:\d+, no tcp-chat\)\ntcp-chat: guest has left/)
})

t.test('the events of --json are all of them, one on each line', async (t) => {
  const bob = await startChat(t, ['--name', 'bob', '--json', '--once'])
  const anna = start(t, 'tcp-chat', ['--name', 'anna', '--json', '127.0.0.1', bob.port], { input: 'a\u202eb\n' })
  t.equal((await anna.done).code, 0)
  const { code, stdout, stderr } = await bob.done
  t.same({ code, stderr }, { code: 0, stderr: '' })
  t.notMatch(stdout, '\u202e')
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(events, [
    { v: 1, event: 'listening', port: Number(bob.port) },
    { event: 'joined', name: 'anna', peer: /^127/ },
    { event: 'line', from: 'anna', text: 'a\u202eb' },
    { event: 'left', name: 'anna', reason: 'left' },
    { event: 'done', linesIn: 1, linesOut: 0, exitCode: 0 },
  ])
  t.match(JSON.parse(anna.stdout.split('\n')[0] as string), { event: 'joined', name: 'bob', you: 'anna', room: false })
})

t.test('ends with the exit status that says why', async (t) => {
  const bob = await startChat(t, [], { input: 'pipe' })
  const first = start(t, 'tcp-chat', ['127.0.0.1', bob.port], { input: 'pipe' })
  await bob.says('stderr', /has joined/)
  const busy = await runCommand(t, 'tcp-chat', ['127.0.0.1', bob.port])
  t.equal(busy.code, 5)
  t.match(busy.stderr, /^tcp-chat: failed: the other side has turned you away \(it talks to somebody else/)
  t.equal((await first.kill('SIGINT')).code, 130)
  await bob.says('stderr', /has left/)
  t.equal((await bob.kill('SIGTERM')).code, 143)
  t.equal((await runCommand(t, 'tcp-chat', ['127.0.0.1', bob.port])).code, 3)
  t.equal((await runCommand(t, 'tcp-chat', ['--host', '127.0.0.1', '--port', '0', '--wait', '0.05'])).code, 9)
  t.equal((await runCommand(t, 'tcp-chat', [])).code, 2)
})

t.test('a reader of the lines that has gone ends it', async (t) => {
  const bob = await startChat(t, [], { input: 'pipe' })
  const line = shell(t, '$CHAT 127.0.0.1 "$PORT" | head -1', { PORT: bob.port }, { input: 'pipe', covered: true })
  await bob.says('stderr', /has joined/)
  await bob.write('one\n')
  await line.says('stdout', /^one\n$/)
  for (let round = 0; round < 100 && !/has gone/.test(bob.stderr); round++)
    await Promise.race([bob.says('stderr', /has gone/), bob.write(`${'x'.repeat(4000)}\n`)])
  t.match(await line.done, { code: 8, stdout: 'one\n' })
})

t.test('an input that ends, or cannot be read, before somebody comes', async (t) => {
  const waiting = await startChat(t, [], { input: 'nobody hears this\n', covered: true })
  t.equal((await waiting.kill('SIGTERM')).code, 143)
  const bob = shell(t, '$CHAT --host 127.0.0.1 --port 0 --name bob </', {}, { covered: true })
  const port = await portOf(bob)
  const anna = shell(
    t,
    'printf "hello\\n/who" | $CHAT --name anna 127.0.0.1 "$PORT"',
    { PORT: port },
    { covered: true },
  )
  t.match(await anna.done, { code: 0, stderr: /talking to bob/ })
  t.match(await bob.done, { code: 0, stdout: 'hello\n' })
})

t.test('over UDP a side that listens shows who says what, and --quiet only what fails', async (t) => {
  const bob = await startChat(t, ['--udp', '--quiet', '--json'], { covered: true })
  const carl = await startChat(t, ['--udp'], { input: 'pipe', covered: true })
  for (const { port } of [bob, carl]) {
    const args = ['--udp', '--quiet', '127.0.0.1', port]
    t.match(await runCommand(t, 'tcp-chat', args, { input: 'hello\n', covered: true }), { code: 0, stderr: '' })
  }
  await bob.says('stdout', /"event":"line","from":"peer-1","text":"hello"/)
  await carl.says('stdout', /^peer-1: hello\n$/)
  await carl.write('/quit\n')
  t.equal((await carl.done).code, 0)
  t.match(await bob.kill('SIGINT'), { code: 130, stderr: '' })
})
