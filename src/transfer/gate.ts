/**
 * Decides by the address of a peer whether it may connect, before a byte of it is read. Others are reset: an end of the
 * stream could pass for an empty file.
 */
import type { Socket } from 'node:net'
import { refusal, type TransferError } from '../errors.js'
import { isWithin, type Network, parseAddress, parseNetwork } from '../net/ip.js'

/** At most so many refusals are reported in so many milliseconds. The others are counted. */
const REPORTED = 10
const PERIOD = 10_000

export class Gate {
  /** Null lets everybody in. */
  readonly #networks: readonly Network[] | null
  #periodEnd = Number.NEGATIVE_INFINITY
  #reported = 0
  #unreported = 0
  /** Reports the refusal that was counted last. */
  #report = (_error: TransferError) => {}

  /** Throws a usage error if one of the texts is no network. */
  constructor(allowFrom: readonly string[] | undefined) {
    this.#networks = allowFrom?.map(parseNetwork) ?? null
  }

  /**
   * Returns true if the peer may connect. Otherwise ends the connection.
   *
   * @param report reports this refusal; not called if there are too many of them
   */
  lets(socket: Socket, report: (error: TransferError) => void): boolean {
    if (this.#networks === null) return true
    const address = parseAddress(socket.remoteAddress ?? '')
    if (address && isWithin(address, this.#networks)) return true
    socket.on('error', () => {})
    socket.resetAndDestroy()
    this.#onRefused(report)
    return false
  }

  #onRefused(report: (error: TransferError) => void): void {
    const now = performance.now()
    if (now >= this.#periodEnd) {
      this.#periodEnd = now + PERIOD
      this.#reported = 0
    }
    this.#unreported++
    this.#report = report
    if (this.#reported < REPORTED) this.flush()
  }

  /** Reports the refusals that were only counted so far, with the last one of them. */
  flush(): void {
    const others = this.#unreported - 1
    if (others < 0) return
    this.#reported++
    this.#unreported = 0
    const more = others > 0 ? `, nor might ${others} that came before` : ''
    this.#report(refusal('policy', `this address may not connect${more} (--allow-from)`))
  }
}
