/**
 * A receiving transfer: what it accepts, where it stores, and its result. It knows no connection. A session of it runs
 * over each link (receiver-session.ts).
 */
import { refusal, type TransferError } from '../errors.js'
import type { HeaderMessage } from '../links/link.js'
import { compressors } from '../net/compress.js'
import type { Turn } from '../net/turn.js'
import {
  DELTA,
  DIRECTORIES,
  type Header,
  KEPT,
  KEPT_DIRECTORIES,
  RESUME,
  RESUME_DIRECTORIES,
  type Stored,
} from '../protocol/messages.js'
import { messageSink } from '../stores/message-sink.js'
import type { Destination, Store } from '../stores/store.js'
import { AdoptedFiles } from './adopted-files.js'
import { type Algorithm, createDigest, EntryDigest } from './digest.js'
import { Intake, type Taken } from './intake.js'
import { checkHeader, type Policy } from './policy.js'
import { wireField } from './progress-report.js'
import type { Rate } from './rate.js'
import { Repeat } from './repeat.js'
import type { Returning, Returns } from './returns.js'
import type { TransferReport } from './transfer-report.js'
import { TreeIntake } from './tree-intake.js'
import { TreeRecord } from './tree-record.js'

export interface ReceiverOptions {
  policy: Policy
  destination: Destination
  report: TransferReport
  /** Who has proved which key (stores/store.ts). Default: nobody. */
  owner?: string | undefined
  /** True if this side connects again after a break. Default false. */
  retries?: boolean | undefined
  /** What the call remembers of transfers that may go on. Default: nothing. */
  returns?: Returns | undefined
  /** The limit of the call. */
  rate?: Rate | undefined
  /** If data may come compressed. Default `auto`: if the sender wants it. */
  compress?: 'auto' | 'never' | undefined
  /** Called at the first sign of a partner. Throws a refusal if no more transfers are wanted. */
  admit?: (() => void) | undefined
}

/** An entry that was under way when a link failed. */
export interface Lost {
  name: string | undefined
  /** The path where it is kept. Null if it is not. */
  kept: string | null
  /** The number of bytes that are kept. */
  bytes: number
}

const NOTHING: Lost = { name: undefined, kept: null, bytes: 0 }

export class Receiver {
  readonly report: TransferReport
  /** Settles when the directory that was stored last is reported. */
  reporting: Promise<void> = Promise.resolve()
  readonly rate: Rate | undefined
  readonly #options: ReceiverOptions
  readonly #owner: string
  /** The name of the transfer, if its sender may go on with it over another connection. */
  #transfer: string | undefined
  #stopped = new AbortController()
  #store: Store | null = null
  #entries = 0
  /** What was damaged and has not come again, by its origin. */
  readonly #damaged = new Map<string, { name: string; error: TransferError }>()
  /** How many links are not closed yet, and the signals of those that have not failed. */
  #links = 0
  readonly #working = new Set<AbortSignal>()
  /** The entry that was under way when the last link failed: its name, where it is kept, and how much of it. */
  lost: Lost = NOTHING

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#owner = options.owner ?? ''
    this.report = options.report
    this.rate = options.rate
  }

  /** What was kept of an entry is damaged. Its sender sends again what differs, so nothing has failed yet. */
  awaitAgain(header: Header, error: TransferError): void {
    this.#damaged.set(this.originOf(header), { name: header.name, error })
    this.report.warn('damaged', error.message)
  }

  /** The sender has finished. What was damaged and has not come again has failed. */
  finish(): void {
    for (const { name, error } of this.#damaged.values()) this.report.notStored(name, error)
  }

  /** Counts the other side as a partner from now on. */
  admit(): void {
    const { result } = this.report
    if (!result.admitted) this.#options.admit?.()
    result.admitted = true
  }

  /** The sender has named the transfer, which may have had another connection before. */
  async arrive(transfer: string, session: Returning): Promise<void> {
    this.#transfer = `${this.#owner} ${transfer}`
    await this.#options.returns?.arrive(this.#transfer, session)
  }

  /** True if the transfer can go on over another connection. */
  get isResumable(): boolean {
    return this.#options.retries === true && this.#transfer !== undefined
  }

  /** An entry was stored. The sender may not hear of it. */
  remember(id: number, answer: Stored): void {
    if (this.#transfer !== undefined) this.#options.returns?.remember(this.#transfer, id, answer)
  }

  /** Waits for a session that may have begun with the same file or directory, and keeps what it has. */
  async waitFor(header: Header, session: Returning): Promise<void> {
    if (header.source !== undefined) await this.#options.returns?.take(this.originOf(header), session)
  }

  /** What a file is known by if its sender comes back. */
  originOf({ name, source }: Header): string {
    return [this.#owner, name, source].join('\0')
  }

  /** What this receiver can do beyond version 1 of the protocol, and whether the sender may have something to go on with. */
  async features(): Promise<readonly string[]> {
    const { returns, destination, compress } = this.#options
    const always = [DIRECTORIES, ...(compress === 'never' ? [] : compressors)]
    // A stream has no place for what is kept.
    if (!destination.hasNames) return always
    const isKept = returns?.isTaking(`${this.#owner}\0`) || (await destination.hasKept(this.#owner))
    const more = [...(destination.replaces ? [DELTA] : []), ...(isKept ? [KEPT] : [])]
    return [...always, KEPT_DIRECTORIES, RESUME, RESUME_DIRECTORIES, ...more]
  }

  /** Refuses the whole transfer if it has too many files: a million headers must not cause a million answers. */
  countEntry(): void {
    const { maxFiles } = this.#options.policy
    if (this.#entries++ >= maxFiles) throw refusal('files', `it takes at most ${maxFiles} files in one transfer`)
  }

  /**
   * Prepares the way in of an entry. Throws a refusal if the policy or the store does not accept the entry, or the
   * error that prevents storing it.
   */
  async begin(
    entry: number,
    header: HeaderMessage,
    algorithm: Algorithm,
    turn: Turn,
  ): Promise<Intake | TreeIntake | Repeat> {
    const { policy, returns } = this.#options
    this.lost = NOTHING
    this.#damaged.delete(this.originOf(header))
    checkHeader(header, policy)
    const answer = this.#transfer && returns?.find(this.#transfer, header.id ?? entry)
    if (answer) return new Repeat(entry, header, answer)
    if (header.kind === 'directory') return await this.#beginTree(entry, header, turn)
    const sink = header.kind === 'message' ? messageSink(header) : await (await this.#openStore()).begin(header)
    try {
      const digest = await EntryDigest.create(algorithm)
      const progress = this.report.progress(header)
      const intake = new Intake(entry, header, { policy, sink, digest, progress })
      if (header.resume) await intake.resume(this.#stopped.signal)
      return intake
    } catch (error) {
      await sink.discard()
      throw error
    }
  }

  async #beginTree(entry: number, header: HeaderMessage, turn: Turn): Promise<TreeIntake> {
    const { policy } = this.#options
    const [digest, record] = [await createDigest(), await TreeRecord.create(header.payload as Buffer)]
    const sink = await (await this.#openStore()).beginTree(header)
    try {
      const progress = this.report.progress(header)
      const count = () => this.countEntry()
      const kept = header.resume ? await AdoptedFiles.create(sink) : null
      return new TreeIntake(entry, header, { policy, sink, digest, record, progress, turn, count, kept })
    } catch (error) {
      await sink.discard()
      throw error
    }
  }

  /** Opens the store only for the first entry that the policy accepts. */
  async #openStore(): Promise<Store> {
    this.#store ??= await this.#options.destination.open(this.#stopped.signal, this.#owner)
    return this.#store
  }

  /** Resolves when everything so far is reported. Output that nobody reads holds up the sender: it must not grow. */
  async untilReported(signal: AbortSignal): Promise<void> {
    await this.reporting
    await this.report.untilDrained(signal)
  }

  /** Reports a stored file or a received message, or begins to report what is in a directory (`reporting`). */
  onTaken({ header, start = 0 }: { header: Header; start?: number }, taken: Taken): void {
    const { bytes: size, blake3, path, text, record, skipped, isVerified: verified, resumed, wire } = taken
    const { name, type } = header
    const { isRepeated, reused } = taken
    if (isRepeated) return
    const moved = { ...(resumed ? { resumed } : {}), ...(reused ? { reused } : {}), ...wireField(wire) }
    if (record) {
      const facts = { name, path, size: record.bytes, blake3, type, ...moved, verified }
      this.reporting = this.report.storedTree(start, facts, record, skipped).finally(() => {
        record.close()
        skipped?.close()
      })
      // Whoever waits for it hears of its error.
      this.reporting.catch(() => {})
      return
    }
    const facts = { name, path, size, blake3, type, ...moved, verified }
    if (text === undefined) this.report.stored(start, facts)
    else this.report.message(text)
  }

  /** A link is used from now on. When the last one fails, every wait for the store ends. */
  join(signal: AbortSignal): void {
    if (this.#links === 0) this.#stopped = new AbortController()
    this.#links++
    this.#working.add(signal)
    signal.addEventListener('abort', () => {
      this.#working.delete(signal)
      if (this.#working.size === 0) this.#stopped.abort(signal.reason)
    })
  }

  /** A link is closed. With the last one, the store is closed. Never throws. */
  async leave(signal: AbortSignal): Promise<void> {
    this.#working.delete(signal)
    if (--this.#links > 0) return
    const store = this.#store
    this.#store = null
    await store?.close()
  }
}
