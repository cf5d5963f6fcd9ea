/** Connections of a bundle that come when it has ended. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Bundle } from '../../dist/links/bundle.js'
import { SMALLEST_WINDOW } from '../../dist/links/window.js'
import { Bundles } from '../../dist/transfer/bundles.js'
import { dialLanes } from '../../dist/transfer/lanes.js'
import { gate } from '../fixtures/gate.ts'
import { readFrames, senderOpening } from '../fixtures/peer-frames.ts'

/** A server that answers nothing, and the connections that a bundle makes to it. */
async function dialled(t: Test, role: 'sender' | 'receiver') {
  const server: Server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const [bundles, bundle] = [new Bundles(SMALLEST_WINDOW), new Bundle(SMALLEST_WINDOW)]
  const ready = gate()
  const sockets: Socket[] = []
  const dial = async () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    sockets.push(socket)
    await once(socket, 'connect')
    await ready.opened
    return { socket }
  }
  const accepted = once(server, 'connection')
  dialLanes({ bundles, bundle, name: 'x', timeout: 30_000, role }, { rtt: 0, dial }, 2)
  const [far] = (await accepted) as [Socket]
  t.teardown(() => far.destroy())
  far.on('error', () => {})
  return { bundles, bundle, ready, sockets, far }
}

t.test('a connection that is made when the bundle has ended is closed', async (t) => {
  const { bundles, bundle, ready, sockets } = await dialled(t, 'sender')
  bundle.destroy()
  ready.open()
  await bundles.settled()
  t.ok(sockets[0]?.destroyed)
})

t.test('a connection that has not joined yet ends with the bundle', async (t) => {
  const { bundles, bundle, ready, sockets, far } = await dialled(t, 'receiver')
  ready.open()
  far.write('tcp-send')
  await once(sockets[0] as Socket, 'data')
  bundle.destroy()
  const said: Buffer[] = []
  far.on('data', (bytes) => said.push(bytes))
  await Promise.all([once(far, 'end'), bundles.settled()])
  t.match(Buffer.concat(said).toString(), /the other side failed|the bundle has ended/)
})

t.test('a connection at rest shows that it is alive', async (t) => {
  const { bundles, bundle, ready, far } = await dialled(t, 'receiver')
  ready.open()
  far.write(senderOpening)
  let said = Buffer.alloc(0)
  const heard = new Promise<void>((resolve) => {
    far.on('data', (bytes) => {
      said = Buffer.concat([said, bytes])
      if (readFrames(said).frames.some(({ type }) => type === 'B')) resolve()
    })
  })
  await heard
  t.match(
    readFrames(said).frames.map(({ type }) => type),
    ['G', 'U'],
  )
  bundle.destroy()
  far.once('end', () => far.end())
  await bundles.settled()
})
