/** Peers that take part in the handshake of a key, but not as they should: silent, slow, or without the key. */
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex, PassThrough } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import t, { type Test } from 'tap'
import { keysOf } from '../../dist/keys.js'
import { fakeClock, passUntil } from '../fixtures/clock.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { key } from '../fixtures/keys.ts'
import { Peer } from '../fixtures/peer.ts'
import { settle } from '../fixtures/turns.ts'

/** A listener that answers nothing. Returns its port, and a promise of the bytes that came first. */
async function muteListener(t: Test, onBytes: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {}).once('data', () => onBytes(socket))
    t.teardown(() => socket.destroy())
  })
  t.teardown(() => server.close())
  return await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
}

const fileOf = (t: Test) => join(t.testdir({ 'file.txt': 'text', out: {} }), 'file.txt')

t.test('a sender that is interrupted in the handshake says so', async (t) => {
  const file = fileOf(t)
  const controller = new AbortController()
  const port = await muteListener(t, () => controller.abort())
  const { error } = await trySend(t, port, file, { key, signal: controller.signal })
  t.match(error, { code: 'interrupted', exitCode: 130 })
})

t.test('a sender gives up a listener that proves nothing', async (t) => {
  const file = fileOf(t)
  const clock = fakeClock(t)
  const port = await muteListener(t, () => {})
  const sending = trySend(t, port, file, { key })
  await passUntil(clock, sending)
  const message = 'the other side has not proved a key within 10 seconds; is it tcp-send, tcp-recv or tcp-chat?'
  t.match((await sending).error, { code: 'timeout', exitCode: 9, message })
})

t.test('a listener gives up a peer that begins a handshake and goes no further', async (t) => {
  const out = join(fileOf(t), '..', 'out')
  const clock = fakeClock(t)
  const receiver = await startReceiver(t, { out, key })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(await clientHello(t))
  const refused = receiver.events.until('refused')
  await passUntil(clock, refused)
  t.match(await refused, { code: 'timeout', message: /^the other side has not proved a key within 10 seconds; / })
  await peer.ended
  await passUntil(clock, receiver.stop())
})

t.test('a listener does not wait for a peer that has ended its direction in the handshake', async (t) => {
  const out = join(fileOf(t), '..', 'out')
  fakeClock(t)
  const receiver = await startReceiver(t, { out, key })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(await clientHello(t))
  t.match(await receiver.events.until('refused'), { code: 'incomplete', reason: 'broken' })
  await peer.closed
  await receiver.stop()
})

t.test('a sender says what it heard if the listener that spoke in plain text is gone', async (t) => {
  const file = fileOf(t)
  const server = createServer((socket) => {
    socket.on('error', () => {}).end('220 ready\r\n')
    server.close()
  })
  t.teardown(() => server.close())
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
  const { error } = await trySend(t, port, file, { key })
  t.match(error, { code: 'key', message: /no tcp-send, tcp-recv or tcp-chat with a key, so nothing was sent/ })
})

t.test('nobody without the key takes the place of a transfer at rest', async (t) => {
  const out = join(fileOf(t), '..', 'out')
  const clock = fakeClock(t)
  const receiver = await startReceiver(t, { out, key, maxConnections: 2, maxPerPeer: 2 })
  const stream = new PassThrough()
  const sending = trySend(t, receiver.port, [{ stream, name: 'log' }], { key })
  stream.write('first line\n')
  await receiver.events.until('connected')
  const strangers: Peer[] = []
  for (let number = 0; number < 6; number++) {
    await settle(20)
    clock.advance(3_000)
    strangers.push(await Peer.dial(t, receiver.port))
  }
  t.match(
    receiver.events.of('refused').filter(({ transfer }) => transfer === 1),
    [],
  )
  stream.end('last line\n')
  for (const { socket } of strangers) socket.destroy()
  await passUntil(clock, sending)
  t.equal((await sending).error, undefined)
  t.equal(readFileSync(join(out, 'log'), 'utf8'), 'first line\nlast line\n')
  await passUntil(clock, receiver.stop())
})

/** The options of a TLS client with the key. */
function withKey(): ConnectionOptions {
  const [{ id = '', psk } = {}] = keysOf(key)
  const pskCallback = () => ({ psk: psk?.('sender') as Buffer, identity: `tcp-transfer/1 sender ${id}` })
  return { ciphers: 'TLS_CHACHA20_POLY1305_SHA256', pskCallback, rejectUnauthorized: false }
}

/** The first message of a client with the key, which is to say no more. */
function clientHello(t: Test): Promise<Buffer> {
  return new Promise((resolve) => {
    const write = (bytes: Buffer, _: string, done: () => void) => {
      resolve(bytes)
      done()
    }
    const tls = connect({ socket: new Duplex({ read: () => {}, write }), minVersion: 'TLSv1.3', ...withKey() })
    t.teardown(() => tls.on('error', () => {}).destroy())
  })
}

/** How a TLS client with the key, but other parameters than the protocol document names, fares: an error or null. */
function shake(port: number, parameters: ConnectionOptions): Promise<string | null> {
  return new Promise((resolve) => {
    const tls = connect({ host: '127.0.0.1', port, ...withKey(), ...parameters })
    const settle = (outcome: string | null) => {
      tls.destroy()
      resolve(outcome)
    }
    tls.once('secureConnect', () => settle(null)).on('error', ({ message }) => settle(message))
  })
}

t.test('a listener takes one version, one cipher and one group, also of who has the key', async (t) => {
  const receiver = await startReceiver(t, { out: join(fileOf(t), '..', 'out'), key })
  t.equal(await shake(receiver.port, { ecdhCurve: 'X25519' }), null)
  for (const parameters of [
    { ecdhCurve: 'P-256' },
    { ecdhCurve: 'X448' },
    { ciphers: 'TLS_AES_128_GCM_SHA256' },
    { maxVersion: 'TLSv1.2', ciphers: 'PSK' },
  ] as const)
    t.match(await shake(receiver.port, parameters), /alert/, JSON.stringify(parameters))
  await receiver.stop()
})
