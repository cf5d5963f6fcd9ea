/** A link that speaks the protocol, until its connection becomes one of a bundle. */
import { asTransferError, TransferError } from '../errors.js'
import { encode } from '../protocol/encode.js'
import { ProtocolError } from '../protocol/protocol-error.js'
import type { Bundle } from './bundle.js'
import { ChannelLink } from './channel-link.js'
import { Lane } from './lane.js'

/** Reads one direction of the protocol. */
interface MessageDecoder<Message> {
  push(bytes: Buffer): Generator<Message, void, undefined>
  detach(keep: (bytes: Buffer) => Buffer): void
  takeRest(): Buffer
}

export abstract class FramedLink extends ChannelLink {
  hasHeard = false
  #lane: Lane | null = null
  #bundle: Bundle | null = null

  get isLane(): boolean {
    return this.#lane !== null
  }

  /**
   * Makes the connection one of the bundle: this direction now, the other one when the peer says the same. `connections`
   * is how many the sender wants in all. `onMoved` is called for whatever arrives, on either side.
   */
  joinBundle(bundle: Bundle, onMoved: () => void, connections?: number): void {
    this.#lane = new Lane(this.channel, bundle, { countIdle: () => this.countIdle(), onMoved })
    this.#bundle = bundle
    this.channel.write(encode.bundle(connections === undefined ? {} : { connections })).catch(() => {})
    bundle.add(this.#lane)
  }

  /**
   * Feeds what comes to `take`, until the connection becomes one of a bundle. Resolves at its end. As one of a bundle,
   * it never rejects.
   */
  protected async receiveFrom<Message extends { frame: string }>(
    decoder: MessageDecoder<Message>,
    take: (message: Message, messages: Generator<Message>) => void | Promise<void>,
  ): Promise<void> {
    let isReading = true
    try {
      await this.channel.receive((bytes) => {
        this.hasHeard = true
        if (!isReading) return this.#lane?.consume(bytes)
        const messages = decoder.push(bytes)
        return this.consume(messages, decoder, (message) => {
          const taking = take(message, messages)
          if (message.frame !== 'bundle') return taking
          if (!this.#lane) throw new ProtocolError('a bundle frame may not come here')
          isReading = false
          this.#bundle?.onJoined(this.#lane)
          messages.return(undefined)
          return this.#lane.consume(decoder.takeRest())
        })
      })
      this.#leave(new TransferError('incomplete', 'the connection was closed', { reason: 'broken' }))
    } catch (error) {
      if (!this.#leave(asTransferError(error))) throw error
    }
  }

  /** Returns false if the connection is not one of a bundle. */
  #leave(error: TransferError): boolean {
    if (this.#lane) this.#bundle?.remove(this.#lane, error)
    return this.#lane !== null
  }
}
