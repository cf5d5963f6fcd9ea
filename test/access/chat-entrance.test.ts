/** The entrance of a talk, whose two sides have the same role. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { type Entered, type Entrance, entranceFor } from '../../dist/access/entrance.js'
import type { TransferError } from '../../dist/errors.js'
import type { KeyRole } from '../../dist/keys.js'
import { dial } from '../../dist/net/dial.js'
import { key, otherKey } from '../fixtures/keys.ts'

interface Test {
  teardown(work: () => void): void
}

const { signal } = new AbortController()

async function entrance(role: KeyRole, of = key): Promise<Entrance> {
  return (await entranceFor({ key: of }, role)) as Entrance
}

/** A listener of a talk, for one connection. Returns its port, and what becomes of the connection. */
async function listening(t: Test): Promise<{ port: number; accepted: Promise<Entered | null | TransferError> }> {
  const here = await entrance('chat')
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const accepted = once(server, 'connection').then(([socket]) =>
    here.accept(socket as Socket, signal).catch((error: TransferError) => error),
  )
  return { port: (server.address() as AddressInfo).port, accepted }
}

/** Dials with a key. */
async function dialled(port: number, role: KeyRole, of = key): Promise<Entered | TransferError> {
  const options = { host: '127.0.0.1', port, timeout: 5_000, wait: 0, signal, partner: 'chat' } as const
  const { socket } = await dial({ ...options, isSecure: true })
  return await (await entrance(role, of)).dialled(socket, options).catch((error: TransferError) => error)
}

t.test('lets both sides of a talk in, and carries what they say', async (t) => {
  const { port, accepted } = await listening(t)
  const [near, far] = (await Promise.all([dialled(port, 'chat'), accepted])) as [Entered, Entered]
  t.equal(near.key?.id, far.key?.id)
  const heard = [near, far].map(({ socket }) => once(socket, 'data').then(String))
  near.socket.write('hello\n')
  far.socket.write('hello yourself\n')
  t.strictSame(await Promise.all(heard), ['hello yourself\n', 'hello\n'])
  near.socket.destroy()
  far.socket.destroy()
})

t.test('says which side is something else, or has another key', async (t) => {
  for (const [role, of, message] of [
    ['sender', key, 'the other side is a sender, and this side is a chat'],
    ['receiver', key, 'the other side is a receiver, and this side is a chat'],
    ['chat', otherKey, 'the other side has another key; compare both with --fingerprint'],
  ] as const) {
    const { port, accepted } = await listening(t)
    const [near, far] = await Promise.all([dialled(port, role, of), accepted])
    t.match(near, { code: 'key', message: /^the other side does not take this key/ })
    t.match(far, { code: 'key', message })
  }
})

t.test('answers a peer without a key with a line', async (t) => {
  for (const said of ['tcp-chat/1 {}\n', 'hello\n', 'tcp-send']) {
    const { port, accepted } = await listening(t)
    const peer = connect({ port, host: '127.0.0.1' })
    peer.write(said)
    t.match(await text(peer), /^This is tcp-chat with a key, .+ \(--key-file\)\.\n$/)
    t.match(await accepted, { code: 'key', message: /^the other side has no key, and this side has one/ })
  }
})

t.test('says of a listener that talks in plain text that it has no key', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}).end('What is your name?\n')).listen(0)
  t.teardown(() => server.close())
  await once(server, 'listening')
  const near = await dialled((server.address() as AddressInfo).port, 'chat')
  t.match(near, { code: 'key', message: /^the other side has no key, and this side has one/ })
})
