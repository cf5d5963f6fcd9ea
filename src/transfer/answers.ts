/**
 * The entries of a session that have no answer yet, and the effect of each answer. Nothing here writes to the link.
 */
import { asTransferError, type TransferError } from '../errors.js'
import type { StoredMessage } from '../links/link.js'
import { CHUNK, MAX_ALL_RANGES } from '../protocol/limits.js'
import type { Header, Listed, Refused, Wanted } from '../protocol/messages.js'
import { ProtocolError } from '../protocol/protocol-error.js'
import type { Entry } from '../sources/source.js'
import { printable } from '../text.js'
import type { Algorithm } from './digest.js'
import { type ProgressReport, wireField } from './progress-report.js'
import type { Totals } from './pump.js'
import { remoteError } from './remote-error.js'
import type { TransferReport } from './transfer-report.js'
import type { TreeRecord } from './tree-record.js'
import { unverifiable, verifyStored } from './verification.js'

/** An entry that waits for its answer. */
export interface Pending {
  /** Its number on the link. */
  number: number
  entry: Entry
  header: Header
  /** The start of the entry, as of `performance.now()`. */
  start: number
  /** The algorithm of the digest in the end of the entry. */
  algorithm: Algorithm
  /** Stops reading the source when the receiver has refused the entry, or the link has failed. */
  stop: AbortController
  /** What the receiver wants of the file. Settles only if the sender asks. */
  wanted: Promise<Wanted>
  /** Null once it has been called. */
  onWanted: ((wanted: Wanted) => void) | null
  /** What the receiver has of the directory: size and modification time by path. As `wanted`. */
  listed: Promise<ReadonlyMap<string, string>>
  /** Null after the last part of the list. */
  onListed: ((listed: Listed) => void) | null
  /** Null until the first byte is about to be sent. */
  progress: ProgressReport | null
  /** Null until the end is about to be sent. */
  sent: Totals | null
  /** What was noted of a directory. Null for every other entry. */
  record: TreeRecord | null
}

/** What an entry waits for that does not ask. One for all: there may be many entries. */
const NOT_ASKED = {
  wanted: new Promise<never>(() => {}),
  onWanted: null,
  listed: new Promise<never>(() => {}),
  onListed: null,
}

/** An entry whose header is about to be sent. */
export function newPending(facts: Pick<Pending, 'number' | 'entry' | 'header' | 'algorithm' | 'stop'>): Pending {
  const { header, stop } = facts
  const asked = header.resume ? { ...awaitWanted(stop.signal), ...gather(stop.signal) } : NOT_ASKED
  return { ...facts, ...asked, start: performance.now(), progress: null, sent: null, record: null }
}

/** Gathers what a receiver wants. */
function awaitWanted(signal: AbortSignal): Pick<Pending, 'wanted' | 'onWanted'> {
  const all: number[] = []
  let onComplete!: (wanted: Wanted) => void
  const wanted = new Promise<Wanted>((resolve, reject) => {
    onComplete = resolve
    signal.addEventListener('abort', () => reject(signal.reason))
  })
  wanted.catch(() => {})
  const onWanted = ({ more, ...last }: Wanted) => {
    const [start] = last.ranges
    const isBehind = start === undefined || start > (all.at(-1) ?? -1)
    all.push(...last.ranges)
    if (!isBehind || all.length > 2 * MAX_ALL_RANGES) throw new ProtocolError('the receiver wants too much of a file')
    if (!more) onComplete({ ...last, ranges: all })
  }
  return { wanted, onWanted }
}

/** About the most bytes of a list that are held. What is beyond is sent again. A table, for tests with short lists. */
export const listLimits = { held: 256 * 1024 * 1024 }

/** About the bytes that an item takes beside its characters. */
const ITEM = 200

/** Gathers the list of what a receiver has. */
function gather(signal: AbortSignal): Pick<Pending, 'listed' | 'onListed'> {
  const found = new Map<string, string>()
  let length = 0
  let onComplete!: () => void
  const listed = new Promise<ReadonlyMap<string, string>>((resolve, reject) => {
    onComplete = () => resolve(found)
    signal.addEventListener('abort', () => reject(signal.reason))
  })
  listed.catch(() => {})
  const onListed = ({ items, more }: Listed) => {
    for (const item of items) {
      const [, facts, path] = /^(\d+ -?\d+) (.*)$/s.exec(item) ?? []
      if (facts === undefined || path === undefined) throw new ProtocolError('the receiver lists what is no file')
      length += item.length + ITEM
      if (length < listLimits.held) found.set(path, facts)
    }
    if (!more) onComplete()
  }
  return { listed, onListed }
}

export interface AnswersOptions {
  report: TransferReport
  /** True if answers without a digest are accepted. */
  allowUnverified: boolean
  /**
   * Called if the receiver could not verify an entry, or has found what it kept of a file damaged. Returns true if the
   * entry is sent again in another way.
   */
  onUnverifiable(pending: Pending, reason: 'unverifiable' | 'damaged'): boolean
}

export class Answers {
  readonly #options: AnswersOptions
  readonly #pending = new Map<number, Pending>()
  /** Settles when what was answered last is reported. Undefined if it is: only a directory may have a million events. */
  reporting: Promise<void> | undefined
  /** True if `onEvent` has thrown instead. */
  isUnreported = false

  constructor(options: AnswersOptions) {
    this.#options = options
  }

  /** True while an answer is missing. */
  get isWaiting(): boolean {
    return this.#pending.size > 0
  }

  expect(pending: Pending): void {
    this.#pending.set(pending.number, pending)
  }

  /** Stops waiting for the answer to the entry. Returns false if the entry has been answered before. */
  withdraw({ number }: Pending): boolean {
    return this.#pending.delete(number)
  }

  onWanted(wanted: Wanted): void {
    const pending = this.#pending.get(wanted.entry)
    // The sender may have given up the entry meanwhile.
    if (!pending) return
    const { resume, size, kind } = pending.header
    const { ranges } = wanted
    const isRight = ranges.every((end) => (end % CHUNK === 0 || end === size) && end <= (size as number))
    if (!resume || kind !== 'file' || !isRight || !pending.onWanted)
      throw new ProtocolError(`the receiver wants something of entry ${wanted.entry} that it cannot get`)
    pending.onWanted(wanted)
    if (!wanted.more) pending.onWanted = null
  }

  onListed(listed: Listed): void {
    const pending = this.#pending.get(listed.entry)
    if (!pending) return
    if (pending.header.resume !== 'list' || !pending.onListed)
      throw new ProtocolError(`the receiver lists what it has of entry ${listed.entry}, which was not asked for`)
    pending.onListed(listed)
    if (!listed.more) pending.onListed = null
  }

  /** True while a file is unanswered of which the receiver had a part: it may be damaged, and must be sent again. */
  get mayReturn(): boolean {
    return this.unanswered.some(({ header }) => header.resume !== undefined && header.resume !== 'compare')
  }

  /** The entries that have no answer, in their order. */
  get unanswered(): readonly Pending[] {
    return [...this.#pending.values()]
  }

  onProgress(number: number, bytes: number): void {
    this.#pending.get(number)?.progress?.received(bytes)
  }

  onStored(answer: StoredMessage): void {
    const pending = this.#pending.get(answer.entry)
    if (!pending?.sent) throw new ProtocolError(`the receiver confirmed entry ${answer.entry}, which it was not sent`)
    this.withdraw(pending)
    const { entry, header, start, sent, record } = pending
    const { report, allowUnverified } = this.#options
    let verified: boolean
    try {
      verified = verifyStored(entry.label, answer, sent)
      if (!verified && !allowUnverified) throw unverifiable(`${entry.label}: the receiver's answer has`)
    } catch (error) {
      report.failed(header.name, asTransferError(error))
      record?.close()
      return
    }
    const { name, type } = header
    const { bytes, blake3 } = sent
    const size = record?.bytes ?? bytes
    // What `onEvent` throws is no failure of the entry: it ends the transfer.
    const { progress } = pending
    const moved = { ...(progress?.resumed ? { resumed: progress.resumed } : {}), ...wireField(progress?.wire) }
    const reused = answer.reused ? { reused: true } : {}
    const facts = { path: entry.path, name, storedAs: answer.name, size, blake3, type, ...moved, verified, ...reused }
    if (record) this.reporting = this.#reportTree(record, report.sentTree(start, facts, record))
    else report.sent(start, facts, answer.handedOver)
  }

  async #reportTree(record: TreeRecord, reporting: Promise<void>): Promise<void> {
    try {
      await reporting
    } catch (error) {
      this.isUnreported = true
      throw error
    } finally {
      this.reporting = undefined
      record.close()
    }
  }

  onRefused({ entry: number, reason, message }: Refused): void {
    const said = printable(message)
    if (number === null) throw remoteError(reason, `the receiver refused the transfer: ${said}`)
    const pending = this.#pending.get(number)
    // The receiver may have refused the entry while this side gave it up.
    if (!pending) return
    if ((reason === 'unverifiable' || reason === 'damaged') && this.#options.onUnverifiable(pending, reason)) return
    this.withdraw(pending)
    const error = remoteError(reason, `${pending.entry.label}: the receiver refused it: ${said}`)
    this.#options.report.failed(pending.header.name, error)
    pending.stop.abort(error)
    pending.record?.close()
  }

  /** Reports that this side gives up the entry, unless the entry was refused before: then the refusal was reported. */
  fail(pending: Pending, error: TransferError): void {
    if (this.withdraw(pending)) this.#options.report.failed(pending.header.name, error)
    pending.record?.close()
  }

  /** Called when no more answers come. */
  close(): void {
    for (const { record } of this.#pending.values()) record?.close()
  }
}
