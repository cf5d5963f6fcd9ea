/** More connections for a bundle, by the side that dials. */
import { setMaxListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import { TransferError } from '../errors.js'
import type { Bundle } from '../links/bundle.js'
import { FramedReceiverLink } from '../links/framed-receiver-link.js'
import { FramedSenderLink } from '../links/framed-sender-link.js'
import { MAX_CONNECTIONS } from '../protocol/limits.js'
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
  // Each connection listens to it.
  setMaxListeners(MAX_CONNECTIONS, ended.signal)
  bundle.once('close', () => ended.abort())
  const connect = async () => {
    const { socket } = await dial(ended.signal)
    if (bundle.destroyed) return void socket.destroy()
    const link = (lanes.role === 'sender' ? senderLink : receiverLink)(socket, lanes)
    // One that the bundle does not have yet would not end with it.
    ended.signal.addEventListener('abort', () => link.isLane || link.fail(tooLate))
    if (link instanceof FramedSenderLink) await openLane(link, lanes)
    await link.receive(checkJoining)
    await link.close()
  }
  for (let made = bundle.expected; made < count; made++) bundles.run(connect().catch(() => {}))
  bundle.expected = Math.max(bundle.expected, count)
}

const tooLate = new TransferError('incomplete', 'the bundle has ended', { reason: 'broken' })

function senderLink(socket: Duplex, { timeout }: Lanes): FramedSenderLink {
  return new FramedSenderLink(socket, { timeout, isAccepted: false })
}

async function openLane(link: FramedSenderLink, { bundle, name }: Lanes): Promise<void> {
  await link.open({ join: name })
  link.joinBundle(bundle, () => {})
}

function receiverLink(socket: Duplex, { bundle, name, timeout }: Lanes): FramedReceiverLink {
  const nothing = { features: async () => [], progress: () => ({}) }
  return new FramedReceiverLink(socket, { timeout, ...nothing, dialled: { join: { name, bundle } } })
}

/** The other side may only agree. */
function checkJoining({ frame }: { frame: string }): void {
  if (frame !== 'greeting' && frame !== 'bundle') throw new ProtocolError('it does not join')
}
