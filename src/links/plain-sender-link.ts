/**
 * The sending end of a connection without the protocol: the bytes of one entry, then the end of the stream. Nothing is
 * confirmed. The link makes up the answer `stored` once everything was handed over and the peer has neither reset the
 * connection nor answered in the protocol: a peer that speaks the protocol has not stored the bytes. A failure of this
 * side must not look like the end of the stream, so it resets the connection.
 */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { TransferError } from '../errors.js'
import { VERSION } from '../protocol/limits.js'
import type { End, Header } from '../protocol/messages.js'
import { answeringSide, type Side } from '../protocol/strangers.js'
import { ChannelLink } from './channel-link.js'
import type { OnAnswer, SenderLink } from './link.js'

/**
 * How long the peer may take to close the connection after this side's end, in milliseconds. Some peers never do (`nc`
 * while its own input is open). The kernel delivers its bytes without this process, so a longer wait could only show a
 * later reset or answer.
 */
const CLOSE_GRACE = 2_000

/** The number of bytes of an answer that are inspected. Every opening is shorter. */
const INSPECTED = 64

export class PlainSenderLink extends ChannelLink implements SenderLink {
  readonly prefix = 0
  /** The first bytes from the peer. */
  #heard: Buffer = Buffer.alloc(0)
  #bytes = 0
  /** The `performance.now()` at which everything was handed over. */
  readonly #handedOver: Promise<number>
  #onHandedOver!: (now: number) => void

  /** @param timeout milliseconds without progress after which the link fails */
  constructor(socket: Duplex, timeout: number) {
    super(socket, { timeout })
    this.#handedOver = new Promise((resolve, reject) => {
      this.#onHandedOver = resolve
      this.signal.addEventListener('abort', () => reject(this.signal.reason))
    })
    this.#handedOver.catch(() => {})
  }

  get hasHeard(): boolean {
    return this.#heard.length > 0
  }

  async open(): Promise<void> {}

  async receive(onMessage: OnAnswer): Promise<void> {
    // The bytes of a plain peer are ignored, but its end and a reset matter.
    const ended = this.channel.receive(
      (bytes) => this.#onAnswer(bytes),
      () => false,
    )
    ended.catch(() => {})
    await onMessage({ frame: 'greeting', version: VERSION, features: [] })
    const handedOver = await this.#handedOver
    await Promise.race([ended, sleep(CLOSE_GRACE, undefined, { ref: false })])
    await this.channel.close()
    await onMessage({ frame: 'stored', entry: 0, name: '', bytes: this.#bytes, blake3: null, handedOver })
  }

  #onAnswer(bytes: Buffer): void {
    if (this.#heard.length >= INSPECTED) return
    this.#heard = Buffer.concat([this.#heard, bytes.subarray(0, INSPECTED)])
    const side = answeringSide(this.#heard)
    if (side) throw speaksProtocol(side)
  }

  stopReceiving(): void {
    this.channel.stopReceiving()
  }

  /** Writes nothing, but rejects like a write if the link has failed while the entry was opened. */
  async begin(_header: Header): Promise<null> {
    this.signal.throwIfAborted()
    return null
  }

  frame(): void {}

  write(pieces: Buffer): Promise<void> {
    this.#bytes += pieces.length
    return this.channel.write(pieces)
  }

  async end(_end: End): Promise<void> {}

  async finish(): Promise<void> {
    await this.channel.finish()
    this.#onHandedOver(performance.now())
  }
}

function speaksProtocol(side: Side): TransferError {
  const text =
    side === 'receiver'
      ? 'the other side is tcp-recv without --plain and has stored nothing; give it --plain, or leave it out here'
      : 'the other side is tcp-send, as this side is; one of the two must be tcp-recv'
  return new TransferError('refused', text, { reason: 'policy' })
}
