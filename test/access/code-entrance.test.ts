/** The entrance with a code, where a transfer could not show it: handshakes that break off, and a second try. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type Entrance, entranceFor } from '../../dist/access/entrance.js'
import { newCode } from '../../dist/codes.js'
import type { TransferError } from '../../dist/errors.js'
import { exchange, hello } from '../fixtures/codes.ts'

const { signal } = new AbortController()

interface Listener {
  port: number
  entrance: Entrance
  code: string
  /** What became of the connections, in their order. */
  outcomes: Promise<unknown>[]
}

async function listening(t: Test, count = 1, control: AbortSignal = signal): Promise<Listener> {
  const entrance = (await entranceFor({ code: true, listens: true, count }, 'receiver')) as Entrance
  const outcomes: Promise<unknown>[] = []
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    t.teardown(() => socket.destroy())
    outcomes.push(entrance.accept(socket, control).catch((error) => error))
  })
  server.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, entrance, code: String(entrance.code), outcomes }
}

async function dialler(code: string): Promise<Entrance> {
  return (await entranceFor({ code, listens: false }, 'sender')) as Entrance
}

/** Dials with the entrance. */
async function dialled(t: Test, entrance: Entrance, port: number): Promise<unknown> {
  const socket: Socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const options = { host: '127.0.0.1', port, timeout: 5_000, wait: 0, signal, partner: 'receiver' } as const
  return await entrance.dialled(socket, options).catch((error: TransferError) => error)
}

t.test('shows the code only where it was made', async (t) => {
  const { entrance, code } = await listening(t)
  t.match(code, /^[a-z]+(-[a-z]+){3}$/)
  t.equal((await dialler(code)).code, undefined)
  t.strictSame(entrance.keys(), [])
})

t.test('takes the code again if the handshake of a peer with the code broke off', async (t) => {
  const { port, entrance, code, outcomes } = await listening(t)
  const { peer, key } = await exchange(t, port, code)
  await peer.write(await hello(key, 'sender'))
  await peer.bytes(34)
  t.equal(peer.received[33], 0x16, 'the peer has proved the code')
  await peer.reset()
  t.match(await outcomes[0], { code: 'incomplete', reason: 'broken' })
  t.equal(entrance.keys().length, 1, 'it may come back with its key')
  t.match(await dialled(t, await dialler(code), port), { key: {} })
  t.match(await dialled(t, await dialler(code), port), { code: 'key', message: /^the code has been used/ })
})

t.test('looks at no guess once the code has been used', async (t) => {
  const { port, code, outcomes } = await listening(t)
  const { peer, key } = await exchange(t, port, code)
  t.match(await dialled(t, await dialler(code), port), { key: {} })
  peer.finish(await hello(key, 'sender'))
  await peer.closed
  t.match(await outcomes[0], { code: 'key', message: 'the code was used before the other side has proved it' })
})

t.test('looks at no more than three wrong guesses, however many exchanges are under way', async (t) => {
  const { port, entrance, outcomes } = await listening(t)
  const exchanges = []
  for (let number = 0; number < 5; number++) exchanges.push(await exchange(t, port, newCode()))
  for (const { peer, key } of exchanges) peer.finish(await hello(key, 'sender'))
  const said = (await Promise.all(outcomes)).map((error) => (error as Error).message).sort()
  const another = 'the other side has another code; '
  const late = 'the code was burnt before the other side has proved it'
  const left = ['0 guesses are left', '1 guess is left', '2 guesses are left']
  t.strictSame(said, [late, late, ...left.map((text) => `${another}${text}`)])
  t.match(entrance.burnt, { code: 'key', exitCode: 4 })
})

t.test('does not try a code again that a listener had not', async (t) => {
  const { port, entrance } = await listening(t, 2)
  const near = await dialler(newCode())
  const wrong = await dialled(t, near, port)
  t.match(wrong, { code: 'key', message: /^the other side has another code/ })
  t.equal(await dialled(t, near, port), wrong)
  t.equal(entrance.burnt, null)
})

t.test('says of a listener that was started again that it does not know this side any more', async (t) => {
  const first = await listening(t)
  const near = await dialler(first.code)
  t.match(await dialled(t, near, first.port), { key: {} })
  t.match(await dialled(t, near, first.port), { key: {} }, 'it comes back with the key')
  const second = await listening(t)
  t.match(await dialled(t, near, second.port), { code: 'key', message: /^the other side does not know this side/ })
})

t.test('ends an exchange that is interrupted', async (t) => {
  const controller = new AbortController()
  const { port, code, outcomes } = await listening(t, 1, controller.signal)
  const { peer } = await exchange(t, port, code)
  controller.abort()
  await peer.ended
  t.match(await outcomes[0], { code: 'incomplete' })
})

t.test('computes nothing for a peer that has gone before its turn', async (t) => {
  const { entrance } = await listening(t)
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const peer = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  const [[socket]] = (await Promise.all([once(server, 'connection'), once(peer, 'connect')])) as [[Socket], unknown]
  const accepted = entrance.accept(socket, signal).catch((error: TransferError) => error)
  socket.prependListener('data', () => process.nextTick(() => socket.destroy()))
  peer.write(Buffer.concat([Buffer.from('tcp-code\x01s'), Buffer.alloc(48, 1)]))
  t.match(await accepted, {
    code: 'incomplete',
    message: 'the other side has broken off before it has proved the code',
  })
  peer.destroy()
})
