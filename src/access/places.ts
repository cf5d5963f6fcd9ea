/**
 * The places for simultaneous connections. When there is none left, the connection that has made no progress for longest
 * gives its place to the newcomer, so silent peers cannot shut out all others. A connection that moves keeps its place.
 */
import { refusal, type TransferError } from '../errors.js'
import type { Motion } from './motion.js'

/** How long a connection must have made no progress before it can lose its place, in milliseconds. */
export const IDLE = 5_000

/** Whoever takes a place. */
export interface Holder {
  readonly motion: Pick<Motion, 'idle' | 'hasBegun'>
  fail(error: TransferError): void
  /** True for a connection of a bundle, which ends with that. */
  readonly isLane?: boolean
}

export interface PlacesOptions {
  /** The maximum number of simultaneous connections. */
  maxConnections: number
  /** The maximum number of those from one peer. */
  maxPerPeer: number
}

export class Places {
  readonly #options: PlacesOptions
  /** The holders, each with the network of its peer. */
  readonly #taken = new Map<Holder, string>()
  readonly #perPeer = new Map<string, number>()

  constructor(options: PlacesOptions) {
    this.#options = options
  }

  get holders(): Iterable<Holder> {
    return this.#taken.keys()
  }

  /** Gives a place to `holder`, whose peer is in `network`. Returns the reason if there is none. */
  take(holder: Holder, network: string): TransferError | null {
    const { maxConnections, maxPerPeer } = this.#options
    if (this.#countOf(network) >= maxPerPeer && !this.#displace('--max-per-peer', network))
      return refusal('busy', `it has ${maxPerPeer} connections from your address already (--max-per-peer)`)
    if (this.#taken.size >= maxConnections && !this.#displace('--max-connections'))
      return refusal('busy', `it has ${maxConnections} connections already (--max-connections)`)
    this.#taken.set(holder, network)
    this.#perPeer.set(network, this.#countOf(network) + 1)
    return null
  }

  /** Makes the place of `holder` free, if it has one. */
  leave(holder: Holder): void {
    const network = this.#taken.get(holder)
    if (network === undefined) return
    this.#taken.delete(holder)
    const count = this.#countOf(network) - 1
    if (count > 0) this.#perPeer.set(network, count)
    else this.#perPeer.delete(network)
  }

  #countOf(network: string): number {
    return this.#perPeer.get(network) ?? 0
  }

  /** Takes its place from the least active holder, of `network` if given. Returns false if all of them are active. */
  #displace(option: string, network?: string): boolean {
    let found: Holder | null = null
    let longest = 0
    for (const [holder, of] of this.#taken) {
      const { idle, hasBegun } = holder.motion
      if ((network !== undefined && of !== network) || idle < IDLE) continue
      if (found && (found.motion.hasBegun === hasBegun ? idle <= longest : hasBegun)) continue
      found = holder
      longest = idle
    }
    if (!found) return false
    this.leave(found)
    const seconds = Math.floor(longest / 1000)
    found.fail(
      refusal('busy', `it gave the place to another connection after ${seconds} seconds without progress (${option})`),
    )
    return true
  }
}
