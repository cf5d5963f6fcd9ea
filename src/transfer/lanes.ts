/** More connections for a bundle, by the side that dials. */
import type { Duplex } from 'node:stream'
import type { Bundle } from '../links/bundle.js'
import { FramedReceiverLink } from '../links/framed-receiver-link.js'
import { FramedSenderLink } from '../links/framed-sender-link.js'
import { ProtocolError } from '../protocol/protocol-error.js'
import type { Bundles } from './bundles.js'
import type { Dialling } from './session.js'

export interface Lanes {
  bundles: Bundles
  bundle: Bundle
  /** The name of the first connection. */
  name: string
  /** Milliseconds without progress after which a connection fails. */
  timeout: number
  role: 'sender' | 'receiver'
}

/** Makes the connections up to `count` in all. One that cannot be made is missing. */
export function dialLanes(lanes: Lanes, { dial }: Dialling, count: number): void {
  const { bundles, bundle } = lanes
  const ended = new AbortController()
  bundle.once('close', () => ended.abort())
  const connect = async () => {
    const { socket } = await dial(ended.signal)
    if (bundle.destroyed) socket.destroy()
    else await (lanes.role === 'sender' ? runSender : runReceiver)(socket, lanes)
  }
  for (let made = bundle.expected; made < count; made++) bundles.run(connect().catch(() => {}))
  bundle.expected = Math.max(bundle.expected, count)
}

async function runSender(socket: Duplex, { bundle, name, timeout }: Lanes): Promise<void> {
  const link = new FramedSenderLink(socket, { timeout, isAccepted: false })
  await link.open({ join: name })
  link.joinBundle(bundle, () => {})
  await link.receive((message) => {
    if (message.frame !== 'greeting' && message.frame !== 'bundle') throw new ProtocolError('it does not join')
  })
  await link.close()
}

async function runReceiver(socket: Duplex, { bundle, name, timeout }: Lanes): Promise<void> {
  const nothing = { features: async () => [], progress: () => ({}) }
  const link = new FramedReceiverLink(socket, { timeout, ...nothing, dialled: { join: { name, bundle } } })
  await link.receive((message) => {
    if (message.frame !== 'greeting' && message.frame !== 'bundle') throw new ProtocolError('it does not join')
  })
  await link.close()
}
