/**
 * A sending transfer: the entries that are still to be sent, and its result. It knows no connection. A session of it
 * runs over each link (sender-session.ts).
 */
import { asTransferError } from '../errors.js'
import type { Entry } from '../sources/source.js'
import type { Expectation } from './expectation.js'
import type { Rate } from './rate.js'
import type { TransferReport } from './transfer-report.js'

export interface SenderOptions {
  /** The entries to send, in this order. Each one is fetched while the entry before it is under way. */
  entries: AsyncIterable<Entry>
  report: TransferReport
  /** The size and digest that the only entry must have. If it has others, it is aborted instead of ended. */
  expect: Expectation
  /** True if answers without a digest are accepted. */
  allowUnverified: boolean
  /** The limit of the call. */
  rate?: Rate | undefined
  /**
   * For a sender that listens: called when the other side has greeted as a receiver. Throws a refusal if no more
   * receivers are wanted. Absent for a sender that dials.
   */
  admit?: (() => void) | undefined
}

export class Sender {
  readonly report: TransferReport
  readonly expect: Expectation
  readonly allowUnverified: boolean
  readonly rate: Rate | undefined
  /** True if nothing is sent before the peer has greeted as a receiver. A stray connection then costs no file. */
  readonly waitsForGreeting: boolean
  readonly #admit: (() => void) | undefined
  readonly #entries: AsyncIterator<Entry>
  /** Entries that must be sent again. */
  readonly #again: Entry[] = []
  /** The next entry, fetched ahead to know whether there is one. Undefined if there is none. */
  #ahead: Promise<Entry | undefined>
  #isExhausted = false

  constructor({ entries, report, expect, allowUnverified, rate, admit }: SenderOptions) {
    this.report = report
    this.expect = expect
    this.allowUnverified = allowUnverified
    this.rate = rate
    this.#admit = admit
    this.waitsForGreeting = admit !== undefined
    report.result.admitted = admit === undefined
    this.#entries = entries[Symbol.asyncIterator]()
    this.#ahead = this.#fetch()
  }

  /** Counts the other side as a partner from now on. */
  admit(): void {
    const { result } = this.report
    if (!result.admitted) this.#admit?.()
    result.admitted = true
  }

  /** Returns the next entry to send, or undefined if there is none now. `sendAgain` may add one later. */
  async next(): Promise<Entry | undefined> {
    const entry = await this.#ahead
    if (!entry) return this.#again.shift()
    this.#ahead = this.#fetch()
    // Awaited before the entry is sent, so that the session knows which answer is the last.
    await this.#ahead.catch(() => {})
    return entry
  }

  /** Fetches an entry. If that fails, the call of `next` for this entry throws, and there may never be one. */
  #fetch(): Promise<Entry | undefined> {
    const fetching = this.#read()
    fetching.catch(() => {})
    return fetching
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

  /** Reports an entry that could not be opened. */
  failUnopened(entry: Entry, error: unknown): void {
    this.report.failed(entry.name, asTransferError(error))
  }
}
