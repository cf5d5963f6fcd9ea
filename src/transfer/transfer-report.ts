/** The report of one transfer: its events, each with the number of the connection, and its result. */
import type { Refusals } from '../access/refusals.js'
import type { AtHand } from '../at-hand.js'
import type { Spool } from '../disk/spool.js'
import { refusal, type TransferError } from '../errors.js'
import { type FailedAbout, failedEvent, secondsSince } from '../event-values.js'
import type {
  FailedEvent,
  OnEvent,
  RefusedEvent,
  SentEvent,
  StoredEvent,
  TransferEvent,
  WarningEvent,
} from '../events.js'
import { mediaType } from '../media-type.js'
import { Turn } from '../net/turn.js'
import { below } from '../text.js'
import { ProgressReport } from './progress-report.js'
import type { TransferResult } from './session.js'
import type { TreeRecord } from './tree-record.js'

/** The facts that the events of a transfer have in common. */
export interface Reporting {
  onEvent: OnEvent
  /** The number of the connection, from 1. */
  transfer: number
  /** `address:port` of the other side. */
  peer: string
  /** The name of the key of the other side. */
  key?: string | undefined
  /** False if nobody needs an event for each file in a directory. Ten thousand events take time. Default true. */
  fileEvents?: boolean | undefined
  /** Returns a promise as long as no transfer of the call may begin another entry. */
  held?: (() => Promise<unknown> | undefined) | undefined
  /** Takes the failures and refusals of a peer that is not admitted yet. Default: they are events like all others. */
  refusals?: Refusals | undefined
}

export class TransferReport {
  readonly result: TransferResult = { admitted: false, files: 0, bytes: 0, failure: null, lastReported: null }
  readonly #reporting: Reporting
  /** What `onEvent` has returned last. */
  #drained: unknown

  constructor(reporting: Reporting) {
    const onEvent = (event: TransferEvent) => {
      this.#drained = reporting.onEvent(event)
    }
    this.#reporting = { ...reporting, onEvent }
  }

  /** Waits until more events can be taken, or `signal` is aborted. */
  async untilDrained(signal: AbortSignal): Promise<void> {
    const waiting = [this.#drained, this.#reporting.held?.()].filter((held) => held instanceof Promise)
    if (waiting.length === 0 || signal.aborted) return
    let stop!: () => void
    const aborted = new Promise<void>((resolve) => {
      stop = resolve
    })
    signal.addEventListener('abort', stop)
    await Promise.race([Promise.all(waiting), aborted])
    signal.removeEventListener('abort', stop)
  }

  /** `address:port` of the other side. */
  get peer(): string {
    return this.#reporting.peer
  }

  /** Who the other side is, for events. */
  get #by(): { peer: string; key?: string } {
    const { peer, key } = this.#reporting
    return key === undefined ? { peer } : { peer, key }
  }

  /**
   * Starts the progress report of one entry. Its first event comes at once.
   *
   * @param resumed the bytes that the receiver had before
   */
  progress(file: { name: string; size: number | null }, resumed = 0): ProgressReport {
    const { onEvent, transfer } = this.#reporting
    const { name, size } = file
    return new ProgressReport(onEvent, { transfer, name, size, resumed })
  }

  /**
   * Counts and reports an entry that the receiver has confirmed. `start` and `end` are values of `performance.now()`. The
   * default of `end` is now.
   */
  sent(start: number, facts: Omit<SentEvent, 'event' | 'transfer' | 'seconds'>, end?: number): void {
    const { onEvent, transfer } = this.#reporting
    this.#count(facts.size)
    onEvent({ event: 'sent', transfer, ...facts, seconds: secondsSince(start, end) })
  }

  /** Counts and reports a directory that the receiver has confirmed, after each file in it. There may be a million. */
  async sentTree(
    start: number,
    facts: Omit<SentEvent, 'event' | 'transfer' | 'seconds'>,
    record: TreeRecord,
  ): Promise<void> {
    const turn = new Turn()
    turn.begin(0)
    const seconds = secondsSince(start)
    const { onEvent, transfer, fileEvents = true } = this.#reporting
    const { path: root, name: directory, storedAs, verified } = facts
    const stored = storedAs === '-' ? directory : storedAs
    for (const { path, ...file } of fileEvents ? record.all() : []) {
      const names = { path: below(root, path), name: below(directory, path), storedAs: stored && below(stored, path) }
      onEvent({ event: 'sent', transfer, directory, ...names, type: mediaType(path), verified, ...file })
      const waiting = nextTurn(turn)
      if (waiting) await waiting
    }
    this.result.files += record.files
    this.result.bytes += record.bytes
    onEvent({ event: 'sent', transfer, ...facts, files: record.files, seconds })
  }

  /** Counts and reports a directory that was stored, after each file in it. */
  async storedTree(
    start: number,
    facts: Omit<StoredEvent, 'event' | 'transfer' | 'peer' | 'seconds'>,
    record: TreeRecord,
    skipped?: Spool,
  ): Promise<void> {
    const turn = new Turn()
    turn.begin(0)
    const seconds = secondsSince(start)
    const { onEvent, transfer, fileEvents = true } = this.#reporting
    const { path, name: directory, verified } = facts
    // A stream gets an archive, in which the directory has its own name.
    const root = path === '-' ? directory : path
    // Both lists have the same order. Only the skips have symlinks.
    const skips = new Skips(skipped)
    const skip = () => {
      const error = refusal('skipped', 'it is there already and is skipped')
      this.refused(below(directory, skips.path), error, directory)
      skips.advance()
    }
    // Skipped files have an event in any case, and must not be counted.
    const isEach = fileEvents || skipped !== undefined
    let [files, size] = isEach ? [0, 0] : [record.files, record.bytes]
    for (const { path, ...file } of isEach ? record.all() : []) {
      const names = { path: below(root, path), name: below(directory, path) }
      const waiting = nextTurn(turn)
      if (waiting) await waiting
      while (skips.isSymlink) skip()
      if (skips.path === path) {
        skip()
        continue
      }
      files++
      size += file.size
      if (!fileEvents) continue
      onEvent({ event: 'stored', transfer, ...this.#by, directory, ...names, type: mediaType(path), verified, ...file })
    }
    while (skips.isSymlink) skip()
    this.result.files += files
    this.result.bytes += size
    onEvent({ event: 'stored', transfer, ...this.#by, ...facts, size, files, seconds })
  }

  /** Counts and reports an entry that was stored. */
  stored(start: number, facts: Omit<StoredEvent, 'event' | 'transfer' | 'peer' | 'seconds'>): void {
    const { onEvent, transfer } = this.#reporting
    this.#count(facts.size)
    onEvent({ event: 'stored', transfer, ...this.#by, ...facts, seconds: secondsSince(start) })
  }

  warn(reason: WarningEvent['reason'], message: string): void {
    this.#reporting.onEvent({ event: 'warning', reason, message })
  }

  message(text: string): void {
    const { onEvent, transfer } = this.#reporting
    onEvent({ event: 'message', transfer, ...this.#by, text })
  }

  /** Reports the failure of one entry, of something in the entry `directory`, or, without a name, of the connection. */
  failed(name: string | undefined, error: TransferError, more: Pick<FailedAbout, 'directory' | 'kept'> = {}): void {
    this.fail(error)
    this.result.lastReported = error
    this.#tell(failedEvent(error, { transfer: this.#reporting.transfer, name, ...more }))
  }

  /** Reports that this side refuses an entry, something in the entry `directory`, or, without a name, the connection. */
  refused(name: string | undefined, error: TransferError, directory?: string): void {
    const { transfer, peer } = this.#reporting
    const { code, reason, message } = error
    // A skipped file exists already, as this side wants it, so this is no failure.
    if (reason !== 'skipped') this.fail(error)
    this.result.lastReported = error
    const names = { ...(name === undefined ? {} : { name }), ...(directory === undefined ? {} : { directory }) }
    this.#tell({ event: 'refused', transfer, peer, ...names, code, reason, message })
  }

  /** Reports why this side has not stored an entry, or lost the connection. */
  notStored(name: string | undefined, error: TransferError, kept: string | null = null): void {
    if (error.code === 'refused' || !this.result.admitted) this.refused(name, error)
    else this.failed(name, error, { kept })
  }

  #tell(event: FailedEvent | RefusedEvent): void {
    const { onEvent, refusals } = this.#reporting
    if (refusals && !this.result.admitted) refusals.add(event)
    else onEvent(event)
  }

  /** Records a failure of the transfer. Only the first one counts. */
  fail(error: TransferError): void {
    this.result.failure ??= error
  }

  #count(bytes: number): void {
    this.result.files++
    this.result.bytes += bytes
  }
}

/** Lets others work if it is time: a directory may have a million events. */
function nextTurn(turn: Turn): AtHand<void> {
  return turn.check()?.then(() => turn.begin(0))
}

/** What was skipped in a directory (`StoredAs.skipped`), one after the other. */
class Skips {
  readonly #lines: Iterator<string, void> | undefined
  /** The path of the current one. Empty after the last one. */
  path = ''
  isSymlink = false

  constructor(skipped: Spool | undefined) {
    this.#lines = skipped?.lines()
    this.advance()
  }

  advance(): void {
    const line = this.#lines?.next().value
    const [path, isFile] = line ? (JSON.parse(line) as [string, boolean]) : ['', true]
    this.path = path
    this.isSymlink = !isFile
  }
}
