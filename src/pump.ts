/**
 * From a source to a channel: read, digested while still in the processor's cache, handed to the kernel. The kernel holds
 * megabytes that are on their way, so the network does not wait while the next is read.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createDigest, type Digest } from './files/digest.js'
import type { OpenSource } from './files/source.js'
import type { Channel } from './net/channel.js'
import { writeFrameHeader } from './protocol/encode.js'
import { FRAME_HEADER, MAX_DATA } from './protocol/limits.js'

/** The bytes of one data frame, half of what the protocol allows: read, digested and copied within the nearest caches. */
const FRAME_DATA = MAX_DATA / 2

/** The frames of one write of a pump that is alone and whose connection takes them quickly (bench/README.md). */
const FRAMES = 4

/** A write that took less was quick, in milliseconds. After one that was not, progress is told after each frame. */
const QUICK = 50

/**
 * A connection that takes everything at once would never let the event loop turn: no Ctrl-C, no refusal of the other
 * side would be heard. After so many milliseconds it turns.
 */
const TURN = 10

/** The bytes of one write without frames: so few that a slow peer which sends no heartbeat takes them within the timeout. */
const PLAIN_WRITE = 64 * 1024

/** What went through: the facts of the end frame. */
export interface Moved {
  bytes: number
  blake3: string
}

/** The pumps that run. A hundred together take 50 MB, with long writes it would be 200. */
let running = 0

export class Pump {
  readonly #channel: Channel
  readonly #prefix: number
  readonly #piece: number
  /** Its memory is the system's until it is used. */
  readonly #buffer: Buffer

  /** @param framed whether each piece is a data frame, or just its bytes */
  constructor(channel: Channel, framed: boolean) {
    this.#channel = channel
    this.#prefix = framed ? FRAME_HEADER : 0
    this.#piece = this.#prefix + (framed ? FRAME_DATA : PLAIN_WRITE)
    this.#buffer = Buffer.allocUnsafeSlow(framed ? FRAMES * this.#piece : this.#piece)
  }

  /** Moves all of `source`, until its end or until `signal` is aborted. */
  async move(source: OpenSource, signal: AbortSignal, onProgress: (bytes: number) => void): Promise<Moved> {
    const digest = await createDigest()
    running++
    try {
      return await this.#move(source, digest, signal, onProgress)
    } finally {
      running--
    }
  }

  async #move(source: OpenSource, digest: Digest, signal: AbortSignal, onProgress: (bytes: number) => void) {
    const { size } = source.header
    const [buffer, prefix, piece] = [this.#buffer, this.#prefix, this.#piece]
    let bytes = 0
    let filled = 0
    let isQuick = false
    let lastTurn = performance.now()
    const write = async () => {
      const start = performance.now()
      await this.#channel.write(buffer.subarray(0, filled))
      const now = performance.now()
      isQuick = now - start < QUICK
      filled = 0
      onProgress(bytes)
      if (now - lastTurn < TURN) return
      lastTurn = now
      await nextTurn()
    }
    while (size === null || bytes < size) {
      signal.throwIfAborted()
      const start = filled + prefix
      const reading = source.read(buffer, start, piece - prefix)
      const isAtHand = typeof reading === 'number'
      const count = isAtHand ? reading : await reading
      if (count === 0) break
      if (prefix > 0) writeFrameHeader(buffer, 'data', count, filled)
      digest.update(buffer.subarray(start, start + count))
      filled = start + count
      bytes += count
      const room = isQuick && running === 1 ? buffer.length : piece
      // What had to be waited for waits for nothing else.
      if (!isAtHand || filled + piece > room) await write()
    }
    if (filled > 0) await write()
    return { bytes, blake3: digest.hex() }
  }
}
