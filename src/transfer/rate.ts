/**
 * Limits the rate of all connections of one call together. Bytes move in small pieces, each when its time has come, so
 * the rate is smooth, and nothing else has to wait for long behind a piece.
 */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { limitReads } from '../net/feed.js'
import { CHUNK } from '../protocol/limits.js'

/** The longest time between two pieces, in milliseconds. Lost time is made up for at most as long. */
const SMOOTH = 50

/** The lowest limit, in bytes per second. */
export const LOWEST_LIMIT = 1024

export interface RateOptions {
  /**
   * The most bytes of content that all connections together move, in bytes per second, with `plain`, too. What a file is
   * called and how it ends is not counted. A receiver slows the sender down by reading slowly, so the first few MB may
   * leave the sender at once, and the receiver reads what the sender says last only after them. Code `usage` if it is
   * less than 1,024. Default: no limit.
   */
  limit?: number | undefined
}

export class Rate {
  /** The most bytes to move at once: whole chunks, for half of the smooth time, because timers are late. */
  readonly piece: number
  readonly #millisecondsPerByte: number
  /** The `performance.now()` at which the time of all pieces so far is over. */
  #next = 0

  constructor(bytesPerSecond: number) {
    this.#millisecondsPerByte = 1000 / bytesPerSecond
    this.piece = CHUNK * Math.max(1, Math.floor((bytesPerSecond * SMOOTH) / 2000 / CHUNK))
  }

  /** Lets reads of `socket` bring no more than a piece, except the first one. */
  limitReads(socket: Duplex): void {
    limitReads(socket, this.piece)
  }

  /** Returns undefined if the time of `length` bytes is over now, otherwise a promise. Rejects with the reason of `signal`. */
  take(length: number, signal: AbortSignal): Promise<void> | undefined {
    const now = performance.now()
    this.#next = Math.max(this.#next, now - SMOOTH) + length * this.#millisecondsPerByte
    return this.#next <= now ? undefined : wait(this.#next - now, signal)
  }
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted())
}

/** The limit of one call, if there is one. */
export function rateOf({ limit = Number.POSITIVE_INFINITY }: RateOptions): Rate | undefined {
  return limit === Number.POSITIVE_INFINITY ? undefined : new Rate(limit)
}
