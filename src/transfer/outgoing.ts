/**
 * One connection's worth of sending: every source as an entry, without waiting between them, while the receiver's
 * answers are read beside it. It makes no difference here who dialled.
 */
import type { Duplex } from 'node:stream'
import { asTransferError, TransferError } from '../errors.js'
import { type OnEvent, ProgressReport } from '../events.js'
import { Channel } from '../net/channel.js'
import { ReceiverDecoder } from '../protocol/decoder.js'
import { encode } from '../protocol/encode.js'
import { FRAME_HEADER, HEADER_DEADLINE } from '../protocol/limits.js'
import type { ReceiverMessage } from '../protocol/messages.js'
import type { OpenSource, Source } from '../sources/source.js'
import { type Algorithm, digestOf } from './digest.js'
import { checkExpected, checkGrowing, type Expectation } from './expectation.js'
import { type Pending, PendingEntries } from './pending.js'
import { Pump } from './pump.js'
import type { Transfer, TransferResult } from './transfer.js'

export interface OutgoingOptions {
  /** What to send, in this order. */
  sources: readonly Source[]
  onEvent: OnEvent
  transfer: number
  /** Milliseconds without progress after which the connection is given up. */
  timeout: number
  /** What the (single) source must turn out to have; anything else is an abort instead of an end. */
  expect: Expectation
  /** Whether a receiver that answers without a digest is believed. */
  allowUnverified: boolean
  /**
   * For a sender that listens: called when the other side has greeted as a receiver; throws a refusal if no more are
   * wanted. Nothing is sent before, so that a stray connection costs no file. A sender that dials knows whom it called.
   */
  admit?: (() => void) | undefined
}

/** Why an entry is given up that the receiver could not verify: it is sent again with the digest that the receiver computes. */
const otherDigest = new TransferError('incomplete', 'the receiver needs another digest', {
  reason: 'unverifiable',
  peerMessage: 'it is sent again with the digest that you compute',
})

export class Outgoing implements Transfer {
  readonly #channel: Channel
  readonly #options: OutgoingOptions
  /** What is still to be sent; an entry that must be sent again comes back. */
  readonly #queue: Source[]
  readonly #pending: PendingEntries
  readonly #pump: Pump
  #entries = 0
  #current: Pending | null = null
  #isOpened = false
  #isFinished = false
  /** True after the last answer: nothing that comes then, from whomever, changes the outcome of the transfer. */
  #isAnswered = false
  #heard = false
  /** What the receiver computes. Its greeting tells; until then the sender does not wait for it. */
  #algorithm: Algorithm = 'blake3'
  readonly #greeting: Promise<void>
  #onGreeted!: () => void
  /** Settles the wait for answers, when an entry is answered. */
  #onAnswered = () => {}

  constructor(socket: Duplex, options: OutgoingOptions) {
    this.#options = options
    this.#queue = [...options.sources]
    const { onEvent, transfer, allowUnverified } = options
    const onUnverifiable = (pending: Pending) => this.#sendAgain(pending)
    const common = { sources: options.sources.length, onEvent, transfer, allowUnverified }
    this.#pending = new PendingEntries({ ...common, onUnverifiable })
    this.#pending.result.admitted = options.admit === undefined
    this.#channel = new Channel(socket, { timeout: options.timeout, farewell: (error) => this.#farewell(error) })
    this.#pump = new Pump(this.#channel, true)
    this.#greeting = new Promise((resolve, reject) => {
      this.#onGreeted = resolve
      this.#channel.signal.addEventListener('abort', () => reject(this.#channel.signal.reason))
    })
    this.#greeting.catch(() => {})
  }

  fail(error: TransferError): void {
    this.#channel.fail(error)
  }

  #farewell(error: TransferError): Buffer {
    const abort = encode.abort({ entry: null, reason: error.reason, message: error.peerMessage })
    return this.#isOpened ? abort : Buffer.concat([encode.senderOpening(), abort])
  }

  /** Sends them all, and settles when every entry has its answer or the connection has ended. */
  async run(): Promise<TransferResult> {
    const { signal } = this.#channel
    signal.addEventListener('abort', () => {
      this.#current?.stop.abort(signal.reason)
      this.#onAnswered()
    })
    const deadline = this.#watchGreeting()
    const directions = [this.#send(), this.#readAnswers()]
    try {
      await Promise.all(directions)
      await this.#channel.close()
    } catch (error) {
      this.#channel.fail(asTransferError(error))
      await Promise.allSettled(directions)
      await this.#channel.closed
      if (!this.#isAnswered) this.#ended(this.#withHint(asTransferError(error)))
    } finally {
      clearTimeout(deadline)
    }
    return this.#pending.result
  }

  async #send(): Promise<void> {
    this.#isOpened = true
    await this.#channel.write(encode.senderOpening())
    if (this.#options.admit) await this.#greeting
    for (let source = this.#queue.shift(); source; source = await this.#next()) await this.#sendSource(source)
    await this.#channel.write(encode.finished({ entries: this.#entries }))
    this.#isFinished = true
    this.#stopIfDone()
    await this.#channel.finish()
  }

  /**
   * A connection whose other side never greets must end, whatever else it says. A stray one at a listening sender ends
   * sooner: nobody waits for it.
   */
  #watchGreeting(): NodeJS.Timeout {
    const { admit, timeout } = this.#options
    const deadline = admit ? HEADER_DEADLINE : timeout
    const text = `no greeting within ${deadline / 1000} seconds`
    const error = new TransferError('timeout', text, { reason: 'timeout', peerMessage: text })
    const timer = setTimeout(() => this.#channel.fail(error), deadline)
    this.#greeting.then(
      () => clearTimeout(timer),
      () => {},
    )
    return timer
  }

  /**
   * The next source to send, or none. A receiver that computes another digest than BLAKE3 may refuse what was sent before
   * its greeting came, and that must be sent again; so the end waits for the greeting, and then for such answers.
   */
  async #next(): Promise<Source | undefined> {
    if (this.#queue.length === 0 && !this.#pending.isSettled) await this.#greeting
    while (this.#queue.length === 0 && this.#algorithm !== 'blake3' && this.#pending.isWaiting) {
      await new Promise<void>((resolve) => {
        this.#onAnswered = resolve
      })
      this.#channel.signal.throwIfAborted()
    }
    return this.#queue.shift()
  }

  /** One entry. What is wrong with the source alone costs this entry and no other. */
  async #sendSource(source: Source): Promise<void> {
    const stop = new AbortController()
    let opened: OpenSource
    try {
      opened = await source.open(stop.signal)
    } catch (error) {
      this.#pending.failUnopened(source, asTransferError(error))
      return
    }
    const entry = this.#entries++
    const { header } = opened
    const { transfer, onEvent, expect } = this.#options
    const algorithm = this.#algorithm
    const start = performance.now()
    const pending: Pending = { entry, source, header, start, algorithm, stop, progress: null, sent: null }
    this.#pending.add(pending)
    this.#current = pending
    try {
      const frame = encode.header(header)
      await this.#channel.write(frame)
      // What can be read only once cannot be sent again with another digest.
      if (source.isOnce) await this.#greeting
      if (source.isOnce) pending.algorithm = this.#algorithm
      const progress = new ProgressReport(onEvent, { transfer, name: header.name, size: header.size })
      pending.progress = progress
      const onProgress = (bytes: number) => progress.update(bytes)
      const check = (bytes: number) => checkGrowing(source.label, bytes, expect)
      const sent = await this.#pump.move(opened, stop.signal, onProgress, {
        algorithm: pending.algorithm,
        checkGrowing: check,
      })
      await opened.check()
      checkExpected(source.label, sent, expect)
      const { bytes, blake3, sha256 } = sent
      const digests = sha256 === null ? { blake3 } : { blake3: null, sha256 }
      const headerDigest = await digestOf(frame.subarray(FRAME_HEADER), pending.algorithm)
      // The answer may come before the write settles, so it must find what it is compared with.
      pending.sent = sent
      await this.#channel.write(encode.end({ bytes, ...digests, header: headerDigest }))
    } catch (error) {
      this.#channel.signal.throwIfAborted()
      const { reason, peerMessage } = asTransferError(error)
      await this.#channel.write(encode.abort({ entry, reason, message: peerMessage }))
      this.#pending.fail(pending, asTransferError(error))
    } finally {
      await opened.close()
    }
  }

  /** The connection ended with `error`. A stray one that came and went without a word is not news. */
  #ended(error: TransferError): void {
    const { result } = this.#pending
    if (result.admitted || this.#heard || error.reason !== 'broken') this.#pending.failed(undefined, error)
    result.failure ??= error
  }

  /** What takes everything and answers nothing is mostly a program that knows no protocol. */
  #withHint(error: TransferError): TransferError {
    const isMute = !this.#heard && (error.reason === 'broken' || error.reason === 'timeout')
    if (this.#options.admit || !isMute) return error
    const text = `${error.message}; it has not said a word: if it is no tcp-recv, but nc or the like, send with --plain`
    return new TransferError(error.code, text, { reason: error.reason, peerMessage: error.peerMessage, cause: error })
  }

  async #readAnswers(): Promise<void> {
    const decoder = new ReceiverDecoder()
    await this.#channel.receive((bytes) => {
      this.#heard = true
      for (const message of decoder.push(bytes)) {
        if (this.#isAnswered) break
        this.#onAnswer(message)
        this.#isAnswered = this.#pending.isSettled
      }
      this.#stopIfDone()
    })
    if (!this.#pending.isSettled) {
      const text = 'the receiver closed the connection before it confirmed everything'
      throw new TransferError('incomplete', text, { reason: 'broken' })
    }
  }

  #stopIfDone(): void {
    if (this.#isFinished && this.#pending.isSettled) this.#channel.stopReceiving()
  }

  #onAnswer(message: ReceiverMessage): void {
    switch (message.frame) {
      case 'greeting':
        this.#onGreeting(message)
        break
      case 'stored':
        this.#pending.onStored(message)
        break
      case 'refused':
        this.#pending.onRefused(message)
        break
      case 'heartbeat':
        this.#pending.onProgress(message.entry ?? -1, message.bytes ?? 0)
    }
    this.#onAnswered()
  }

  #onGreeting({ digest }: ReceiverMessage & { frame: 'greeting' }): void {
    const { result } = this.#pending
    if (!result.admitted) this.#options.admit?.()
    result.admitted = true
    if (digest === 'sha256') this.#algorithm = digest
    if (this.#current?.sent === null) this.#sendAgain(this.#current)
    this.#onGreeted()
  }

  /** Sends the entry once more if the receiver computes another digest; false if it does not, or the source is read. */
  #sendAgain(pending: Pending): boolean {
    const { source, algorithm, stop } = pending
    if (source.isOnce || algorithm === this.#algorithm || !this.#pending.withdraw(pending)) return false
    this.#queue.push(source)
    stop.abort(otherDigest)
    return true
  }
}
