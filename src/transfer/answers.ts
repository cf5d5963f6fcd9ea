/**
 * The entries of a session that have no answer yet, and what the receiver's answers make of them. Nothing here writes to
 * the link.
 */
import { asTransferError, type TransferError } from '../errors.js'
import type { Header, Refused, Stored } from '../protocol/messages.js'
import { ProtocolError } from '../protocol/protocol-error.js'
import type { Entry } from '../sources/source.js'
import { printable } from '../text.js'
import type { Algorithm } from './digest.js'
import type { ProgressReport } from './progress-report.js'
import type { Totals } from './pump.js'
import { remoteError } from './remote-error.js'
import type { TransferReport } from './transfer-report.js'
import { unverifiable, verifyStored } from './verification.js'

/** An entry whose answer is still to come. */
export interface Pending {
  /** Its number on the link. */
  number: number
  entry: Entry
  header: Header
  /** When it began, a `performance.now()`. */
  start: number
  /** The digest that its end carries. */
  algorithm: Algorithm
  /** Stops reading the source when the receiver has refused the entry, or the link has failed. */
  stop: AbortController
  /** Null until the first byte is about to be sent. */
  progress: ProgressReport | null
  /** Set once the end is sent. */
  sent: Totals | null
}

export interface AnswersOptions {
  report: TransferReport
  /** Whether a receiver that answers without a digest is believed. */
  allowUnverified: boolean
  /** Called if the receiver could not verify an entry. Returns true if the entry is sent again with another digest. */
  onUnverifiable(pending: Pending): boolean
}

export class Answers {
  readonly #options: AnswersOptions
  readonly #pending = new Map<number, Pending>()

  constructor(options: AnswersOptions) {
    this.#options = options
  }

  /** True while some entry is without its answer. */
  get isWaiting(): boolean {
    return this.#pending.size > 0
  }

  expect(pending: Pending): void {
    this.#pending.set(pending.number, pending)
  }

  /** No answer to the entry is expected any more. Returns false if it had its answer before. */
  withdraw({ number }: Pending): boolean {
    return this.#pending.delete(number)
  }

  onProgress(number: number, bytes: number): void {
    this.#pending.get(number)?.progress?.received(bytes)
  }

  onStored(answer: Stored): void {
    const pending = this.#pending.get(answer.entry)
    if (!pending?.sent) throw new ProtocolError(`the receiver confirmed entry ${answer.entry}, which it was not sent`)
    this.withdraw(pending)
    const { entry, header, start, sent } = pending
    const { report, allowUnverified } = this.#options
    try {
      const verified = verifyStored(entry.label, answer, sent)
      if (!verified && !allowUnverified) throw unverifiable(`${entry.label}: the receiver's answer has`)
      const { name, type } = header
      const { bytes: size, blake3 } = sent
      report.sent(start, { path: entry.path, name, storedAs: answer.name, size, blake3, type, verified })
    } catch (error) {
      report.failed(header.name, asTransferError(error))
    }
  }

  onRefused({ entry: number, reason, message }: Refused): void {
    const said = printable(message)
    if (number === null) throw remoteError(reason, `the receiver refused the transfer: ${said}`)
    const pending = this.#pending.get(number)
    // An entry that this side has given up may have been refused at the same moment.
    if (!pending) return
    if (reason === 'unverifiable' && this.#options.onUnverifiable(pending)) return
    this.withdraw(pending)
    const error = remoteError(reason, `${pending.entry.label}: the receiver refused it: ${said}`)
    this.#options.report.failed(pending.header.name, error)
    pending.stop.abort(error)
  }

  /** This side gives the entry up, unless it was answered before: a refusal has been reported then. */
  fail(pending: Pending, error: TransferError): void {
    if (this.withdraw(pending)) this.#options.report.failed(pending.header.name, error)
  }
}
