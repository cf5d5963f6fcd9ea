/**
 * A transfer that sends: the entries that are still to be sent, and its result. It knows no connection. A session of it
 * runs over each link (sender-session.ts).
 */
import { asTransferError } from '../errors.js'
import type { Entry } from '../sources/source.js'
import type { Expectation } from './expectation.js'
import type { TransferReport } from './transfer-report.js'

export interface SenderOptions {
  /** What to send, in this order. It is read while the entries before are on their way. */
  entries: AsyncIterable<Entry>
  report: TransferReport
  /** What the (single) entry must turn out to have; with anything else it is aborted instead of ended. */
  expect: Expectation
  /** Whether a receiver that answers without a digest is believed. */
  allowUnverified: boolean
  /**
   * For a sender that listens: called when the other side has greeted as a receiver. Throws a refusal if no more are
   * wanted. A sender that dials knows whom it called.
   */
  admit?: (() => void) | undefined
}

export class Sender {
  readonly report: TransferReport
  readonly expect: Expectation
  readonly allowUnverified: boolean
  /** True if an entry is sent only after the other side has shown that it is a receiver: a stray connection costs no file. */
  readonly waitsForGreeting: boolean
  readonly #admit: (() => void) | undefined
  readonly #entries: AsyncIterator<Entry>
  /** Entries that must be sent again. */
  readonly #again: Entry[] = []
  /** The entry after the one under way, read ahead to know whether there is one. Undefined: there is none. */
  #ahead: Promise<Entry | undefined>
  #isExhausted = false

  constructor({ entries, report, expect, allowUnverified, admit }: SenderOptions) {
    this.report = report
    this.expect = expect
    this.allowUnverified = allowUnverified
    this.#admit = admit
    this.waitsForGreeting = admit !== undefined
    report.result.admitted = admit === undefined
    this.#entries = entries[Symbol.asyncIterator]()
    this.#ahead = this.#read()
  }

  /** The other side counts as a partner from now on. */
  admit(): void {
    const { result } = this.report
    if (!result.admitted) this.#admit?.()
    result.admitted = true
  }

  /** The next entry to send, or undefined if there is none now. `sendAgain` may give another one later. */
  async next(): Promise<Entry | undefined> {
    const entry = await this.#ahead
    if (!entry) return this.#again.shift()
    this.#ahead = this.#read()
    // Known before the entry is sent, so that the answer to the last one is known to be the last.
    await this.#ahead
    return entry
  }

  async #read(): Promise<Entry | undefined> {
    const { done, value } = await this.#entries.next()
    this.#isExhausted = done === true
    return done ? undefined : value
  }

  /** True if there is nothing left to send. */
  get isExhausted(): boolean {
    return this.#isExhausted && this.#again.length === 0
  }

  sendAgain(entry: Entry): void {
    this.#again.push(entry)
  }

  /** The entry could not be opened. */
  failUnopened(entry: Entry, error: unknown): void {
    this.report.failed(entry.name, asTransferError(error))
  }
}
