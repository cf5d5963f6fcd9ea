/** Limits how many lines come in a second. Who has been silent for a while may say more at once. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface Pace {
  perSecond: number
  /** How many may come at once. */
  burst: number
}

/** In a room, where everybody hears every line. */
export const ROOM_PACE: Pace = { perSecond: 20, burst: 100 }

/** Between two, where only one hears it. It keeps a flood from taking all of the processor. */
export const TALK_PACE: Pace = { perSecond: 10_000, burst: 1_000 }

export class Pacer {
  readonly #interval: number
  readonly #credit: number
  /** The `performance.now()` at which the time of all lines so far is over. */
  #next = 0

  constructor({ perSecond, burst }: Pace) {
    this.#interval = 1000 / perSecond
    this.#credit = burst * this.#interval
  }

  /** Called for each line. Returns a promise if the next one has to wait, which resolves when it need not any more. */
  take(): Promise<void> | undefined {
    const now = performance.now()
    this.#next = Math.max(this.#next, now - this.#credit) + this.#interval
    return this.#next <= now ? undefined : sleep(this.#next - now)
  }
}
