/** The sending end of a connection that speaks the protocol. */
import type { Duplex } from 'node:stream'
import { TransferError } from '../errors.js'
import { ReceiverDecoder } from '../protocol/decoder.js'
import { encode, writeFrameHeader } from '../protocol/encode.js'
import { FRAME_HEADER, HEADER_DEADLINE } from '../protocol/limits.js'
import type { Digests, End, Header, ReceiverMessage } from '../protocol/messages.js'
import { FramedLink } from './framed-link.js'
import type { OnAnswer, OpeningNames, SenderLink } from './link.js'

export interface FramedSenderOptions {
  /** Milliseconds without progress after which the link fails. */
  timeout: number
  /** True if this side listens. The peer may then be a stray connection, so it has less time to greet. */
  isAccepted: boolean
  /** True if the peer has proved a key, so that it is no other program. */
  isProved?: boolean
}

export class FramedSenderLink extends FramedLink implements SenderLink {
  readonly prefix = FRAME_HEADER
  readonly #isAccepted: boolean
  readonly #isProved: boolean
  readonly #deadline: NodeJS.Timeout
  #isOpened = false
  #headers = 0
  readonly #answers = { refused: 0, wanted: 0 }

  constructor(socket: Duplex, { timeout, isAccepted, isProved = false }: FramedSenderOptions) {
    super(socket, { timeout, farewell: (error) => this.#farewell(error), heartbeat: () => encode.heartbeat() })
    this.#isAccepted = isAccepted
    this.#isProved = isProved
    this.#deadline = this.#watchGreeting(isAccepted ? HEADER_DEADLINE : timeout)
  }

  /** Fails the link if the peer does not greet in time, whatever else it sends. */
  #watchGreeting(deadline: number): NodeJS.Timeout {
    const text = `no greeting within ${deadline / 1000} seconds`
    const error = new TransferError('timeout', text, { peerMessage: text })
    const timer = setTimeout(() => this.fail(error), deadline)
    this.signal.addEventListener('abort', () => clearTimeout(timer))
    return timer
  }

  #farewell({ reason, peerMessage }: TransferError): Buffer {
    const abort = encode.abort({ entry: null, reason, message: peerMessage })
    return this.#isOpened ? abort : Buffer.concat([encode.senderOpening(), abort])
  }

  override async close(): Promise<void> {
    clearTimeout(this.#deadline)
    await super.close()
  }

  /** A peer that takes everything and answers nothing is usually a program that does not speak the protocol. */
  override explain(error: TransferError): TransferError {
    const isMute = !this.hasHeard && (error.reason === 'broken' || error.reason === 'timeout')
    if (this.#isAccepted || this.#isProved || !isMute) return error
    const hint = 'it has not said a word: if it is no tcp-recv, but nc or the like, send with --plain'
    return error.withMessage(`${error.message}; ${hint}`)
  }

  async open(names: OpeningNames = {}): Promise<void> {
    this.#isOpened = true
    await this.channel.write(encode.senderOpening(names))
  }

  async receive(onMessage: OnAnswer): Promise<void> {
    await this.receiveFrom(new ReceiverDecoder(), (message) => {
      this.#count(message)
      return message.frame === 'ancillary' ? undefined : onMessage(message)
    })
  }

  #count(message: ReceiverMessage): void {
    const { frame } = message
    if (frame === 'greeting') clearTimeout(this.#deadline)
    if (frame === 'wanted' && message.more) return
    // A refusal of an entry that has had its answer is ignored.
    const isAnswer = frame === 'refused' || frame === 'wanted'
    const isIdle = isAnswer
      ? ++this.#answers[frame] > this.#headers
      : !['greeting', 'stored', 'listed', 'bundle'].includes(frame)
    if (isIdle) this.countIdle()
  }

  stopReceiving(): void {
    this.channel.stopReceiving()
  }

  async begin(header: Header): Promise<Buffer> {
    this.#headers++
    const frame = encode.header(header)
    await this.channel.write(frame)
    return frame.subarray(FRAME_HEADER)
  }

  frame(buffer: Buffer, offset: number, length: number): void {
    writeFrameHeader(buffer, 'data', length, offset)
  }

  write(pieces: Buffer): Promise<void> {
    return this.channel.write(pieces)
  }

  compare(digests: Digests): Promise<void> {
    return this.channel.write(encode.digests(digests))
  }

  place(offset: number): Promise<void> {
    return this.channel.write(encode.position({ offset }))
  }

  end(end: End): Promise<void> {
    return this.channel.write(encode.end(end))
  }

  abort(entry: number, { reason, peerMessage }: TransferError): Promise<void> {
    return this.channel.write(encode.abort({ entry, reason, message: peerMessage }))
  }

  async finish(entries: number): Promise<void> {
    await this.channel.write(encode.finished({ entries }))
    await this.channel.finish()
  }
}
