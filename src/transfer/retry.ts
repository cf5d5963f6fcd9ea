/** When a side that has dialled connects again after a connection has broken. */

/** The first and the longest pause, in milliseconds. Each one is three times as long as the one before. */
export const pauses = { first: 1_000, longest: 30_000 }

export interface RetryOptions {
  /**
   * How often to connect again after a broken connection, and to go on where it stopped. The pauses grow from 1 to 30
   * seconds, and progress makes the count start anew. What can be read only once, such as a stream, is not sent again.
   * Without effect with `listen` and `plain`, and if the receiver does not know its sender again. Default 3.
   */
  retry?: number | undefined
}

export class Retry {
  readonly #most: number
  readonly #wait: number
  #tries = 0
  #since = 0

  /** @param wait how long to try at least, in milliseconds */
  constructor(most: number, wait: number) {
    this.#most = most
    this.#wait = wait
  }

  /** Called after progress. */
  reset(): void {
    this.#tries = 0
  }

  /** How many times it has been tried since the last progress. */
  get tries(): number {
    return this.#tries
  }

  /** The pause before the next try, in milliseconds. Null if there is none. */
  next(): number | null {
    const now = performance.now()
    if (this.#tries === 0) this.#since = now
    if (this.#most === 0 || (this.#tries >= this.#most && now - this.#since >= this.#wait)) return null
    return Math.min(pauses.first * 3 ** this.#tries++, pauses.longest)
  }
}
