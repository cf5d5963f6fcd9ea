/** What somebody between two sides with a key, or without it, can do: nothing but end the connection. */
import { existsSync, readFileSync } from 'node:fs'
import { connect, createServer as createPlain } from 'node:net'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { type Key, keysOf } from '../../dist/keys.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { key, otherKey } from '../fixtures/keys.ts'
import { Peer } from '../fixtures/peer.ts'
import { damagedPort } from '../fixtures/proxy.ts'

const content = 'plain text that is easy to find. '.repeat(3_000)

function place(t: Test): { file: string; out: string } {
  const root = t.testdir({ 'secret-name.txt': content })
  return { file: join(root, 'secret-name.txt'), out: join(root, 'out') }
}

const isStored = (out: string) => existsSync(join(out, 'secret-name.txt'))

t.test('shows nobody on the way a name, a byte of a file, or the key', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, count: 1, key })
  const seen: Buffer[] = []
  const change = (_direction: string, bytes: Buffer) => {
    seen.push(Buffer.from(bytes))
    return bytes
  }
  const port = await damagedPort(t, receiver.port, { change })
  t.equal((await trySend(t, port, file, { key })).error, undefined)
  t.equal((await receiver.ended).error, undefined)
  const all = Buffer.concat(seen).toString('latin1')
  t.ok(all.length > content.length)
  for (const secret of ['plain text', 'secret-name', 'tcp-send', 'tcp-recv', 'blake3', key])
    t.notOk(all.includes(secret), secret)
  const [{ id = '' } = {}] = keysOf(key)
  t.ok(all.includes(`tcp-transfer/1 sender ${id}`), 'only the name of the key is there to see')
})

t.test('fails on both sides if a bit is changed anywhere, and stores nothing', async (t) => {
  for (const direction of ['to-receiver', 'to-sender'] as const) {
    for (const at of [0, 60, 200, 700, 5_000]) {
      if (direction === 'to-sender' && at > 700) continue
      const { file, out } = place(t)
      const receiver = await startReceiver(t, { out, key, count: 1, timeout: 1_000 })
      let isFlipped = false
      const change = (from: string, bytes: Buffer, position: number) => {
        if (from !== direction || at < position || at >= position + bytes.length) return bytes
        isFlipped = true
        const flipped = Buffer.from(bytes)
        flipped.writeUInt8(flipped.readUInt8(at - position) ^ 1, at - position)
        return flipped
      }
      const port = await damagedPort(t, receiver.port, { change })
      const { error } = await trySend(t, port, file, { key, timeout: 1_000 })
      if (isFlipped) t.ok(error, `${direction}, ${at}: ${error?.message}`)
      await receiver.stop()
      if (direction === 'to-receiver') t.equal(isStored(out), false, `${direction}, ${at}`)
    }
  }
})

t.test('is never complete when the connection is cut, whether the end looks clean or not', async (t) => {
  for (const after of [400, 2_000, 60_000]) {
    const { file, out } = place(t)
    const receiver = await startReceiver(t, { out, key, count: 1 })
    const port = await damagedPort(t, receiver.port, { cut: { direction: 'to-receiver', after } })
    t.ok((await trySend(t, port, file, { key })).error)
    await receiver.stop()
    t.equal(isStored(out), false)
  }
  // The end of the stream without the end of TLS.
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, key, count: 1 })
  const proxy = createPlain((sender) => {
    const onward = connect({ host: '127.0.0.1', port: receiver.port, allowHalfOpen: true })
    let passed = 0
    sender.on('data', (bytes) => {
      passed += bytes.length
      onward.write(bytes)
      if (passed > 50_000) onward.end()
    })
    onward.on('data', (bytes) => sender.write(bytes))
    onward.on('close', () => sender.destroy())
    for (const socket of [sender, onward]) socket.on('error', () => socket.destroy())
    t.teardown(() => onward.destroy())
  })
  t.teardown(() => proxy.close())
  const port = await new Promise<number>((resolve) => {
    proxy.listen(0, '127.0.0.1', () => resolve((proxy.address() as { port: number }).port))
  })
  const { error } = await trySend(t, port, file, { key })
  t.match(error, { code: 'incomplete', reason: 'broken' })
  t.notMatch(error?.message, '--plain', 'it has proved its key, so it is no other program')
  await receiver.stop()
  t.equal(isStored(out), false)
})

t.test('takes no recording of a session that it has taken', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, key })
  const recorded: Buffer[] = []
  const change = (direction: string, bytes: Buffer) => {
    if (direction === 'to-receiver') recorded.push(Buffer.from(bytes))
    return bytes
  }
  const port = await damagedPort(t, receiver.port, { change })
  t.equal((await trySend(t, port, file, { key })).error, undefined)
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(...recorded)
  peer.finish()
  t.match(await receiver.events.until('refused'), { code: /key|incomplete/ })
  await receiver.stop()
  t.equal(receiver.events.of('stored').length, 1, 'only what the sender itself has sent')
  t.equal(receiver.events.of('connected').length, 1)
})

t.test('takes nothing of what comes in plain text, however it is cut', async (t) => {
  const { out } = place(t)
  const receiver = await startReceiver(t, { out, key })
  const greeting = 'tcp-sendG\0\0\0\x0d{"version":1}'
  const header = `H\0\0\0\x15{"name":"a","size":0}E\0\0\0\x0b{"bytes":0}F\0\0\0\x0d{"entries":1}`
  const peer = await Peer.dial(t, receiver.port)
  for (const byte of Buffer.from(greeting)) await peer.write(Buffer.from([byte]))
  peer.finish(header)
  await peer.next('R')
  t.match(peer.received.toString(), 'only peers with its key')
  t.match(await receiver.events.until('refused'), { code: 'key', message: /the other side has no key/ })
  const browser = await Peer.dial(t, receiver.port)
  browser.finish('GET / HTTP/1.1\r\n\r\n')
  await browser.closed
  t.match(browser.received.toString(), /^This is tcp-recv/)
  t.match(await receiver.events.until('refused', 2), { reason: 'magic', message: /HTTP client/ })
  for (const bytes of ['', 'tcp-']) {
    const stray = await Peer.dial(t, receiver.port)
    stray.finish(bytes)
    await stray.closed
  }
  const gone = await Peer.dial(t, receiver.port)
  await gone.reset()
  await receiver.stop()
  t.equal(receiver.events.of('refused').length, 2, 'nothing is said of who comes and goes')
  t.strictSame(receiver.events.of('connected'), [])
})

/** The first message of a TLS client with a key. */
function hello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const write = (bytes: Buffer, _encoding: string, done: () => void) => {
      done()
      resolve(bytes)
    }
    const [{ id, psk }] = keysOf(key) as [Key]
    const pskCallback = () => ({ psk: psk('sender'), identity: `tcp-transfer/1 sender ${id}` })
    const options = { minVersion: 'TLSv1.3', ciphers: 'TLS_CHACHA20_POLY1305_SHA256', pskCallback } as const
    connectTls({ socket: new Duplex({ read() {}, write }), ...options }).on('error', () => {})
  })
}

t.test('answers to TLS after its whole first message, however that comes', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdirName, key })
  const first = await hello()
  for (const cuts of [[], [1], [8, 9], [first.length - 1]]) {
    const peer = await Peer.dial(t, receiver.port)
    for (const [index, end] of [...cuts, first.length].entries())
      await peer.write(first.subarray(cuts[index - 1] ?? 0, end))
    await peer.bytes(1)
    t.equal(peer.received[0], 0x16, 'the answer to a right first message')
    peer.finish()
    await peer.closed
  }
  const half = await Peer.dial(t, receiver.port)
  await half.write(first.subarray(0, -1))
  half.finish()
  await half.closed
  t.strictSame([...half.received.subarray(0, 8)], [...Buffer.from('tcp-recv')], 'half of it is no TLS')
  await receiver.stop()
})

t.test('refuses what begins like TLS and is no first message of a client', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdirName, key })
  for (const [index, bytes] of ['16030100060100000100ff', '16030100060200000200ff', '160301000101000000'].entries()) {
    const peer = await Peer.dial(t, receiver.port)
    await peer.write(Buffer.from(bytes, 'hex'))
    t.match(await receiver.events.until('refused', index + 1), { code: 'key', message: /speaks TLS, but is no/ })
    await peer.reset()
  }
  await receiver.stop()
})

t.test('lives through a thousand wrong keys, and takes the right one afterwards', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, key, count: 1 })
  for (let round = 0; round < 25; round++) {
    const tries = await Promise.all(
      Array.from({ length: 40 }, () => trySend(t, receiver.port, file, { key: otherKey })),
    )
    if (!tries.every(({ error }) => error?.code === 'key')) t.fail('a wrong key was not refused')
  }
  t.equal((await trySend(t, receiver.port, file, { key })).error, undefined)
  t.equal((await receiver.ended).error, undefined)
  t.equal(readFileSync(join(out, 'secret-name.txt'), 'utf8'), content)
  const refused = receiver.events.of('refused')
  t.ok(refused.every(({ code, message }) => code === 'key' && message.includes('another key')))
  const told = refused.map(({ others = 0 }) => 1 + others)
  t.equal(
    told.reduce((sum, count) => sum + count),
    1_000,
    'each is told or counted',
  )
})
