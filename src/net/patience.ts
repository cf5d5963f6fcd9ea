/**
 * How long a connection may stand still. Progress is whatever comes, and whatever leaves. A slow connection takes long for
 * one write (delivered.ts tells why), so before a stall is declared it is asked what has arrived of it: once a quarter of
 * the time has passed, since to ask costs something, and each quarter after.
 */
import type { Duplex } from 'node:stream'
import { delivered } from './delivered.js'

export class Patience {
  readonly #socket: Duplex
  readonly #timeout: number
  #lastProgress = performance.now()
  /** How long after the last progress it is asked next. */
  #nextLook: number
  /** What had arrived when it was asked last; null if it was not since the last progress. */
  #arrived: number | null = null
  #written = 0
  /** What was written up to the last word, the heartbeats behind it not counted. */
  #spoken = 0

  /** @param timeout milliseconds without progress */
  constructor(socket: Duplex, timeout: number) {
    this.#socket = socket
    this.#timeout = timeout
    this.#nextLook = timeout / 4
  }

  /** Something has moved, or from now on it is to. */
  moved(): void {
    this.#lastProgress = performance.now()
    this.#nextLook = this.#timeout / 4
    this.#arrived = null
  }

  /** @param isWord false for a heartbeat: the other side's kernel takes it, however dead the other side is */
  wrote(length: number, isWord: boolean): void {
    this.#written += length
    if (isWord) this.#spoken = this.#written
  }

  /** To be asked at least four times within the timeout, while something is to move. True when nothing has for all of it. */
  isOver(): boolean {
    const still = performance.now() - this.#lastProgress
    if (still < Math.min(this.#nextLook, this.#timeout)) return false
    const before = this.#arrived
    const arrived = Math.min(delivered(this.#socket), this.#spoken)
    if (before === null || arrived <= before) {
      this.#nextLook = still + this.#timeout / 4
      this.#arrived ??= arrived
      return still >= this.#timeout
    }
    this.moved()
    this.#arrived = arrived
    return false
  }
}
