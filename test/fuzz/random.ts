/** Random choices that a seed decides, so that a run can be repeated. */

export class Random {
  #state: number

  constructor(seed: number) {
    // A seed of small numbers would begin with small numbers.
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ 0x6d2b79f5) | 0
  }

  /** A whole number of 32 bits (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** A whole number from 0 to `limit` - 1; 0 if there is none. */
  below(limit: number): number {
    return limit > 0 ? this.next() % limit : 0
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)] as T
  }

  /** A number from 1 on; each further one is half as likely. */
  few(most: number): number {
    let count = 1
    while (count < most && this.once(2)) count++
    return count
  }
}
