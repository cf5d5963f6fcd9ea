/**
 * Decides when a connection has stalled. Progress means that bytes come or leave. On a slow connection, one write takes
 * long (delivered.ts explains why). So before a connection counts as stalled, a check counts the bytes that have
 * arrived at the peer. A check takes time, so there is one per quarter of the timeout.
 */
import type { Duplex } from 'node:stream'
import { delivered } from './delivered.js'

export class Patience {
  readonly #socket: Duplex
  readonly #timeout: number
  #lastProgress = performance.now()
  /** The time from the last progress to the next check, in milliseconds. */
  #nextCheck: number
  /** The number of bytes that had arrived at the last check. Null if there was none since the last progress. */
  #arrived: number | null = null
  #written = 0
  /** The number of bytes written, without the heartbeats at the end. */
  #writtenContent = 0

  /** @param timeout the longest time without progress, in milliseconds */
  constructor(socket: Duplex, timeout: number) {
    this.#socket = socket
    this.#timeout = timeout
    this.#nextCheck = timeout / 4
  }

  /** Called on progress, and when the wait for progress begins. */
  moved(): void {
    this.#lastProgress = performance.now()
    this.#nextCheck = this.#timeout / 4
    this.#arrived = null
  }

  /** @param isContent false for a heartbeat: the kernel of the peer takes it even if the program there hangs */
  wrote(length: number, isContent: boolean): void {
    this.#written += length
    if (isContent) this.#writtenContent = this.#written
  }

  /** True if nothing has moved for the whole timeout. Called at least four times per timeout. */
  isOver(): boolean {
    const idle = performance.now() - this.#lastProgress
    if (idle < Math.min(this.#nextCheck, this.#timeout)) return false
    const before = this.#arrived
    const arrived = Math.min(delivered(this.#socket), this.#writtenContent)
    if (before === null || arrived <= before) {
      this.#nextCheck = idle + this.#timeout / 4
      this.#arrived ??= arrived
      return idle >= this.#timeout
    }
    this.moved()
    this.#arrived = arrived
    return false
  }
}
