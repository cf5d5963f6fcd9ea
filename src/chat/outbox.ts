/** What waits to be written to a member. */
import type { Duplex } from 'node:stream'
import type { Channel } from '../net/channel.js'
import { tooSlow } from './kind.js'

/** So many bytes may wait for a member. Then it is too slow, and nobody waits for it. */
export const MAX_WAITING = 1024 * 1024

/** The same for writes: each takes a kilobyte of memory, however short the line is. */
export const MAX_WRITES = 16_384

/** With so many bytes waiting, who can wait does. */
const ENOUGH = 64 * 1024

export class Outbox {
  readonly #socket: Duplex
  readonly #channel: Channel
  /** How many writes wait. */
  #writes = 0

  constructor(socket: Duplex, channel: Channel) {
    this.#socket = socket
    this.#channel = channel
  }

  /** Returns a promise if much waits already. */
  write(bytes: Buffer): Promise<void> | undefined {
    this.#writes++
    const onWritten = () => void this.#writes--
    const written = this.#channel.write(bytes).then(onWritten, onWritten)
    const { writableLength } = this.#socket
    if (writableLength > MAX_WAITING || this.#writes > MAX_WRITES) this.#channel.fail(tooSlow())
    return writableLength > ENOUGH ? written : undefined
  }
}
