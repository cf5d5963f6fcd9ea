/**
 * Sending without the protocol: the bytes of one source, then the end of the stream. Nothing is confirmed, so success
 * means no more than this: all was handed over, and the other side did not reset the connection. A failure of ours must
 * not look like an end, so it resets the connection.
 */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { asTransferError, type TransferError } from './errors.js'
import { type OnEvent, ProgressReport, report, type SentEvent, secondsSince } from './events.js'
import { checkExpected, type Expectation } from './expect.js'
import type { Source } from './files/source.js'
import { Channel } from './net/channel.js'
import { Pump } from './pump.js'
import type { Transfer, TransferResult } from './transfer.js'

/**
 * How long the other side may take to close after our end, in milliseconds. Some never do (`nc` while its own input is
 * open); the kernel delivers what it has without us, so all that is missed then is a reset that comes later.
 */
const CLOSE_GRACE = 2_000

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
    // Whatever it says is not for us; its end, or the reset of the connection, is.
    const closed = this.#channel.receive(() => {}, false)
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

  async #send(): Promise<SentEvent> {
    const { source, onEvent, transfer, expect } = this.#options
    const start = performance.now()
    const opened = await source.open(this.#stop.signal)
    const { name, size, type } = opened.header
    try {
      const progress = new ProgressReport(onEvent, { transfer, name, size })
      const pump = new Pump(this.#channel, false)
      const { bytes, blake3 } = await pump.move(opened, this.#stop.signal, (moved) => progress.update(moved))
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
