/** The base class of all links: a channel, its end, and the way in of messages. */
import type { TransferError } from '../errors.js'
import { Channel, type ChannelOptions } from '../net/channel.js'
import { retain } from '../net/memory.js'
import type { Turn } from '../net/turn.js'
import { IDLE_FRAMES, IDLE_FRAMES_PER_SECOND } from '../protocol/limits.js'
import { ProtocolError } from '../protocol/protocol-error.js'
import type { Link } from './link.js'

export abstract class ChannelLink implements Link {
  protected readonly channel: Channel
  readonly signal: AbortSignal
  readonly closed: Promise<void>
  abstract readonly hasHeard: boolean
  readonly #start = performance.now()
  /** How many frames have come that say nothing. */
  #idleFrames = 0

  protected constructor(socket: ConstructorParameters<typeof Channel>[0], options: ChannelOptions) {
    this.channel = new Channel(socket, options)
    this.signal = this.channel.signal
    this.closed = this.channel.closed
  }

  get blocked(): number {
    return this.channel.blocked
  }

  get turn(): Turn {
    return this.channel.turn
  }

  /** Handles the messages of one read, in turns. */
  protected consume<Message>(
    messages: Iterator<Message>,
    decoder: { detach(keep: (bytes: Buffer) => Buffer): void },
    take: (message: Message) => void | Promise<void>,
  ): undefined | Promise<void> {
    const waits = { before: () => decoder.detach(retain), after: () => this.signal.throwIfAborted() }
    return this.turn.work(messages, take, waits)
  }

  /** Counts a frame that says nothing. Throws if there are too many: each costs more work than it is long. */
  protected countIdle(): void {
    const seconds = (performance.now() - this.#start) / 1000
    if (++this.#idleFrames <= IDLE_FRAMES + IDLE_FRAMES_PER_SECOND * seconds) return
    throw new ProtocolError(`${this.#idleFrames} heartbeats and other frames to skip in ${seconds.toFixed(1)} seconds`)
  }

  fail(error: TransferError): void {
    this.channel.fail(error)
  }

  async close(): Promise<void> {
    await this.channel.close()
  }

  explain(error: TransferError): TransferError {
    return error
  }
}
