/** What has arrived of what was written to a socket: by the kernel's own account, where it gives one. */
import { existsSync, readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Duplex, duplexPair } from 'node:stream'
import t, { type Test } from 'tap'
import { delivered } from '../../dist/net/delivered.js'
import { bytesOf } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { settle } from '../fixtures/turns.ts'

/** More than the buffers of both kernels hold. */
const MUCH = bytesOf(24 * 1_048_576)

/** A connection over which nothing has passed. */
async function connected(t: Test, listen: string, host: string): Promise<{ socket: Socket; peer: Peer }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, listen, resolve))
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const socket = connect({ host, port: (server.address() as AddressInfo).port })
  const peer = new Peer(await accepted)
  t.teardown(() => {
    socket.destroy()
    peer.socket.destroy()
    server.close()
  })
  return { socket, peer }
}

/** Waits until so many bytes have arrived. To look takes longer than the bytes do. */
async function arrives(socket: Socket, bytes: number): Promise<void> {
  while (delivered(socket) !== bytes) await settle(50)
}

/** The number of bytes that have come and were not read, by the kernel's table of connections. */
function waitingAt({ localPort, remotePort }: Socket): number {
  const hex = (port = 0) => port.toString(16).toUpperCase().padStart(4, '0')
  const lines = ['tcp', 'tcp6'].flatMap((table) => readFileSync(`/proc/self/net/${table}`, 'latin1').split('\n'))
  const fields = lines.map((line) => line.trim().split(/ +/))
  const found = fields.find(
    ([, own, other]) => own?.endsWith(`:${hex(localPort)}`) && other?.endsWith(`:${hex(remotePort)}`),
  )
  return Number(`0x${found?.[4]?.split(':')[1]}`)
}

const skip = existsSync('/proc/self/net/tcp') ? false : 'there is no /proc here'
const places: [listen: string, host: string][] = [
  ['127.0.0.1', '127.0.0.1'],
  ['::', '127.0.0.1'],
  ['::1', '::1'],
]

for (const [listen, host] of places) {
  t.test(`counts what is acknowledged of a connection to ${host} at ${listen}`, { skip }, async (t) => {
    const { socket, peer } = await connected(t, listen, host)
    t.equal(delivered(socket), 0)
    socket.write('hello')
    await arrives(socket, 5)
    peer.socket.pause()
    socket.write(MUCH)
    const taken = () => {
      const { bytesWritten, writeQueueSize } = (socket as unknown as { _handle: Record<string, number> })._handle
      return Number(bytesWritten) - Number(writeQueueSize)
    }
    t.ok(delivered(socket) < taken(), 'and not what only the own kernel has')
    // What the peer has not read waits in its kernel. The acknowledgement of the last of it may be on its way.
    while (delivered(socket) !== peer.socket.bytesRead + waitingAt(peer.socket)) await settle(50)
    peer.socket.removeAllListeners('data')
    peer.socket.resume()
    await arrives(socket, 5 + MUCH.length)
    socket.destroy()
    t.equal(delivered(socket), 0, 'nothing is known of it any more')
  })
}

t.test('takes for arrived what the kernel has taken, where it tells no more', async (t) => {
  const [plain] = duplexPair()
  t.equal(delivered(plain), 0)
  const handles: [handle: object | null, expected: number][] = [
    [null, 0],
    [{}, 0],
    [{ bytesWritten: 10 }, 10],
    [{ bytesWritten: 10, writeQueueSize: 4 }, 6],
    [{ fd: 1_000_000, bytesWritten: 10, writeQueueSize: 4 }, 6],
    // A descriptor that is no connection.
    [{ fd: 0, bytesWritten: 10 }, 10],
  ]
  for (const [handle, expected] of handles) {
    const socket = Object.assign(new Duplex(), { _handle: handle })
    t.equal(delivered(socket), expected, JSON.stringify(handle))
  }
})
