/**
 * From a source to a channel: read, digested while still in the processor's cache, handed to the kernel. The kernel holds
 * megabytes that are on their way, so the network does not wait while the next is read.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Channel } from '../net/channel.js'
import { writeFrameHeader } from '../protocol/encode.js'
import { FRAME_HEADER, MAX_DATA } from '../protocol/limits.js'
import type { OpenSource } from '../sources/source.js'
import { type Algorithm, type Digests, EntryDigest } from './digest.js'

/** The bytes of one data frame, half of what the protocol allows: read, digested and copied within the nearest caches. */
const FRAME_DATA = MAX_DATA / 2

/** The frames of one write of a pump that is alone and whose connection takes them quickly (bench/README.md). */
const FRAMES = 4

/** A write that took less was quick, in milliseconds. */
const QUICK = 50

/**
 * So many bytes in a row, taken quickly, make a quick connection. It is more than the kernel buffers for one (4 MiB on
 * Linux, tcp(7)), which a slow one takes quickly, too: there progress is told frame by frame.
 */
const PROOF = 16 * 1024 * 1024

/**
 * A connection that takes everything at once would never let the event loop turn: no Ctrl-C, no refusal of the other
 * side would be heard. After so many milliseconds it turns.
 */
const TURN = 10

/** What went through: the facts of the end frame. */
export interface Moved extends Digests {
  bytes: number
}

export interface MoveOptions {
  /** What the receiver computes. Default `blake3`. */
  algorithm?: Algorithm
  /** Called with the bytes that were read so far, before the last of them are written. It may throw. */
  checkGrowing?: (bytes: number) => void
}

/** The pumps that run. A hundred together take 50 MB; with long writes it would be 200. */
let running = 0

export class Pump {
  readonly #channel: Channel
  readonly #prefix: number
  readonly #piece: number
  readonly #longest: number
  #buffer: Buffer
  /** The bytes taken quickly in a row. */
  #quick = 0
  #lastTurn = performance.now()

  /** @param framed whether each piece is a data frame, or just its bytes (`--plain`) */
  constructor(channel: Channel, framed: boolean) {
    this.#channel = channel
    this.#prefix = framed ? FRAME_HEADER : 0
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
    source: OpenSource,
    signal: AbortSignal,
    onProgress: (bytes: number) => void,
    { algorithm = 'blake3', checkGrowing = () => {} }: MoveOptions = {},
  ): Promise<Moved> {
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
    source: OpenSource,
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
      if (prefix > 0) writeFrameHeader(this.#buffer, 'data', count, filled)
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
    await this.#channel.write(this.#buffer.subarray(0, length))
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
