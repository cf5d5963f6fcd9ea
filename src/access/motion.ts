/**
 * When a transfer has last made progress, which means content or answers, not heartbeats. The time that this side takes
 * itself does not count: the peer can do nothing about it.
 */

/** The longest timer of Node.js, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1

export class Motion {
  /** True once the peer has said what it wants: a sender with its first header, a receiver with its greeting. */
  hasBegun = false
  #last = performance.now()
  #progress = ''
  /** How many steps of this side are under way. */
  #working = 0
  readonly #blocked: () => number

  /** @param blocked returns how long a step of this side has been waiting for the peer, in milliseconds */
  constructor(blocked = () => 0) {
    this.#blocked = blocked
  }

  moved(): void {
    this.#last = performance.now()
  }

  /** Called with each progress that the peer reports. Only another one than before counts. */
  heard(progress: string): void {
    if (progress !== this.#progress) this.moved()
    this.#progress = progress
  }

  /** Milliseconds since the last progress. 0 while this side is at work itself. */
  get idle(): number {
    const idle = performance.now() - this.#last
    return this.#working > 0 ? Math.min(idle, this.#blocked()) : idle
  }

  /** Marks a wait for the peer within a step of this side. Settles as `wait` does. */
  async apart<T>(wait: Promise<T>): Promise<T> {
    this.#working--
    try {
      return await wait
    } finally {
      this.#working++
    }
  }

  /** Marks a step of this side. Settles as `work` does. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#working++
    try {
      return await work
    } finally {
      this.#working--
      this.moved()
    }
  }
}

/**
 * Calls `onStall` as soon as `idle` reaches `stall`, both in milliseconds. Returns a function that stops the watch.
 * Infinity needs no watch.
 */
export function watchStall(idle: () => number, stall: number, onStall: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  const look = () => {
    const left = stall - idle()
    if (left <= 0) onStall()
    else timer = setTimeout(look, Math.min(left, LONGEST_TIMER))
  }
  if (stall !== Number.POSITIVE_INFINITY) look()
  return () => clearTimeout(timer)
}
