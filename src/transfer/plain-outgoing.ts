/**
 * Sending without the protocol: the bytes of one source, then the end of the stream. Nothing is confirmed, so success
 * means no more than this: all was handed over, and the other side neither reset the connection nor answered as one that
 * speaks the protocol and so has not taken the bytes. A failure of ours must not look like an end, so it resets the
 * connection.
 */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { asTransferError, TransferError } from '../errors.js'
import { type OnEvent, ProgressReport, report, type SentEvent, secondsSince } from '../events.js'
import { Channel } from '../net/channel.js'
import { answeringSide, type Side } from '../protocol/strangers.js'
import type { Source } from '../sources/source.js'
import { checkExpected, checkGrowing, type Expectation } from './expectation.js'
import { Pump } from './pump.js'
import type { Transfer, TransferResult } from './transfer.js'

/**
 * How long the other side may take to close after our end, in milliseconds. Some never do (`nc` while its own input is
 * open); the kernel delivers what it has without us, so all that is missed then is a reset, or an answer, that comes later.
 */
const CLOSE_GRACE = 2_000

/** So many bytes of an answer are looked at: more than any opening has. */
const LOOK = 64

export interface PlainOutgoingOptions {
  source: Source
  onEvent: OnEvent
  transfer: number
  timeout: number
  expect: Expectation
  /** For a sender that listens: whoever connects is a receiver. Throws a refusal if no more are wanted. */
  admit?: (() => void) | undefined
}

export class PlainOutgoing implements Transfer {
  readonly #channel: Channel
  readonly #options: PlainOutgoingOptions
  readonly #stop = new AbortController()
  readonly #result: TransferResult = { admitted: false, files: 0, bytes: 0, failure: null }
  /** The first bytes of what the other side says. */
  #heard: Buffer = Buffer.alloc(0)

  constructor(socket: Duplex, options: PlainOutgoingOptions) {
    this.#options = options
    this.#channel = new Channel(socket, { timeout: options.timeout, plain: true })
  }

  fail(error: TransferError): void {
    this.#channel.fail(error)
  }

  async run(): Promise<TransferResult> {
    const { source, onEvent, transfer, admit } = this.#options
    this.#channel.signal.addEventListener('abort', () => this.#stop.abort(this.#channel.signal.reason))
    // What it says is not for us, unless it speaks the protocol; its end, or the reset of the connection, is.
    const closed = this.#channel.receive((bytes) => this.#onAnswer(bytes), false)
    closed.catch(() => {})
    try {
      admit?.()
      this.#result.admitted = true
      const sent = await this.#send()
      await this.#channel.finish()
      await Promise.race([closed, sleep(CLOSE_GRACE, undefined, { ref: false })])
      await this.#channel.close()
      onEvent(sent)
      Object.assign(this.#result, { files: 1, bytes: sent.size })
    } catch (error) {
      const failure = asTransferError(error)
      this.#channel.fail(failure)
      await this.#channel.closed
      this.#result.failure = failure
      report(onEvent, { transfer, name: source.name }, failure)
    }
    return this.#result
  }

  #onAnswer(bytes: Buffer): void {
    if (this.#heard.length >= LOOK) return
    this.#heard = Buffer.concat([this.#heard, bytes.subarray(0, LOOK)])
    const side = answeringSide(this.#heard)
    if (side) throw speaksProtocol(side)
  }

  async #send(): Promise<SentEvent> {
    const { source, onEvent, transfer, expect } = this.#options
    const start = performance.now()
    const opened = await source.open(this.#stop.signal)
    const { name, size, type } = opened.header
    try {
      const progress = new ProgressReport(onEvent, { transfer, name, size })
      const pump = new Pump(this.#channel, false)
      const onProgress = (moved: number) => progress.update(moved)
      const check = (read: number) => checkGrowing(source.label, read, expect)
      const { bytes, blake3 } = await pump.move(opened, this.#stop.signal, onProgress, { checkGrowing: check })
      await opened.check()
      checkExpected(source.label, { bytes, blake3 }, expect)
      const seconds = secondsSince(start)
      const { path } = source
      return { event: 'sent', transfer, path, name, storedAs: '', size: bytes, blake3, type, verified: false, seconds }
    } finally {
      await opened.close()
    }
  }
}

function speaksProtocol(side: Side): TransferError {
  const text =
    side === 'receiver'
      ? 'the other side is tcp-recv without --plain and has stored nothing; give it --plain, or leave it out here'
      : 'the other side is tcp-send, as this side is; one of the two must be tcp-recv'
  return new TransferError('refused', text, { reason: 'policy' })
}
