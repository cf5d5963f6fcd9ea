/** Connections through a proxy: the peer that it names counts, and only a proxy that is trusted can name one. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { Proxies } from '../../dist/access/proxies.js'
import { HEADER_DEADLINE } from '../../dist/protocol/limits.js'
import { fakeClock } from '../fixtures/clock.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { key } from '../fixtures/keys.ts'
import { damagedPort } from '../fixtures/proxy.ts'
import { proxyAddresses, proxyBinary, proxyCheck, proxyLine } from '../fixtures/proxy-headers.ts'
import { settle } from '../fixtures/turns.ts'

const proxyFrom = ['127.0.0.0/8']
const peer = '198.51.100.7:4711'
const line = proxyLine('198.51.100.7', 4711)
const data = Buffer.alloc(300_000, 'through a proxy ')

/** A port at which a proxy waits that begins each connection with `header`. */
async function proxiedPort(t: Test, port: number, header: Buffer): Promise<number> {
  return await damagedPort(t, port, {
    change: (direction, bytes, position) =>
      direction === 'to-receiver' && position === 0 ? Buffer.concat([header, bytes]) : bytes,
  })
}

function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve))
}

/** Connects, sends bytes, and waits for the end of the connection. */
async function sendRaw(port: number, bytes: Buffer): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let answer = ''
  socket.on('data', (piece) => {
    answer += piece.toString('latin1')
  })
  socket.on('error', () => {})
  socket.write(bytes)
  await closed(socket)
  return answer
}

const kinds = [
  { title: 'the protocol', options: {} },
  { title: 'a key', options: { key } },
  { title: 'plain bytes', options: { plain: true } },
]
for (const { title, options } of kinds) {
  t.test(`the peer that the proxy names is the peer, with ${title}`, async (t) => {
    const root = t.testdir({ out: {}, 'file.txt': data })
    const receiver = await startReceiver(t, { out: join(root, 'out'), proxyFrom, count: 1, ...options })
    const binary = proxyBinary(0x11, [proxyAddresses([198, 51, 100, 7], 4711)])
    const port = await proxiedPort(t, receiver.port, options.plain ? binary : line)
    t.match(await trySend(t, port, join(root, 'file.txt'), options), { summary: { files: 1 } })
    t.match(await receiver.ended, { summary: { files: 1 } })
    t.match(receiver.events.of('connected'), [{ peer, transfer: 1 }])
    const [stored] = receiver.events.of('stored')
    t.ok(readFileSync(String(stored?.path)).equals(data))
  })
}

t.test('allowFrom and maxPerPeer mean the peer, and not the proxy', async (t) => {
  const root = t.testdir({ out: {}, 'file.txt': data })
  const options = { out: join(root, 'out'), proxyFrom, allowFrom: ['198.51.100.0/24'], maxPerPeer: 1, count: 1 }
  const receiver = await startReceiver(t, options)
  const send = (port: number) => trySend(t, port, join(root, 'file.txt'), { retry: 0 })
  const other = await proxiedPort(t, receiver.port, proxyLine('203.0.113.9', 1))
  t.match(await send(other), { error: { code: 'incomplete' } })
  const allowed = await proxiedPort(t, receiver.port, line)
  t.match(await send(allowed), { summary: { files: 1 } })
  await receiver.ended
  t.match(receiver.events.of('refused'), [{ peer: '203.0.113.9:1', reason: 'policy' }])
})

t.test('a check of the proxy is neither reported nor counted', async (t) => {
  const root = t.testdir({ out: {}, 'file.txt': data })
  const receiver = await startReceiver(t, { out: join(root, 'out'), proxyFrom, count: 1 })
  t.equal(await sendRaw(receiver.port, proxyCheck), '')
  // This process accepts it only when it is over.
  const program = `net.connect(${receiver.port}, '127.0.0.1', function () { this.resetAndDestroy() })`
  spawnSync(process.execPath, ['-e', program], { env: { ...process.env, NODE_OPTIONS: '' } })
  const silent = connect({ port: receiver.port, host: '127.0.0.1' })
  await once(silent, 'connect')
  silent.end()
  await closed(silent.resume())
  const port = await proxiedPort(t, receiver.port, line)
  t.match(await trySend(t, port, join(root, 'file.txt')), { summary: { files: 1 } })
  await receiver.ended
  t.strictSame(receiver.events.of('refused'), [])
  t.match(receiver.events.of('connected'), [{ transfer: 1 }], 'it is the first connection')
})

t.test('a proxy that does not know its peer is the peer', async (t) => {
  const root = t.testdir({ out: {}, 'file.txt': data })
  const receiver = await startReceiver(t, { out: join(root, 'out'), proxyFrom, count: 1 })
  const port = await proxiedPort(t, receiver.port, Buffer.from('PROXY UNKNOWN\r\n'))
  t.match(await trySend(t, port, join(root, 'file.txt')), { summary: { files: 1 } })
  await receiver.ended
  t.match(receiver.events.of('connected'), [{ peer: /^127\.0\.0\.1:\d+$/ }])
})

t.test('a header counts only from a proxy that is named, and a named one must send it', async (t) => {
  const root = t.testdir({ out: {}, 'file.txt': data })
  const send = (port: number) => trySend(t, port, join(root, 'file.txt'), { retry: 0 })
  const trusting = await startReceiver(t, { out: join(root, 'out'), proxyFrom })
  t.match(await send(trusting.port), { error: { code: 'incomplete' } })
  await trusting.events.until('refused')
  t.match(trusting.events.of('refused'), [{ reason: 'protocol', message: /must begin with a PROXY header/ }])
  const other = await startReceiver(t, { out: join(root, 'out'), proxyFrom: ['192.0.2.1'] })
  const forged = await proxiedPort(t, other.port, line)
  t.match(await send(forged), { error: { code: 'incomplete' } })
  await other.events.until('refused')
  t.match(other.events.of('refused'), [{ reason: 'magic', message: /a load balancer \(see --proxy-from\)/ }])
  t.match(await send(other.port), { summary: { files: 1 } }, 'others connect as ever')
})

/** A connection that is only a stream, of which the test writes the bytes. */
function connection(): { socket: Socket; write(bytes: Buffer): void } {
  const stream = new PassThrough()
  return { socket: stream as unknown as Socket, write: (bytes) => void stream.write(bytes) }
}

t.test('a header comes in pieces, and what is behind it can still be read', async (t) => {
  const { socket, write } = connection()
  const found = new Proxies(proxyFrom).peerOf(socket)
  for (const byte of Buffer.concat([line, data.subarray(0, 9)])) write(Buffer.of(byte))
  t.strictSame(await found, { remoteAddress: '198.51.100.7', remotePort: 4711 })
  t.equal(socket.isPaused(), true)
  t.equal(String(socket.read()), String(data.subarray(0, 9)))
})

t.test('a header that does not come ends the connection', async (t) => {
  const clock = fakeClock(t)
  const { socket, write } = connection()
  const found = new Proxies(proxyFrom).peerOf(socket)
  write(line.subarray(0, -1))
  await settle()
  clock.advance(HEADER_DEADLINE)
  await t.rejects(found, { code: 'timeout', message: /^the proxy has not sent its PROXY header within \d+ seconds$/ })
  t.equal(socket.destroyed, true)
  t.equal(clock.timers, 0)
})

t.test('a receiver that ends does not wait for a header', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir({}), proxyFrom })
  const socket = connect({ port: receiver.port, host: '127.0.0.1' }).on('error', () => {})
  await once(socket, 'connect')
  socket.write(line.subarray(0, 9))
  const ended = closed(socket.resume())
  t.match(await receiver.stop(), { error: { code: 'interrupted' } })
  await ended
})

t.test('knows its proxies by all forms of an address', async (t) => {
  const proxies = new Proxies(['10.0.0.0/8', '2001:db8::/32'])
  const isProxy = (remoteAddress?: string) => proxies.has({ remoteAddress, remotePort: 1 })
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1']) t.ok(isProxy(address))
  for (const address of ['11.1.2.3', '::1', undefined]) t.notOk(isProxy(address))
  t.throws(() => new Proxies(['10.0.0.1/8']), { code: 'usage', message: /^--proxy-from 10\.0\.0\.1\/8: / })
})
