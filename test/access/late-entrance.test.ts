/** A handshake that is done when the listener has ended meanwhile. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import type { Entrance } from '../../dist/access/entrance.js'
import { Listener } from '../../dist/transfer/listener.js'
import { Events } from '../fixtures/ends.ts'
import { listenerOptions, scriptedRole } from '../fixtures/scripted-service.ts'

t.test('begins no transfer with a peer that comes in after the end', async (t) => {
  const controller = new AbortController()
  const [events, role] = [new Events(), scriptedRole()]
  let letIn = () => {}
  const accepting = new Promise<Socket>((resolve) => {
    const entrance = {
      keys: () => [],
      accept: (socket: Socket) => {
        resolve(socket)
        return new Promise((enter) => {
          letIn = () => enter({ socket })
        })
      },
      turnAway: () => {},
    } as unknown as Entrance
    const { signal } = controller
    const listener = new Listener({ ...listenerOptions, signal, entrance, onEvent: events.with() }, role)
    const ended = listener.run().catch((error) => error)
    t.teardown(() => ended)
  })
  const { port } = await events.until('listening')
  const peer = connect({ host: '127.0.0.1', port }).on('error', () => {})
  const socket = await accepting
  controller.abort()
  letIn()
  await once(peer, 'close')
  t.ok(socket.destroyed)
  t.strictSame(role.transfers, [])
})
