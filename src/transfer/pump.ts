/**
 * Moves bytes from a source to a link: each piece is read, digested while it is still in the processor's cache, framed and
 * handed to the kernel. The kernel holds megabytes that are on their way, so the network does not wait for the next read.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SenderLink } from '../links/link.js'
import { MAX_DATA } from '../protocol/limits.js'
import type { OpenEntry } from '../sources/source.js'
import { type Algorithm, type Digests, EntryDigest } from './digest.js'

/** The bytes of one data frame, half of what the protocol allows: read, digested and copied within the nearest caches. */
const FRAME_DATA = MAX_DATA / 2

/** The frames of one write, if no other pump runs and the connection takes them quickly (bench/README.md). */
const FRAMES = 4

/** A write that takes less than this is quick, in milliseconds. */
const QUICK = 50

/**
 * A connection counts as quick after it has taken this many bytes in a row quickly. That is more than the kernel buffers
 * (4 MiB on Linux, tcp(7)): a slow connection takes that much quickly, too, and must report progress frame by frame.
 */
const PROOF = 16 * 1024 * 1024

/**
 * After this many milliseconds the event loop gets a turn. A connection that takes everything at once would otherwise
 * never let it turn: no Ctrl-C and no refusal of the other side would be heard.
 */
const TURN = 10

/** What went through the pump: the facts of the end of an entry. */
export interface Totals extends Digests {
  bytes: number
}

export interface MoveOptions {
  /** What the receiver computes. Default `blake3`. */
  algorithm?: Algorithm
  /** Called with the bytes that were read so far, before the last of them are written. It may throw. */
  checkGrowing?: (bytes: number) => void
}

/** What the pump needs of a link. */
type DataLink = Pick<SenderLink, 'prefix' | 'frame' | 'write'>

/** How many pumps run. A hundred with short writes take 50 MB, with long writes 200 MB. */
let running = 0

export class Pump {
  readonly #link: DataLink
  readonly #prefix: number
  readonly #piece: number
  readonly #longest: number
  #buffer: Buffer
  /** The bytes taken quickly in a row. */
  #quick = 0
  #lastTurn = performance.now()

  constructor(link: DataLink) {
    this.#link = link
    this.#prefix = link.prefix
    this.#piece = this.#prefix + FRAME_DATA
    this.#longest = this.#piece * FRAMES
    this.#buffer = Buffer.allocUnsafeSlow(this.#piece)
  }

  /**
   * Moves all of `source`, until its end or until `signal` is aborted.
   *
   * @param onProgress called with the bytes that were written so far
   */
  async move(
    source: OpenEntry,
    signal: AbortSignal,
    onProgress: (bytes: number) => void,
    { algorithm = 'blake3', checkGrowing = () => {} }: MoveOptions = {},
  ): Promise<Totals> {
    const digest = await EntryDigest.create(algorithm)
    running++
    try {
      return await this.#move(source, digest, signal, onProgress, checkGrowing)
    } finally {
      running--
      // It may wait long for its next source.
      this.#resize(this.#piece)
    }
  }

  async #move(
    source: OpenEntry,
    digest: EntryDigest,
    signal: AbortSignal,
    onProgress: (bytes: number) => void,
    checkGrowing: (bytes: number) => void,
  ) {
    const { size } = source.header
    const [prefix, piece] = [this.#prefix, this.#piece]
    let bytes = 0
    let filled = 0
    const write = async () => {
      await this.#write(filled)
      filled = 0
      onProgress(bytes)
    }
    while (size === null || bytes < size) {
      signal.throwIfAborted()
      if (filled === 0) this.#resize(this.#quick >= PROOF && running === 1 ? this.#longest : piece)
      const start = filled + prefix
      const reading = source.read(this.#buffer, start, piece - prefix)
      const isAtHand = typeof reading === 'number'
      const count = isAtHand ? reading : await reading
      if (count === 0) break
      bytes += count
      checkGrowing(bytes)
      this.#link.frame(this.#buffer, filled, count)
      digest.update(this.#buffer.subarray(start, start + count))
      filled = start + count
      // What had to be waited for waits for nothing else.
      if (!isAtHand || filled + piece > this.#buffer.length) await write()
    }
    if (filled > 0) await write()
    return { bytes, ...digest.hex() }
  }

  async #write(length: number): Promise<void> {
    const start = performance.now()
    await this.#link.write(this.#buffer.subarray(0, length))
    const now = performance.now()
    this.#quick = now - start < QUICK ? this.#quick + length : 0
    if (now - this.#lastTurn < TURN) return
    this.#lastTurn = now
    await nextTurn()
  }

  #resize(length: number): void {
    if (this.#buffer.length !== length) this.#buffer = Buffer.allocUnsafeSlow(length)
  }
}
