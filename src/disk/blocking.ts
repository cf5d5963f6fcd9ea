/**
 * When to block. A read or write that the page cache serves is done in less time than it takes to hand it to a thread
 * and to hear of it again, and its bytes stay in this processor's cache: blocking calls move a file about twice as
 * fast (bench/README.md). But a call that waits for the disk itself would stop every other connection, the heartbeats
 * and the signals. So calls block while they are quick, and go to the thread pool for a while after one that was not.
 */

/** A blocking call that took longer than this was waiting for the disk, in milliseconds; the page cache takes 0.1. */
const QUICK = 10

/**
 * How many times as long as a slow call has taken calls go to the thread pool after it. So a slow disk stops the others
 * for a tenth of the time at most, and a call that was slow by chance (another process had the processor) costs little.
 */
const PAUSE = 10

export class Blocking {
  #slowUntil = 0
  #queue: Promise<unknown> = Promise.resolve()

  /** True while blocking calls are expected to be quick. */
  get isQuick(): boolean {
    return performance.now() >= this.#slowUntil
  }

  /** Makes a blocking call, and learns from the time it took. */
  call<T>(work: () => T): T {
    const start = performance.now()
    try {
      return work()
    } finally {
      const now = performance.now()
      const took = now - start
      if (took > QUICK) this.#slowUntil = now + PAUSE * took
    }
  }

  /** Long work for the thread pool, one after the other: it never takes all the threads that small things wait for. */
  queue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => {})
    return done
  }
}
