/** The base class of all links: a channel, and its end. */
import type { TransferError } from '../errors.js'
import { Channel, type ChannelOptions } from '../net/channel.js'
import type { Link } from './link.js'

export abstract class ChannelLink implements Link {
  protected readonly channel: Channel
  readonly signal: AbortSignal
  readonly closed: Promise<void>
  abstract readonly hasHeard: boolean

  protected constructor(socket: ConstructorParameters<typeof Channel>[0], options: ChannelOptions) {
    this.channel = new Channel(socket, options)
    this.signal = this.channel.signal
    this.closed = this.channel.closed
  }

  get blocked(): number {
    return this.channel.blocked
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
