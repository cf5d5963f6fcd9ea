/** The check for peers of other people: it passes our own programs and those in Python, and notices what is wrong. */
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Running, start, startReceiver } from '../fixtures/commands.js'
import { freePort } from '../fixtures/free-port.js'
import { frame } from '../fixtures/peer-frames.js'
import { startPython } from '../fixtures/python.js'
import { withoutProgram } from '../fixtures/required.js'

const skip = withoutProgram('python3')
const program = fileURLToPath(new URL('../../scripts/conformance/run.js', import.meta.url))

function check(t: Test, args: string[]): Running {
  return new Running(t, process.execPath, [program, ...args], {})
}

/** Starts a sender for each of the four receivers. Returns what the check says, and how the senders ended. */
async function checkSender(t: Test, args: string[], startSender: (port: string) => Running) {
  const running = check(t, ['--sender', '0', ...args])
  const codes: (number | null)[] = []
  for (const times of [1, 2, 3, 4]) {
    const pattern = new RegExp(`(?:listening on (\\d+)[^]*?){${times}}\\n`)
    const [, port = ''] = await running.says('stderr', pattern)
    codes.push((await startSender(port).done).code)
  }
  return { ...(await running.done), codes }
}

t.test('tcp-recv does everything that the document says', async (t) => {
  const receiver = await startReceiver(t, ['--out', t.testdir()])
  const { code, stdout } = await check(t, ['--strict', '--receiver', `127.0.0.1:${receiver.port}`]).done
  t.equal(code, 0, stdout)
  t.match(stdout, /^46 ok, 0 lax, 0 not ok$/m)
})

t.test('the Python receiver passes', { skip }, async (t) => {
  const port = await freePort()
  const folder = t.testdir()
  let over = false
  const again = async () => {
    while (!over) await startPython(t, 'recv', [port, folder]).done
  }
  void again()
  t.teardown(() => {
    over = true
  })
  const { code, stdout } = await check(t, ['--receiver', `127.0.0.1:${port}`]).done
  over = true
  t.equal(code, 0, stdout)
  t.match(stdout, /^lax {5}an unknown upper-case frame \(Invalid input\): entry 0 is stored$/m)
})

t.test('tcp-send does everything that the document says', async (t) => {
  const folder = t.testdir({ small: 'hello\n', large: 'a'.repeat(2_500_000) })
  const files = [join(folder, 'small'), join(folder, 'large')]
  const { code, codes, stdout } = await checkSender(t, ['--strict'], (port) =>
    start(t, 'tcp-send', [...files, '127.0.0.1', port]),
  )
  t.equal(code, 0, stdout)
  t.strictSame(codes, [0, 0, 0, 5])
})

t.test('the Python sender passes', { skip }, async (t) => {
  const folder = t.testdir({ large: 'a'.repeat(2_500_000) })
  const { code, codes, stdout } = await checkSender(t, ['--strict'], (port) =>
    startPython(t, 'send', [join(folder, 'large'), '127.0.0.1', port]),
  )
  t.equal(code, 0, stdout)
  t.strictSame(codes, [0, 0, 0, 1])
})

t.test('a receiver that says "stored" to everything fails', async (t) => {
  const stored = frame('S', { entry: 0, name: 'a', bytes: 6, blake3: 'f'.repeat(64) })
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {}).resume()
    socket.on('end', () => socket.end(Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 1 }), stored])))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const { code, stdout } = await check(t, ['--receiver', `127.0.0.1:${port}`]).done
  t.equal(code, 1)
  t.match(stdout, /^not ok {2}a file \(Overview\): S of entry 0 has another blake3$/m)
  t.match(stdout, /^not ok {2}a wrong digest \(Digests\): entry 0 is stored; /m)
  t.match(stdout, /^not ok {2}several entries .*: .*entry 2 has no answer$/m)
})

t.test('a sender that ends too early fails, and so does wrong usage', async (t) => {
  const { code, stdout } = await checkSender(t, [], (port) => {
    const script = `require('net').connect(${port}, '127.0.0.1', function () { this.end('tcp-send') }).resume()`
    return new Running(t, process.execPath, ['-e', script], {})
  })
  t.equal(code, 1)
  t.match(stdout, /^0 ok, 0 lax, 4 not ok$/m)
  t.match(stdout, 'the stream ends before F')
  t.match(await check(t, []).done, { code: 1, stderr: 'say --receiver HOST:PORT or --sender PORT\n' })
})
