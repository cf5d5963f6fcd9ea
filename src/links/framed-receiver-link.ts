/** The receiving end of a connection that speaks the protocol. */
import type { Duplex } from 'node:stream'
import { TransferError } from '../errors.js'
import { compressors, inflate } from '../net/compress.js'
import { retain } from '../net/memory.js'
import type { CompressedPiece } from '../protocol/compressed.js'
import { SenderDecoder } from '../protocol/decoder.js'
import { encode } from '../protocol/encode.js'
import { HEADER_DEADLINE, MAX_CONTROL, MAX_LISTED, MAX_RANGES } from '../protocol/limits.js'
import type { Heartbeat, SenderMessage, Stored, Wanted } from '../protocol/messages.js'
import { NO_KEY_ALERT, STRANGER_LINE } from '../protocol/strangers.js'
import type { Bundle } from './bundle.js'
import { FramedLink } from './framed-link.js'
import type { EntryMessage, ReceiverLink } from './link.js'

/** The most bytes of the items in one frame of a list. The rest is for its other fields. */
const LIST_BYTES = MAX_CONTROL - 100

export interface FramedReceiverOptions {
  /** Milliseconds without progress after which the link fails. */
  timeout: number
  /** Returns what this receiver can do beyond version 1, once it has a sender. */
  features(): Promise<readonly string[]>
  /** Returns the progress of the current entry. The sender cannot know it: the kernels on the way hold megabytes. */
  progress(): Heartbeat
  /** For a connection that this side has dialled. */
  dialled?: DialledFacts | undefined
}

export interface DialledFacts {
  /** How long that took, in milliseconds. */
  rtt?: number
  /** The bundle that the connection joins, and the name of its first connection. */
  join?: { name: string; bundle: Bundle }
}

export class FramedReceiverLink extends FramedLink implements ReceiverLink {
  readonly #decoder = new SenderDecoder()
  #deadline: NodeJS.Timeout | undefined
  #hasGreeted = false
  #isFinished = false
  readonly #features: FramedReceiverOptions['features']
  readonly #dialled: DialledFacts
  #onMessage!: (message: EntryMessage) => void | Promise<void>

  constructor(socket: Duplex, { timeout, features, progress, dialled = {} }: FramedReceiverOptions) {
    super(socket, {
      timeout,
      farewell: (error) => this.#farewell(error),
      heartbeat: () => encode.heartbeat(progress()),
    })
    this.#features = features
    this.#dialled = dialled
  }

  /** The farewell to the peer: a frame for a sender, a line of text for any other program. */
  #farewell({ reason, peerMessage }: TransferError): Buffer {
    if (reason === 'magic') return Buffer.from(STRANGER_LINE)
    if (reason === 'key' && !this.#hasGreeted) return NO_KEY_ALERT
    const refused = encode.refused({ entry: null, reason, message: peerMessage })
    return this.#hasGreeted ? refused : Buffer.concat([encode.receiverOpening(), refused])
  }

  async receive(onMessage: (message: EntryMessage) => void | Promise<void>): Promise<void> {
    this.#onMessage = onMessage
    this.#deadline = setTimeout(() => this.#onDeadline(), HEADER_DEADLINE)
    try {
      await this.receiveFrom(this.#decoder, (message, messages) => {
        // It is chance whether what follows has come yet, so none of it is read.
        if (message.frame === 'finished') messages.return(undefined)
        return this.#take(message)
      })
    } finally {
      clearTimeout(this.#deadline)
    }
    if (this.#isFinished || this.isLane) return
    throw new TransferError('incomplete', 'the sender closed the connection before the end', {
      reason: 'broken',
      peerMessage: 'the stream ended before the transfer did',
    })
  }

  #onDeadline(): void {
    const text = `no complete header within ${HEADER_DEADLINE / 1000} seconds`
    this.fail(new TransferError('timeout', text, { peerMessage: text }))
  }

  #take(message: SenderMessage): void | Promise<void> {
    switch (message.frame) {
      case 'data':
        return this.#onMessage(message)
      case 'compressed':
        return this.#onCompressed(message)
      case 'greeting':
        return this.#onGreeting(message)
      case 'header':
        clearTimeout(this.#deadline)
        return this.#onMessage(Object.assign(message, { payload: this.#decoder.headerPayload }))
      case 'finished':
        this.#isFinished = true
        this.channel.stopReceiving()
        return
      case 'heartbeat':
      case 'ancillary':
        return this.countIdle()
      default:
        return this.#onMessage(message)
    }
  }

  async #onGreeting(message: SenderMessage & { frame: 'greeting' }): Promise<void> {
    await this.#onMessage(message)
    const features = await this.#features()
    this.#decoder.allow(compressors.filter((name) => features.includes(name)))
    const { rtt, join } = this.#dialled
    const facts = { ...(rtt === undefined ? {} : { rtt }), ...(join ? { join: join.name } : {}) }
    this.#hasGreeted = true
    await this.channel.write(encode.receiverOpening(features, facts))
    if (join) this.joinBundle(join.bundle)
  }

  override joinBundle(bundle: Bundle, onMoved = () => {}): void {
    clearTimeout(this.#deadline)
    super.joinBundle(bundle, onMoved)
  }

  async #onCompressed(piece: CompressedPiece): Promise<void> {
    const bytes = await inflate({ ...piece, bytes: retain(piece.bytes) })
    this.signal.throwIfAborted()
    await this.#onMessage({ frame: 'data', bytes, wire: piece.bytes.length })
  }

  async want(wanted: Wanted): Promise<void> {
    const { length } = wanted.ranges
    for (let start = 0, end = 0; start === 0 || start < length; start = end) {
      end = start + 2 * MAX_RANGES
      const more = end < length ? { more: true } : {}
      await this.channel.write(encode.wanted({ ...wanted, ranges: wanted.ranges.slice(start, end), ...more }))
    }
  }

  async list(entry: number, all: AsyncIterable<string>): Promise<void> {
    let items: string[] = []
    let length = 0
    for await (const item of all) {
      const more = Buffer.byteLength(JSON.stringify(item)) + 1
      if (items.length === MAX_LISTED || length + more > LIST_BYTES) {
        await this.channel.write(encode.listed({ entry, items, more: true }))
        items = []
        length = 0
      }
      items.push(item)
      length += more
    }
    await this.channel.write(encode.listed({ entry, items }))
  }

  confirm(stored: Stored): Promise<void> {
    return this.channel.write(encode.stored(stored))
  }

  refuse(entry: number, { reason, peerMessage }: TransferError): Promise<void> {
    return this.channel.write(encode.refused({ entry, reason, message: peerMessage }))
  }
}
