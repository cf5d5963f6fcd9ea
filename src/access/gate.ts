/**
 * Decides by the address of a peer whether it may connect, before a byte of it is read. Others are reset: an end of the
 * stream could pass for an empty file.
 */
import type { Socket } from 'node:net'
import { refusal, type TransferError } from '../errors.js'
import { isWithin, type Network, parseAddress, parseNetwork } from '../net/ip.js'
import type { Peer } from './proxies.js'

export class Gate {
  /** Null lets everybody in. */
  readonly #networks: readonly Network[] | null

  /** Throws a usage error if one of the texts is no network. */
  constructor(allowFrom: readonly string[] | undefined) {
    this.#networks = allowFrom?.map((text) => parseNetwork(text)) ?? null
  }

  /** Returns null if `peer` may connect. Otherwise ends its connection, and returns the reason. */
  refuses(socket: Socket, peer: Peer = socket): TransferError | null {
    if (this.#networks === null) return null
    const address = parseAddress(peer.remoteAddress ?? '')
    if (address && isWithin(address, this.#networks)) return null
    socket.on('error', () => {})
    socket.resetAndDestroy()
    return refusal('policy', 'this address may not connect (--allow-from)')
  }
}
