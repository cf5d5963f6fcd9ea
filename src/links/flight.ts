/**
 * How much of a stream should be on its way over one connection. The kernel takes megabytes more than the network, and
 * what waits there arrives late. So as much is on its way as the connection has just delivered in a round trip, times a
 * factor that lets it become faster (after BBR, Cardwell et al. 2016).
 */

/** The fewest and the most bytes in a block. */
export const blockSizes = { least: 16 * 1024, most: 256 * 1024 }

/** The bytes on their way before anything is known. */
const FIRST = 8 * blockSizes.least

/** TCP doubles its window in each round trip while it looks for its speed (RFC 5681, 3.1). */
const GAIN = { growing: 4, steady: 2 }

/** A connection counts as one that becomes faster if its rate has grown by this factor. */
const GROWTH = 1.1

/** How much of a slower sample counts. */
const DECAY = 1 / 8

/** How long the shortest time counts at least, in milliseconds. */
const MEMORY = 10_000

interface Sent {
  length: number
  time: number
  /** The number of bytes that had arrived then. */
  arrived: number
}

export class Flight {
  readonly #sent: Sent[] = []
  /** The number of bytes on their way. */
  #bytes = 0
  #arrived = 0
  /** The shortest times from handing over a block to the news that it has arrived, in milliseconds: of late, and before. */
  #rtt = { now: Number.POSITIVE_INFINITY, before: Number.POSITIVE_INFINITY, since: performance.now() }
  /** Bytes per millisecond. */
  #rate = 0
  #room = FIRST

  get hasRoom(): boolean {
    return this.#bytes < this.#room
  }

  /** The most bytes of the next block: eight blocks are on their way, within the limits. */
  get blockSize(): number {
    return Math.min(blockSizes.most, Math.max(blockSizes.least, this.#room / 8 - ((this.#room / 8) % 1024)))
  }

  onSent(length: number): void {
    this.#sent.push({ length, time: performance.now(), arrived: this.#arrived })
    this.#bytes += length
  }

  /** @param lengths those of the oldest blocks, which have arrived */
  onArrived(lengths: readonly number[]): void {
    const now = performance.now()
    for (const length of lengths) {
      this.#arrived += length
      this.#bytes -= length
    }
    const { time, arrived } = this.#sent.splice(0, lengths.length).at(-1) as Sent
    const elapsed = Math.max(now - time, 0.1)
    const rtt = this.#shortest(elapsed, now)
    const rate = (this.#arrived - arrived) / elapsed
    const gain = rate > this.#rate * GROWTH ? GAIN.growing : GAIN.steady
    this.#rate = rate > this.#rate ? rate : this.#rate + (rate - this.#rate) * DECAY
    this.#room = Math.max(FIRST, gain * this.#rate * rtt)
  }

  /** The path may become longer, so a short time is forgotten after a while. */
  #shortest(elapsed: number, now: number): number {
    const rtt = this.#rtt
    if (now - rtt.since > MEMORY) this.#rtt = { now: elapsed, before: rtt.now, since: now }
    this.#rtt.now = Math.min(this.#rtt.now, elapsed)
    return Math.min(this.#rtt.now, this.#rtt.before)
  }
}
