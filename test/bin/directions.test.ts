import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { portOf, type Running, runCommand, sendTo, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn } from '../fixtures/folder.js'
import { gate } from '../fixtures/gate.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { unusedPlace } from '../fixtures/ports.js'

t.jobs = 3
const parallel = { buffered: true }

/** `tcp-send --listen` on a free loopback port, once it listens. */
async function startSender(t: Test, args: string[], cwd: string): Promise<{ sender: Running; port: string }> {
  const all = ['--listen', '--host', '127.0.0.1', '--port', '0', ...args]
  const sender = start(t, 'tcp-send', all, { cwd, covered: true })
  return { sender, port: await portOf(sender) }
}

function connect(port: string, ...args: string[]): string[] {
  return ['--connect', '127.0.0.1', '--port', port, ...args]
}

t.test('a receiver fetches what a sender has to offer', parallel, async (t) => {
  const folder = t.testdir({ 'a.txt': 'one', b: 'two' })
  const { sender, port } = await startSender(t, ['--json', 'a.txt', 'b'], folder)
  const args = connect(port, '--json', '--out', 'out')
  const received = await runCommand(t, 'tcp-recv', args, { cwd: folder, covered: true })
  const sent = await sender.done
  t.equal(sent.code, 0)
  t.equal(received.code, 0)
  t.same(filesIn(join(folder, 'out')), { 'a.txt': 'one', b: 'two' })
  const offered = readEvents(t, sent.stdout)
  t.match(only(offered, 'listening'), { address: '127.0.0.1', port: Number(port) })
  t.match(only(offered, 'done'), { files: 2, bytes: 6, exitCode: 0 })
  const fetched = readEvents(t, received.stdout)
  t.match(only(fetched, 'connected'), { transfer: 1, peer: `127.0.0.1:${port}` })
  t.match(only(fetched, 'done'), { files: 2, bytes: 6, exitCode: 0 })
})

t.test('a sender serves as many receivers as it was told', parallel, async (t) => {
  const folder = t.testdir({ file: 'hello' })
  const { sender, port } = await startSender(t, ['--json', '--count', '3', 'file'], folder)
  const fetch = () => runCommand(t, 'tcp-recv', connect(port, '--out', 'out'), { cwd: folder })
  const codes = (await Promise.all([fetch(), fetch(), fetch()])).map(({ code }) => code)
  t.same(codes, [0, 0, 0])
  const { code, stdout } = await sender.done
  t.equal(code, 0)
  t.match(only(readEvents(t, stdout), 'done'), { files: 3, bytes: 15 })
  t.same(filesIn(join(folder, 'out')), { file: 'hello', file_bak: 'hello', file_bak2: 'hello' })
})

t.test('a sender that was told no number serves until it is stopped', parallel, async (t) => {
  const folder = t.testdir({ file: 'hello' })
  const { sender, port } = await startSender(t, ['--count', '0', 'file'], folder)
  const args = connect(port, '--out', '-')
  for (let time = 0; time < 2; time++) t.equal((await runCommand(t, 'tcp-recv', args)).stdout, 'hello')
  t.equal((await sender.kill('SIGTERM')).code, 143)
})

t.test('standard input is served once, to the receiver that comes', parallel, async (t) => {
  const folder = t.testdir()
  const args = ['--listen', '--host', '127.0.0.1', '--port', '0', '--name', 'x', '-']
  const sender = start(t, 'tcp-send', args, { input: bytesOf(1_000_000) })
  const received = await runCommand(t, 'tcp-recv', connect(await portOf(sender), '--out', folder))
  t.equal(received.code, 0)
  t.equal((await sender.done).code, 0)
  t.ok(readFileSync(join(folder, 'x')).equals(bytesOf(1_000_000)))
})

t.test('the receiver may start before the sender, and both give up in time', parallel, async (t) => {
  const folder = t.testdir({ file: 'hello' })
  const { host, port } = await unusedPlace()
  const args = ['--connect', host, '--port', port, '--wait', '120', '--out', 'out']
  const receiver = start(t, 'tcp-recv', args, { cwd: folder })
  const alone = ['--listen', '--host', '127.0.0.1', '--port', '0', '--wait', '0.3', 'file']
  const lonely = await runCommand(t, 'tcp-send', alone, { cwd: folder })
  t.match(lonely, { code: 9, stderr: /^tcp-send: failed: no receiver came within 0\.3 seconds$/m })
  t.equal(receiver.child.exitCode, null)
  const sender = start(t, 'tcp-send', ['--listen', '--host', host, '--port', port, 'file'], { cwd: folder })
  t.equal((await sender.done).code, 0)
  t.equal((await receiver.done).code, 0)
  const late = await runCommand(t, 'tcp-recv', args.with(5, '0.1'), { cwd: folder })
  t.match(late, { code: 3, stderr: /^tcp-recv: failed: cannot connect to /m })
})

t.test('a receiver that refuses fails, and the sender waits for another', parallel, async (t) => {
  const folder = t.testdir({ 'file.txt': 'hello' })
  const { sender, port } = await startSender(t, ['file.txt'], folder)
  const args = connect(port, '--accept', 'image/*', '--out', 'out')
  const refusing = await runCommand(t, 'tcp-recv', args, { cwd: folder })
  t.match(refusing, { code: 5, stderr: 'tcp-recv: refused file.txt from 127.0.0.1:' })
  t.equal((await runCommand(t, 'tcp-recv', connect(port, '--out', 'out'), { cwd: folder })).code, 0)
  t.equal((await sender.done).code, 0)
})

t.test('a plain sender needs no more than a connection, and says that nothing is verified', parallel, async (t) => {
  const bytes = bytesOf(1_000_000)
  const folder = t.testdir({ file: bytes })
  const pieces: Buffer[] = []
  const ended = gate()
  const server = createServer((socket) => {
    socket.on('data', (piece) => pieces.push(piece)).once('end', ended.open)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => void server.close())
  const port = String((server.address() as { port: number }).port)
  const sent = await sendTo(t, { port }, ['--plain', 'file'], { cwd: folder, covered: true })
  t.match(sent, { code: 0, stdout: '', stderr: /^tcp-send: sent file, .*, blake3 [0-9a-f]{64}, NOT VERIFIED\n$/ })
  await ended.opened
  t.ok(Buffer.concat(pieces).equals(bytes), 'the bytes of the file, and no other')
})

t.test(
  'a plain sender that is interrupted resets the connection, and the receiver stores nothing',
  parallel,
  async (t) => {
    const folder = t.testdir()
    const receiver = await startReceiver(t, ['--plain', '--json', '--one-attempt', '--out', 'out'], {
      cwd: folder,
    })
    const sender = start(t, 'tcp-send', ['--plain', '-', '127.0.0.1', receiver.port], { input: 'pipe' })
    await sender.write(bytesOf(100_000))
    await receiver.says('stdout', /"event":"progress"/)
    t.equal((await sender.kill('SIGINT')).code, 130)
    t.equal((await receiver.done).code, 6)
    t.same(filesIn(join(folder, 'out')), {})
  },
)

t.test('both sides keep their limit', parallel, async (t) => {
  const content = bytesOf(100_000)
  const folder = t.testdir({ file: content })
  for (const [ofSender, ofReceiver] of [
    [['--limit', '64K'], []],
    [[], ['--limit', '64K']],
  ] as const) {
    const receiver = start(t, 'tcp-recv', ['--once', '--port', '0', '--out', 'out', '--json', ...ofReceiver], {
      cwd: folder,
      covered: true,
    })
    const port = await portOf(receiver)
    const begin = performance.now()
    const sent = await runCommand(t, 'tcp-send', [...ofSender, 'file', '127.0.0.1', port], {
      cwd: folder,
      covered: true,
    })
    t.equal(sent.code, 0)
    t.equal((await receiver.done).code, 0)
    t.ok(performance.now() - begin >= 500)
  }
  t.same(filesIn(join(folder, 'out')), { file: String(content), file_bak: String(content) })
})
