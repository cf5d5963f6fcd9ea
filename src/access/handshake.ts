/** What a listener does with a connection before its session: with a key, the peer must prove the key first. */
import type { Socket } from 'node:net'
import { asTransferError, type TransferError } from '../errors.js'
import { withLargeReads } from '../net/feed.js'
import type { Entered, Entrance } from './entrance.js'
import { Motion } from './motion.js'
import type { Holder, Places } from './places.js'

/** A peer that has not proved its key yet. It takes a place among those like it. */
class Handshake implements Holder {
  readonly motion = new Motion()
  readonly #failed = new AbortController()
  readonly signal = this.#failed.signal

  fail(error: TransferError): void {
    this.#failed.abort(error)
  }
}

/**
 * Lets a peer in, which is in `network`. Resolves with null if it has not proved the key, or has no place. The connection is closed then.
 *
 * @param report called with the reason, unless the peer has not said a word
 */
export async function enter(
  socket: Socket,
  network: string,
  entrance: Entrance | undefined,
  places: Places,
  report: (error: TransferError) => void,
): Promise<Entered | null> {
  if (!entrance) return { socket: withLargeReads(socket) }
  const handshake = new Handshake()
  const noPlace = places.take(handshake, network)
  if (noPlace) {
    entrance.turnAway(socket)
    report(noPlace)
    return null
  }
  const entering = entrance.accept(socket, handshake.signal).finally(() => places.leave(handshake))
  return await entering.catch((error) => {
    report(asTransferError(error))
    return null
  })
}
