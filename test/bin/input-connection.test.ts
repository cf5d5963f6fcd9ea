/** A connection as standard input, as inetd gives it: its end is the end, and a reset is none. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.js'

/** `tcp-send -` with one end of a connection as its standard input, and the other end of that. */
async function sendConnection(t: Test, port: string, before: (input: Socket) => Promise<void> = async () => {}) {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const input = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  server.close()
  t.teardown(() => void input.destroy())
  await before(input)
  const stdio = [accepted, 'pipe', 'pipe'] as const
  const sender = start(t, 'tcp-send', ['--name', 'file', '-', '127.0.0.1', port], { stdio: [...stdio], covered: true })
  // The child has it now.
  accepted.destroy()
  return { sender, input }
}

t.test('sends what comes until the other side ends', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, ['--once', '--out', out])
  const { sender, input } = await sendConnection(t, receiver.port)
  input.end('hello')
  t.equal((await sender.done).code, 0)
  t.equal((await receiver.done).code, 0)
  t.strictSame(filesIn(out), { file: 'hello' })
})

t.test('fails when the other side breaks the connection, and so does the receiver', async (t) => {
  const receiver = await startReceiver(t, ['--out', '-'])
  const { sender, input } = await sendConnection(t, receiver.port)
  input.write(bytesOf(5_000))
  // Four chunks have passed, so all of it has been read; what is less than a chunk waits for the rest.
  await receiver.until('four chunks', () => (receiver.bytes('stdout').length === 4096 ? true : null))
  input.resetAndDestroy()
  const sent = await sender.done
  t.equal(sent.code, 8)
  t.match(sent.stderr, /cannot read standard input: connection reset by peer \(ECONNRESET\)$/m)
  t.equal((await receiver.done).code, 6)
})

t.test('takes a reset for no end, also where the last bytes come together with it', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, ['--one-attempt', '--out', out])
  const { sender } = await sendConnection(t, receiver.port, async (input) => {
    input.write(bytesOf(5_000))
    input.resetAndDestroy()
    await once(input, 'close')
  })
  t.equal((await sender.done).code, 8)
  t.equal((await receiver.done).code, 6)
  t.strictSame(namesIn(out), [])
})
