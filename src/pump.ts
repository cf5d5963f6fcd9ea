/**
 * From a source to a channel: read, digested while still in the processor's cache, handed to the kernel, piece by piece
 * in one buffer. The kernel holds megabytes that are on their way, so the network does not wait while the next is read.
 */
import { createDigest } from './files/digest.js'
import type { OpenSource } from './files/source.js'
import type { Channel } from './net/channel.js'
import { writeFrameHeader } from './protocol/encode.js'
import { FRAME_HEADER, MAX_DATA } from './protocol/limits.js'

/** The bytes of one data frame, half of what the protocol allows: a hundred connections of one process need 50 MB. */
const FRAME_DATA = MAX_DATA / 2

/** The bytes of one write without frames: so few that a slow peer which sends no heartbeat takes them within the timeout. */
const PLAIN_WRITE = 64 * 1024

/** What went through: the facts of the end frame. */
export interface Moved {
  bytes: number
  blake3: string
}

export class Pump {
  readonly #channel: Channel
  readonly #prefix: number
  readonly #buffer: Buffer

  /** @param framed whether each piece is a data frame, or just its bytes */
  constructor(channel: Channel, framed: boolean) {
    this.#channel = channel
    this.#prefix = framed ? FRAME_HEADER : 0
    this.#buffer = Buffer.allocUnsafeSlow(this.#prefix + (framed ? FRAME_DATA : PLAIN_WRITE))
  }

  /** Moves all of `source`, until its end or until `signal` is aborted. */
  async move(source: OpenSource, signal: AbortSignal, onProgress: (bytes: number) => void): Promise<Moved> {
    const digest = await createDigest()
    const { size } = source.header
    const [buffer, start] = [this.#buffer, this.#prefix]
    let bytes = 0
    while (size === null || bytes < size) {
      signal.throwIfAborted()
      const count = await source.read(buffer, start, buffer.length - start)
      if (count === 0) break
      if (start > 0) writeFrameHeader(buffer, 'data', count)
      digest.update(buffer.subarray(start, start + count))
      await this.#channel.write(buffer.subarray(0, start + count))
      bytes += count
      onProgress(bytes)
    }
    return { bytes, blake3: digest.hex() }
  }
}
