/**
 * One connection's worth of sending: every source as an entry, without waiting between them, while the receiver's
 * answers are read beside it. It makes no difference here who dialled.
 */
import type { Duplex } from 'node:stream'
import { asTransferError, TransferError } from './errors.js'
import { type OnEvent, ProgressReport, report, secondsSince } from './events.js'
import { checkExpected, type Expectation } from './expect.js'
import type { OpenSource, Source } from './files/source.js'
import { Channel } from './net/channel.js'
import { ReceiverDecoder } from './protocol/decoder.js'
import { encode } from './protocol/encode.js'
import { HEADER_DEADLINE } from './protocol/limits.js'
import type { Header, ReceiverMessage } from './protocol/messages.js'
import { ProtocolError } from './protocol/messages.js'
import { type Moved, Pump } from './pump.js'
import { printable } from './text.js'
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
  /**
   * For a sender that listens: called when the other side has greeted as a receiver; throws a refusal if no more are
   * wanted. Nothing is sent before, so that a stray connection costs no file. A sender that dials knows whom it called.
   */
  admit?: (() => void) | undefined
}

/** An entry whose answer is still to come. */
interface Pending {
  source: Source
  header: Header
  start: number
  /** Stops reading the source when the receiver has refused it, or the connection has failed. */
  stop: AbortController
  /** Set once the end frame is sent. */
  sent: Moved | null
}

export class Outgoing implements Transfer {
  readonly #channel: Channel
  readonly #options: OutgoingOptions
  readonly #pending = new Map<number, Pending>()
  readonly #pump: Pump
  #entries = 0
  #current: Pending | null = null
  #isOpened = false
  #isFinished = false
  /** True once every source has its answer: nothing that comes after the last one, from whomever, changes the outcome. */
  #isAnswered = false
  /** Sources that turned out to be unreadable, and so became no entries. */
  #unopened = 0
  #heard = false
  #onGreeting: (() => void) | undefined
  readonly #result: TransferResult

  constructor(socket: Duplex, options: OutgoingOptions) {
    this.#options = options
    this.#channel = new Channel(socket, { timeout: options.timeout, farewell: (error) => this.#farewell(error) })
    this.#pump = new Pump(this.#channel, true)
    this.#result = { admitted: options.admit === undefined, files: 0, bytes: 0, failure: null }
  }

  fail(error: TransferError): void {
    this.#channel.fail(error)
  }

  #farewell(error: TransferError): Buffer {
    const abort = encode.abort({ entry: null, code: error.reason, reason: error.tell })
    return this.#isOpened ? abort : Buffer.concat([encode.senderOpening(), abort])
  }

  /** Sends them all, and settles when every entry has its answer or the connection has ended. */
  async run(): Promise<TransferResult> {
    this.#channel.signal.addEventListener('abort', () => this.#current?.stop.abort(this.#channel.signal.reason))
    const directions = [this.#send(), this.#readAnswers()]
    try {
      await Promise.all(directions)
      await this.#channel.close()
    } catch (error) {
      this.#channel.fail(asTransferError(error))
      await Promise.allSettled(directions)
      await this.#channel.closed
      if (!this.#isAnswered) this.#ended(asTransferError(error))
    }
    return this.#result
  }

  async #send(): Promise<void> {
    this.#isOpened = true
    await this.#channel.write(encode.senderOpening())
    if (this.#options.admit) await this.#waitForGreeting()
    for (const source of this.#options.sources) await this.#sendSource(source)
    await this.#channel.write(encode.finished({ entries: this.#entries }))
    this.#isFinished = true
    await this.#channel.finish()
  }

  async #waitForGreeting(): Promise<void> {
    const text = `no greeting within ${HEADER_DEADLINE / 1000} seconds`
    const error = new TransferError('timeout', text, { reason: 'timeout', tell: text })
    const deadline = setTimeout(() => this.#channel.fail(error), HEADER_DEADLINE)
    try {
      await new Promise<void>((resolve, reject) => {
        this.#onGreeting = resolve
        this.#channel.signal.addEventListener('abort', () => reject(this.#channel.signal.reason))
      })
    } finally {
      clearTimeout(deadline)
    }
  }

  /** One entry. What is wrong with the source alone costs this entry and no other. */
  async #sendSource(source: Source): Promise<void> {
    const stop = new AbortController()
    let opened: OpenSource
    try {
      opened = await source.open(stop.signal)
    } catch (error) {
      this.#unopened++
      this.#failed(source.name, asTransferError(error))
      return
    }
    const entry = this.#entries++
    const pending: Pending = { source, header: opened.header, start: performance.now(), stop, sent: null }
    this.#pending.set(entry, pending)
    this.#current = pending
    try {
      await this.#channel.write(encode.header(opened.header))
      const { transfer, onEvent, expect } = this.#options
      const { name, size } = opened.header
      const progress = new ProgressReport(onEvent, { transfer, name, size })
      const sent = await this.#pump.move(opened, stop.signal, (bytes) => progress.update(bytes))
      await opened.check()
      checkExpected(source.label, sent, expect)
      // The answer may come before the write settles, so it must find what it is compared with.
      pending.sent = sent
      await this.#channel.write(encode.end(sent))
    } catch (error) {
      this.#channel.signal.throwIfAborted()
      const { reason, tell } = asTransferError(error)
      await this.#channel.write(encode.abort({ entry, code: reason, reason: tell }))
      // An entry that the receiver refused has had its answer, and its failure was counted then.
      if (this.#pending.delete(entry)) this.#failed(source.name, asTransferError(error))
    } finally {
      await opened.close()
    }
  }

  /** Counts and reports the failure of one entry, or, without a name, of the connection. */
  #failed(name: string | undefined, error: TransferError): void {
    this.#result.failure ??= error
    const { onEvent, transfer } = this.#options
    report(onEvent, { transfer, name }, error)
  }

  /** The connection ended with `error`. A stray one that came and went without a word is not news. */
  #ended(error: TransferError): void {
    if (this.#result.admitted || this.#heard || error.reason !== 'broken') this.#failed(undefined, error)
    this.#result.failure ??= error
  }

  async #readAnswers(): Promise<void> {
    const decoder = new ReceiverDecoder()
    await this.#channel.receive((bytes) => {
      this.#heard = true
      for (const message of decoder.push(bytes)) {
        if (this.#isAnswered) break
        this.#onAnswer(message)
        const isLast = this.#entries + this.#unopened === this.#options.sources.length
        this.#isAnswered = isLast && this.#pending.size === 0
      }
      if (this.#isFinished && this.#pending.size === 0) this.#channel.stopReceiving()
    })
    if (!this.#isAnswered && (!this.#isFinished || this.#pending.size > 0)) {
      const text = 'the receiver closed the connection before it confirmed everything'
      throw new TransferError('incomplete', text, { reason: 'broken' })
    }
  }

  #onAnswer(message: ReceiverMessage): void {
    if (message.kind === 'greeting' && !this.#result.admitted) {
      this.#options.admit?.()
      this.#result.admitted = true
      this.#onGreeting?.()
    }
    if (message.kind === 'stored') this.#onStored(message)
    if (message.kind === 'refused') this.#onRefused(message)
  }

  #onStored(answer: ReceiverMessage & { kind: 'stored' }): void {
    const pending = this.#pending.get(answer.entry)
    if (!pending?.sent) throw new ProtocolError(`the receiver confirmed entry ${answer.entry}, which it was not sent`)
    const { source, header, start, sent } = pending
    this.#pending.delete(answer.entry)
    const { blake3 } = answer
    if (answer.bytes !== sent.bytes || (blake3 !== null && blake3 !== sent.blake3)) {
      const text = `${source.label}: the receiver stored ${answer.bytes} bytes with the BLAKE3 ${blake3}, sent were ${sent.bytes} with ${sent.blake3}`
      this.#failed(header.name, new TransferError('digest-mismatch', text, { reason: 'digest' }))
      return
    }
    this.#result.files++
    this.#result.bytes += sent.bytes
    this.#options.onEvent({
      event: 'sent',
      transfer: this.#options.transfer,
      path: source.path,
      name: header.name,
      storedAs: answer.name,
      size: sent.bytes,
      blake3: sent.blake3,
      type: header.type,
      verified: blake3 !== null,
      seconds: secondsSince(start),
    })
  }

  #onRefused({ entry, code, reason }: ReceiverMessage & { kind: 'refused' }): void {
    const said = printable(reason)
    if (entry === null) throw remoteError(code, `the receiver refused the transfer: ${said}`)
    const pending = this.#pending.get(entry)
    // An entry that we aborted may have been refused at the same moment.
    if (!pending) return
    this.#pending.delete(entry)
    const error = remoteError(code, `${pending.source.label}: the receiver refused it: ${said}`)
    this.#failed(pending.header.name, error)
    pending.stop.abort(error)
  }
}

/** What a receiver's refusal means here. A refusal is exit 5 unless the transfer broke in a way that has its own code. */
function remoteError(code: string, message: string): TransferError {
  const known = {
    digest: 'digest-mismatch',
    size: 'incomplete',
    broken: 'incomplete',
    interrupted: 'incomplete',
    timeout: 'timeout',
  } as const
  const ours = Object.hasOwn(known, code) ? known[code as keyof typeof known] : 'refused'
  return new TransferError(ours, message, { reason: printable(code, 40), tell: 'refused' })
}
