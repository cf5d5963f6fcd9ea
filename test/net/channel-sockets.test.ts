/** The parts of a channel that only a real TCP connection shows: resets, unread bytes and full buffers. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/index.js'
import { Channel } from '../../dist/net/channel.js'
import { delivered } from '../../dist/net/delivered.js'
import { listen } from '../../dist/net/listen.js'
import { encode } from '../../dist/protocol/encode.js'
import { fakeClock } from '../fixtures/clock.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

async function connected(
  t: Test,
  { timeout = 30_000, plain = false } = {},
): Promise<{ channel: Channel; socket: Socket; peer: Peer }> {
  const accepted = new Promise<Socket>((resolve) => {
    void listen({ host: '127.0.0.1', port: 0, onConnection: resolve }).then((server) => {
      t.teardown(() => server.close())
      void Peer.dial(t, (server.address() as AddressInfo).port).then((peer) => {
        dialled = peer
      })
    })
  })
  let dialled: Peer | undefined
  const socket = await accepted
  t.teardown(() => socket.destroy())
  while (!dialled) await settle()
  const farewell = ({ reason }: TransferError) => Buffer.from(`bye: ${reason}`)
  const channel = new Channel(socket, plain ? { timeout } : { timeout, farewell, heartbeat: () => encode.heartbeat() })
  return { channel, socket, peer: dialled }
}

const MEGABYTE = bytesOf(1024 * 1024)

t.test('delivers its last word although it has not read what the peer sent', async (t) => {
  const { channel, peer } = await connected(t)
  const received = channel.receive(() => {
    throw new TransferError('refused', 'enough', { reason: 'policy' })
  })
  peer.finish(MEGABYTE, MEGABYTE, MEGABYTE, MEGABYTE)
  await t.rejects(received, { code: 'refused' })
  t.equal(await peer.ended, 'end', 'the connection was not reset')
  t.equal(peer.received.toString(), 'bye: policy')
  await channel.closed
})

t.test('reads nothing into what its consumer had when it failed: part of it may be on its way still', async (t) => {
  const { channel, socket, peer } = await connected(t)
  let kept: Buffer = Buffer.alloc(0)
  const received = channel.receive(async (bytes) => {
    kept = bytes
    throw new TransferError('refused', 'enough', { reason: 'policy' })
  })
  await peer.write('first')
  await t.rejects(received, { code: 'refused' })
  for (const text of ['other', 'bytes', 'still']) {
    const before = socket.bytesRead
    await peer.write(text)
    await until(() => socket.bytesRead > before)
  }
  t.equal(String(kept), 'first')
  peer.finish()
  await channel.closed
})

t.test('resets the connection where it has no last word', async (t) => {
  const { channel, socket, peer } = await connected(t, { plain: true })
  const error = new TransferError('interrupted', 'enough')
  const received = channel.receive(() => {})
  await channel.write(Buffer.from('half a file'))
  await peer.bytes(11)
  channel.fail(error)
  await t.rejects(received, error)
  t.equal(await peer.ended, 'reset')
  t.ok(socket.destroyed)
})

t.test('closes also when it fails in the moment in which it ends', async (t) => {
  const { channel, socket } = await connected(t, { plain: true })
  const finished = channel.finish()
  // The system refuses to reset a connection that it is just shutting down.
  channel.fail(new TransferError('interrupted', 'enough'))
  await t.rejects(finished, { code: 'interrupted' })
  await settle(50)
  t.equal(await stateOf(channel.closed), 'resolved')
  t.ok(socket.destroyed)
})

t.test('tells everyone who waits that the peer broke the connection', async (t) => {
  const { channel, peer } = await connected(t)
  const received = channel.receive(() => {})
  await peer.reset()
  await t.rejects(received, {
    code: 'incomplete',
    reason: 'broken',
    message: 'the other side broke the connection (ECONNRESET)',
  })
  await channel.closed
})

t.test('tells a writer that the peer broke the connection', async (t) => {
  const { channel, socket, peer } = await connected(t)
  peer.socket.pause()
  // More than the buffers of both kernels hold, so the write is under way when the reset comes.
  const written = channel.write(Buffer.concat(Array(16).fill(MEGABYTE)))
  await settle()
  await peer.reset()
  await t.rejects(written, { code: 'incomplete', reason: 'broken' })
  await channel.closed
  t.ok(socket.destroyed)
})

t.test('gives up on a peer that never reads, with no more in memory than one write', async (t) => {
  const { channel, socket, peer } = await connected(t, { timeout: 200 })
  peer.socket.pause()
  let most = 0
  const writing = (async () => {
    for (;;) {
      const written = channel.write(MEGABYTE)
      most = Math.max(most, socket.writableLength)
      await written
    }
  })()
  await t.rejects(writing, { code: 'timeout', exitCode: 9 })
  t.ok(most <= MEGABYTE.length + 100, `${most} bytes`)
  await channel.closed
})

t.test('gives no peer up that reads slowly and says nothing, but one that has stopped', async (t) => {
  const clock = fakeClock(t)
  const { channel, socket, peer } = await connected(t)
  peer.socket.removeAllListeners('data')
  peer.socket.pause()
  const received = channel.receive(() => {})
  // More than is read here, and than the kernels hold: the write is not done before the test is.
  const written = channel.write(Buffer.concat(Array(64).fill(MEGABYTE)))
  await settle(20)
  clock.advance(7_500)
  for (let quarters = 0; quarters < 6; quarters++) {
    const before = delivered(socket)
    // Each call reads 64 KiB at most. The kernel does not tell of every one that there is room again.
    while (delivered(socket) === before) {
      peer.socket.read()
      await settle(10)
    }
    clock.advance(7_500)
    t.equal(await stateOf(written), 'pending')
  }
  for (let before = -1; before !== delivered(socket); await settle(20)) before = delivered(socket)
  clock.advance(30_000)
  clock.advance(7_500)
  await t.rejects(written, { code: 'timeout', exitCode: 9 })
  await t.rejects(received, { code: 'timeout' })
  peer.socket.destroy()
  await channel.closed
})

t.test('closes although it never began to receive', async (t) => {
  const { channel, socket, peer } = await connected(t)
  peer.finish(MEGABYTE)
  await channel.close(Buffer.from('no'))
  t.ok(socket.destroyed)
  t.equal(await peer.ended, 'end')
  t.equal(peer.received.toString(), 'no')
})

t.test('is cut off after the last word when the peer goes on talking', async (t) => {
  const { channel, socket, peer } = await connected(t)
  void (async () => {
    while (!socket.destroyed) {
      await peer.write(MEGABYTE)
      await settle(1)
    }
  })()
  await channel.close(Buffer.from('no'))
  t.ok(socket.destroyed)
  t.equal(peer.received.toString(), 'no')
})

t.test('has received everything only when the consumer has, although the end came before', async (t) => {
  const server = createServer((socket) => socket.end('the last bytes')).listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  const ended = once(socket, 'end')
  const channel = new Channel(socket, { timeout: 30_000, farewell: () => null, heartbeat: () => encode.heartbeat() })
  let goOn = () => {}
  const consumed = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const received = channel.receive(() => consumed)
  await ended
  t.equal(await stateOf(received), 'pending')
  goOn()
  await received
  await channel.close()
})
