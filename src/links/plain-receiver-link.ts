/**
 * The receiving end of a connection without the protocol: everything up to the end of the stream is one entry. The link
 * makes up the messages that a sender would send: a header before the first bytes, and an end without a digest.
 *
 * A receiver that knows the size need not wait for the end of the stream, which some programs never send. Once all
 * bytes are there, it waits only a moment for the end, or for a sign that something is wrong (more bytes, a reset).
 */
import type { Duplex } from 'node:stream'
import { defaults } from '../defaults.js'
import { TransferError } from '../errors.js'
import { mediaType } from '../media-type.js'
import { retain } from '../net/memory.js'
import { encode } from '../protocol/encode.js'
import { openingSide, type Side } from '../protocol/strangers.js'
import { ChannelLink } from './channel-link.js'
import { guessExtension } from './guess-extension.js'
import type { EntryMessage, ReceiverLink } from './link.js'

/** How long the stream may take to end once all expected bytes are there, in milliseconds. */
const END_GRACE = 1_000

export interface PlainReceiverOptions {
  /** The name to store under. Default: `received`, with an extension if the content shows one. */
  name: string | undefined
  /** The expected size in bytes, if it is known. */
  size: number | undefined
  /** Milliseconds without progress after which the link fails. */
  timeout: number
}

export class PlainReceiverLink extends ChannelLink implements ReceiverLink {
  entryName: string
  readonly #options: PlainReceiverOptions
  #bytes = 0
  #hasBegun = false
  /** The first bytes, as long as they may be the opening of the protocol. */
  #held: Buffer = Buffer.alloc(0)
  /** The role of the peer, if the peer turns out to speak the protocol. */
  #peer: Side | null = null
  #ending: NodeJS.Timeout | undefined
  #onMessage!: (message: EntryMessage) => void | Promise<void>

  constructor(socket: Duplex, options: PlainReceiverOptions) {
    super(socket, { timeout: options.timeout, farewell: (error) => this.#farewell(error) })
    this.#options = options
    this.entryName = options.name ?? defaults.plainName
  }

  get hasHeard(): boolean {
    return this.#bytes > 0
  }

  /** A peer that speaks the protocol gets a refusal. Any other gets a reset, which shows that nothing was stored. */
  #farewell({ reason, peerMessage }: TransferError): Buffer | null {
    if (this.#peer === null) return null
    return Buffer.concat([encode.receiverOpening(), encode.refused({ entry: null, reason, message: peerMessage })])
  }

  /** If bytes came, but then neither more bytes nor the end, the sender most probably never ends its stream. */
  override explain(error: TransferError): TransferError {
    if (error.code !== 'timeout' || this.#bytes === 0) return error
    const { timeout, size } = this.#options
    const silence = `no progress for ${timeout / 1000} seconds`
    return error.withMessage(
      size === undefined
        ? `${silence} after ${this.#bytes} bytes, and no end of the stream, so nothing is stored; nc ends it only with -N (nc -N HOST PORT <FILE), ncat and socat by themselves; --expect-size needs no end`
        : `${silence} after ${this.#bytes} of ${size} bytes, so nothing is stored`,
    )
  }

  async receive(onMessage: (message: EntryMessage) => void | Promise<void>): Promise<void> {
    this.#onMessage = onMessage
    this.#watchEnd()
    try {
      await this.channel.receive((bytes) => this.#onBytes(bytes))
    } finally {
      clearTimeout(this.#ending)
    }
    if (!this.#hasBegun) await this.#begin(this.#held)
    await onMessage({ frame: 'end', bytes: this.#bytes, blake3: null })
  }

  #onBytes(bytes: Buffer): void | Promise<void> {
    this.#bytes += bytes.length
    const working = this.#hasBegun ? this.#onMessage({ frame: 'data', bytes }) : this.#onFirst(bytes)
    if (working) return working.then(() => this.#watchEnd())
    this.#watchEnd()
  }

  /** Holds back the first bytes until it is known that they are not the opening of the protocol. */
  #onFirst(bytes: Buffer): void | Promise<void> {
    const first = this.#held.length > 0 ? Buffer.concat([this.#held, bytes]) : retain(bytes)
    const side = openingSide(first)
    if (side) {
      this.#peer = side
      throw speaksProtocol(side)
    }
    if (side === null) return this.#begin(first)
    this.#held = Buffer.from(first)
  }

  /** Announces the entry once its first bytes are known: they decide the extension of an unnamed file. */
  async #begin(first: Buffer): Promise<void> {
    const { name = defaults.plainName + guessExtension(first), size = null } = this.#options
    this.entryName = name
    this.#hasBegun = true
    const facts = { size, type: mediaType(name), mtime: null, mode: null, payload: null }
    await this.#onMessage({ frame: 'header', kind: 'file', name, ...facts })
    if (first.length > 0) await this.#onMessage({ frame: 'data', bytes: first })
  }

  /** Once all expected bytes are there, limits the wait for the end of the stream. */
  #watchEnd(): void {
    const { size, timeout } = this.#options
    if (this.#bytes !== size) return
    // Waiting for the end must not count as a stall.
    const grace = Math.min(END_GRACE, timeout / 2)
    this.#ending = setTimeout(() => this.channel.stopReceiving(), grace)
  }

  /** A plain peer reads no answers. */
  async confirm(): Promise<void> {}
}

function speaksProtocol(side: Side): TransferError {
  const [text, peerMessage] =
    side === 'sender'
      ? [
          'the other side is tcp-send without --plain, so nothing is stored; give it --plain, or leave it out here',
          'it was started with --plain and takes bytes without the protocol; give --plain to tcp-send, too, or to neither',
        ]
      : ['the other side is tcp-recv, as this side is, so nothing is stored', 'it is a receiver, as this side is']
  return new TransferError('refused', text, { reason: 'policy', peerMessage })
}
