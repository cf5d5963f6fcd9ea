/**
 * Decides when file system calls block. A read or write that the page cache serves takes less time than a round trip to
 * the thread pool, and its bytes stay in this processor's cache: blocking calls move a file about twice as fast
 * (bench/README.md). But a blocking call that waits for the disk itself stops every other connection, the heartbeats
 * and the signals. So calls block as long as they are quick. After a slow call, they use the thread pool for a while.
 */

/** A call that takes longer than this, in milliseconds, has waited for the disk. The page cache takes 0.1 ms. */
const QUICK_LIMIT = 10

/**
 * After a slow call, calls use the thread pool for this many times as long as that call took. So a slow disk stops
 * everything else for a tenth of the time at most, and a call that was slow by chance (another process had the
 * processor) costs little.
 */
const PAUSE_FACTOR = 10

export class Blocking {
  #slowUntil = 0
  #queue: Promise<unknown> = Promise.resolve()

  /** True while blocking calls are expected to be quick. */
  get isQuick(): boolean {
    return performance.now() >= this.#slowUntil
  }

  /** Runs `work`, a blocking call. The time it takes decides whether the next calls block. */
  call<T>(work: () => T): T {
    const start = performance.now()
    try {
      return work()
    } finally {
      const now = performance.now()
      const took = now - start
      if (took > QUICK_LIMIT) this.#slowUntil = now + PAUSE_FACTOR * took
    }
  }

  /** Runs long work for the thread pool, one piece at a time, so that it never occupies every thread. */
  queue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => {})
    return done
  }
}
