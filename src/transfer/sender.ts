/**
 * A sending transfer: the entries that are still to be sent, and its result. It knows no connection. A session of it
 * runs over each link (sender-session.ts).
 */
import { randomBytes } from 'node:crypto'
import { asTransferError } from '../errors.js'
import { bytesIn, DELTA, type Header, KEPT, RESUME, RESUME_DIRECTORIES, type ResumeWay } from '../protocol/messages.js'
import type { Entry } from '../sources/source.js'
import type { CompressMode } from './compression.js'
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
  /** Names the transfer, if it may go on over another connection (`newTransferName`). Default: it may not. */
  transfer?: string | undefined
  /** True if this side connects again after a break. Default false. */
  retries?: boolean | undefined
  /** True if that is also wanted after a connection in which the receiver has not said a word. Default false. */
  insists?: boolean | undefined
  /** True if of a file that the receiver has, only what differs is sent. Default false. */
  delta?: boolean | undefined
  /** The limit of the call. */
  rate?: Rate | undefined
  /** What is compressed. Default: nothing. */
  compress?: CompressMode | undefined
  /**
   * For a sender that listens: called when the other side has greeted as a receiver. Throws a refusal if no more
   * receivers are wanted. Absent for a sender that dials.
   */
  admit?: (() => void) | undefined
}

/** A name for a transfer that nobody can guess. */
export function newTransferName(): string {
  return randomBytes(16).toString('hex')
}

export class Sender {
  readonly report: TransferReport
  readonly expect: Expectation
  readonly allowUnverified: boolean
  readonly rate: Rate | undefined
  readonly compress: CompressMode
  /** Names the transfer, if it may go on over another connection. */
  readonly transfer: string | undefined
  /**
   * True if nothing is sent before the peer has greeted as a receiver: a stray connection then costs no file, and only
   * then everything can be compressed.
   */
  readonly waitsForGreeting: boolean
  readonly #retries: boolean
  readonly #delta: boolean
  readonly #admit: (() => void) | undefined
  readonly #entries: AsyncIterator<Entry>
  /** Entries that were under way when a connection broke. They come first. */
  #returned: Entry[] = []
  /** Entries that must be sent again, after all others. */
  readonly #again: Entry[] = []
  /** The number of each entry in the transfer. */
  readonly #ids = new WeakMap<Entry, number>()
  #nextId = 0
  /** How the receiver is asked for what it has of an entry. */
  readonly #ways = new WeakMap<Entry, ResumeWay>()
  /** How many bytes of a file the receiver has wanted last. All of them if it was not asked. */
  readonly #wanted = new WeakMap<Entry, number>()
  /**
   * True if the transfer can go on over another connection: the receiver has said that it knows its sender again. It may
   * be unreachable for a while after that, or another program may answer for it.
   */
  isResumable = false
  /** True if this side connects again, too, if the receiver has not said a word. It may be behind a load balancer. */
  readonly insists: boolean
  /** Grows with all that has reached the receiver for good. */
  progress = 0
  /** The next entry, fetched ahead to know whether there is one. Undefined if there is none. */
  #ahead: Promise<Entry | undefined>
  #isExhausted = false
  #isUncompressed = false

  constructor(options: SenderOptions) {
    const { entries, report, expect, allowUnverified, transfer, retries = false, rate, compress = 'never' } = options
    const { admit, delta = false, insists = false } = options
    this.insists = insists
    this.transfer = transfer
    this.#retries = retries
    this.#delta = delta
    this.report = report
    this.expect = expect
    this.allowUnverified = allowUnverified
    this.rate = rate
    this.compress = compress
    this.#admit = admit
    this.waitsForGreeting = admit !== undefined || compress === 'always'
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

  /** The receiver has greeted with these features. */
  onGreeting(features: readonly string[]): void {
    this.isResumable = this.#retries && features.includes(RESUME)
  }

  /** The receiver can inflate nothing. It is said once, also if there are several connections. */
  onUncompressed(): void {
    if (this.compress !== 'always' || this.#isUncompressed) return
    this.#isUncompressed = true
    this.report.warn('uncompressed', 'the receiver cannot inflate what this side compresses, so nothing is compressed')
  }

  /** Returns the next entry to send, or undefined if there is none now. `sendAgain` may add one later. */
  async next(): Promise<Entry | undefined> {
    const returned = this.#returned.shift()
    if (returned) return returned
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
    if (done) return undefined
    // The number is the same if the entries are fetched again, for another connection of a receiver that comes back.
    this.#ids.set(value, this.#nextId++)
    return value
  }

  /** True if there is nothing left to send. */
  get isExhausted(): boolean {
    return this.#isExhausted && this.#again.length === 0 && this.#returned.length === 0
  }

  /** @param way how the receiver is asked for what it has of the entry. Default: not at all */
  sendAgain(entry: Entry, way?: ResumeWay): void {
    if (way) this.#ways.set(entry, way)
    this.#again.push(entry)
  }

  /** Takes back the entries that were under way when a connection broke. The next one begins with them. */
  takeBack(entries: readonly Entry[]): void {
    for (const entry of entries) if (this.#ways.get(entry) === undefined) this.#ways.set(entry, 'offset')
    this.#returned = [...entries, ...this.#returned]
  }

  /** True if the entry was not sent again yet because something was damaged. */
  isFirst(entry: Entry): boolean {
    return this.#ways.get(entry) !== 'compare'
  }

  /** The receiver wants these ranges of an entry. It is progress if that is less than before. */
  noteWanted(entry: Entry, ranges: readonly number[]): void {
    const wanted = bytesIn(ranges)
    if (wanted < (this.#wanted.get(entry) ?? 0)) this.progress++
    this.#wanted.set(entry, wanted)
  }

  /** Returns the header of an entry for a receiver with these features. `number` is that in the connection. */
  headerFor(entry: Entry, number: number, header: Header, features: readonly string[]): Header {
    const id = this.#ids.get(entry) as number
    const numbered = this.transfer === undefined || id === number ? {} : { id }
    if (header.source === undefined) return { ...header, ...numbered }
    const { source, edition, ...known } = header
    const isDirectory = header.kind === 'directory'
    if (!features.includes(isDirectory ? RESUME_DIRECTORIES : RESUME)) return { ...known, ...numbered }
    const way = this.#wayFor(entry, isDirectory, features)
    if (way) return { ...header, ...numbered, resume: way }
    this.#wanted.set(entry, header.size ?? 0)
    return { ...header, ...numbered }
  }

  /** How the receiver is asked. Asking for a delta, the sender hears of what was kept, too. */
  #wayFor(entry: Entry, isDirectory: boolean, features: readonly string[]): ResumeWay | undefined {
    const way = this.#ways.get(entry) ?? (features.includes(KEPT) ? 'offset' : undefined)
    if (isDirectory) return way && 'list'
    return this.#delta && way !== 'compare' && features.includes(DELTA) ? 'delta' : way
  }

  /** Reports an entry that could not be opened. */
  failUnopened(entry: Entry, error: unknown): void {
    this.report.failed(entry.name, asTransferError(error))
  }
}
