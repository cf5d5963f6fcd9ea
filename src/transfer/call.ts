/** A call: dials, for one connection and one transfer. */
import { interruption, type TransferError } from '../errors.js'
import type { OnEvent } from '../events.js'
import { peerAddress } from '../net/address.js'
import { type DialOptions, dial } from '../net/dial.js'
import type { Entrance } from './entrance.js'
import { type Connection, endedEvent, keyFacts, runWatched, type Session, type TransferResult } from './session.js'

/** Connects, and runs the transfer to its end. Throws if it cannot connect. A failed transfer is part of the result. */
export async function call(
  options: DialOptions & { onEvent: OnEvent; stall: number; entrance?: Entrance | undefined },
  start: (connection: Connection) => Session,
): Promise<TransferResult> {
  const { signal, onEvent, partner, stall, entrance } = options
  const seconds = options.wait / 1000
  const onWaiting = ({ message }: TransferError) => {
    const text = `${message}; trying again for up to ${seconds} seconds`
    onEvent({ event: 'waiting', for: partner, seconds, message: text })
  }
  const dialled = await dial({ ...options, onWaiting, isSecure: entrance !== undefined })
  const peer = peerAddress(dialled)
  const { socket, key } = entrance ? await entrance.dialled(dialled, options) : { socket: dialled }
  try {
    onEvent({ event: 'connected', transfer: 1, peer, ...keyFacts(key) })
  } catch (error) {
    socket.destroy()
    throw error
  }
  const begin = performance.now()
  const transfer = start({ socket, transfer: 1, peer, ...(key ? { key } : {}) })
  const interrupt = () => transfer.fail(interruption(signal))
  signal.addEventListener('abort', interrupt)
  if (signal.aborted) interrupt()
  // If `onEvent` throws, the files must be closed all the same before anything else happens.
  const [running] = await Promise.allSettled([runWatched(transfer, stall, partner)])
  await transfer.closed
  signal.removeEventListener('abort', interrupt)
  if (running.status === 'rejected') throw running.reason
  onEvent(endedEvent(1, begin, running.value))
  return running.value
}
