/**
 * The entries of a connection that have no answer yet, and what the receiver's answers make of them: events, counts and
 * the first failure. Nothing here writes to the connection.
 */
import { asTransferError, type TransferError } from '../errors.js'
import { type OnEvent, type ProgressReport, report, secondsSince } from '../events.js'
import type { Header, Refused, Stored } from '../protocol/messages.js'
import { ProtocolError } from '../protocol/protocol-error.js'
import type { Source } from '../sources/source.js'
import { printable } from '../text.js'
import type { Algorithm } from './digest.js'
import type { Moved } from './pump.js'
import { remoteError } from './remote-error.js'
import type { TransferResult } from './transfer.js'
import { unverifiable, verifyStored } from './verification.js'

/** An entry whose answer is still to come. */
export interface Pending {
  entry: number
  source: Source
  header: Header
  start: number
  /** The digest that its end frame carries. */
  algorithm: Algorithm
  /** Stops reading the source when the receiver has refused it, or the connection has failed. */
  stop: AbortController
  /** Null until the first byte is about to be sent. */
  progress: ProgressReport | null
  /** Set once the end frame is sent. */
  sent: Moved | null
}

export interface PendingOptions {
  /** How many sources there are, each of which gets one outcome. */
  sources: number
  onEvent: OnEvent
  transfer: number
  /** Whether a receiver that answers without a digest is believed. */
  allowUnverified: boolean
  /** Called where the receiver could not verify an entry that can be sent again with the digest that it computes. */
  onUnverifiable(pending: Pending): boolean
}

export class PendingEntries {
  readonly #options: PendingOptions
  readonly #entries = new Map<number, Pending>()
  /** Sources whose outcome is open. */
  #unsettled: number
  readonly result: TransferResult = { admitted: false, files: 0, bytes: 0, failure: null }

  constructor(options: PendingOptions) {
    this.#options = options
    this.#unsettled = options.sources
  }

  /** True while some entry is without its answer. */
  get isWaiting(): boolean {
    return this.#entries.size > 0
  }

  /** True once every source has its outcome. */
  get isSettled(): boolean {
    return this.#unsettled === 0
  }

  add(pending: Pending): void {
    this.#entries.set(pending.entry, pending)
  }

  /** The entry is given up, and its source will be another entry. False if its outcome is known already. */
  withdraw({ entry }: Pending): boolean {
    return this.#entries.delete(entry)
  }

  /** The source has become no entry. */
  failUnopened(source: Source, error: TransferError): void {
    this.#unsettled--
    this.failed(source.name, error)
  }

  /** This side gives the entry up, unless it was answered before: a refused entry's failure was counted then. */
  fail({ entry, source }: Pending, error: TransferError): void {
    if (this.#settle(entry)) this.failed(source.name, error)
  }

  /** Counts and reports the failure of one entry, or, without a name, of the connection. */
  failed(name: string | undefined, error: TransferError): void {
    this.result.failure ??= error
    const { onEvent, transfer } = this.#options
    report(onEvent, { transfer, name }, error)
  }

  onProgress(entry: number, bytes: number): void {
    this.#entries.get(entry)?.progress?.received(bytes)
  }

  onStored(answer: Stored): void {
    const pending = this.#entries.get(answer.entry)
    if (!pending?.sent) throw new ProtocolError(`the receiver confirmed entry ${answer.entry}, which it was not sent`)
    const { source, header, start, sent } = pending
    this.#settle(answer.entry)
    let verified: boolean
    try {
      verified = verifyStored(source.label, answer, sent)
      if (!verified && !this.#options.allowUnverified) throw unverifiable(`${source.label}: the receiver's answer has`)
    } catch (error) {
      this.failed(header.name, asTransferError(error))
      return
    }
    this.result.files++
    this.result.bytes += sent.bytes
    const { name, type } = header
    const { bytes: size, blake3 } = sent
    const { onEvent, transfer } = this.#options
    const facts = { path: source.path, name, storedAs: answer.name, size, blake3, type, verified }
    onEvent({ event: 'sent', transfer, ...facts, seconds: secondsSince(start) })
  }

  onRefused({ entry, reason, message }: Refused): void {
    const said = printable(message)
    if (entry === null) throw remoteError(reason, `the receiver refused the transfer: ${said}`)
    const pending = this.#entries.get(entry)
    // An entry that this side has given up may have been refused at the same moment.
    if (!pending) return
    if (reason === 'unverifiable' && this.#options.onUnverifiable(pending)) return
    this.#settle(entry)
    const error = remoteError(reason, `${pending.source.label}: the receiver refused it: ${said}`)
    this.failed(pending.header.name, error)
    pending.stop.abort(error)
  }

  /** The outcome of an entry is known. False if it was known before, or the entry was withdrawn. */
  #settle(entry: number): boolean {
    const isPending = this.#entries.delete(entry)
    if (isPending) this.#unsettled--
    return isPending
  }
}
