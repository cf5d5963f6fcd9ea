/**
 * From a source to a channel: read, digested while still in the processor's cache, handed to the kernel, with a few
 * buffers in turn so that reading goes on while the kernel takes what was read before.
 */
import { createDigest } from './files/digest.js'
import type { OpenSource } from './files/source.js'
import type { Channel } from './net/channel.js'
import { writeFrameHeader } from './protocol/encode.js'
import { FRAME_HEADER, MAX_DATA } from './protocol/limits.js'

/** Buffers in turn: the kernel takes one while the next is read. More gained nothing (bench/README.md). */
const BUFFERS = 2

/** The bytes of one data frame, half of what the protocol allows: a hundred connections of one process need 100 MB. */
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
  readonly #length: number
  readonly #slots: { buffer: Buffer; written: Promise<void> }[] = []
  #next = 0

  /** @param framed whether each piece is a data frame, or just its bytes */
  constructor(channel: Channel, framed: boolean) {
    this.#channel = channel
    this.#prefix = framed ? FRAME_HEADER : 0
    this.#length = framed ? FRAME_DATA : PLAIN_WRITE
  }

  /** Moves all of `source`, until its end or until `signal` is aborted. */
  async move(source: OpenSource, signal: AbortSignal, onProgress: (bytes: number) => void): Promise<Moved> {
    const digest = await createDigest()
    const { size } = source.header
    let bytes = 0
    while (size === null || bytes < size) {
      signal.throwIfAborted()
      const slot = await this.#takeSlot()
      const count = await source.read(slot.buffer, this.#prefix, this.#length)
      if (count === 0) break
      const end = this.#prefix + count
      if (this.#prefix > 0) writeFrameHeader(slot.buffer, 'data', count)
      digest.update(slot.buffer.subarray(this.#prefix, end))
      slot.written = this.#channel.write(slot.buffer.subarray(0, end))
      // A rejection is the channel's error, which the next slot, or the next frame, meets as well.
      slot.written.catch(() => {})
      bytes += count
      onProgress(bytes)
    }
    return { bytes, blake3: digest.hex() }
  }

  /** The next buffer in turn, once the kernel has taken what was in it. */
  async #takeSlot(): Promise<{ buffer: Buffer; written: Promise<void> }> {
    const index = this.#next++ % BUFFERS
    const slot = this.#slots[index] ?? {
      buffer: Buffer.allocUnsafeSlow(this.#prefix + this.#length),
      written: Promise.resolve(),
    }
    this.#slots[index] = slot
    await slot.written
    return slot
  }
}
