/**
 * A receiving transfer over one link: takes one entry after the other, and answers each. It makes no difference which
 * side has dialled. The peer is not trusted: the decoder checks order and sizes, the policy checks everything else.
 */
import { Motion } from '../access/motion.js'
import { asTransferError, refusal, TransferError } from '../errors.js'
import type { EntryMessage, HeaderMessage, ReceiverLink } from '../links/link.js'
import type { Heartbeat, SenderMessage } from '../protocol/messages.js'
import { printable } from '../text.js'
import type { Algorithm } from './digest.js'
import { Intake, type Taken } from './intake.js'
import type { Receiver } from './receiver.js'
import { abortError } from './remote-error.js'
import type { Repeat } from './repeat.js'
import type { Returning } from './returns.js'
import { type Broken, isBreak, isUnfinished, isUnreported, type Session, type TransferResult } from './session.js'
import { TreeIntake } from './tree-intake.js'
import type { ReceiverTrunk } from './trunk.js'

/** An entry on its way in: a file or message, or a directory. */
type OfFile = Intake | Repeat
type OfDirectory = TreeIntake | Repeat
type Current = OfFile | OfDirectory

export class ReceiverSession implements Session, Returning {
  readonly #receiver: Receiver
  readonly #link: ReceiverLink
  readonly #trunk: ReceiverTrunk | undefined
  readonly motion = new Motion()
  closed: Promise<void> = Promise.resolve()
  /** Null between entries, and during an entry that was refused, whose other bytes are dropped. */
  #current: Current | null = null
  #entries = 0
  /** The digest algorithm that the sender computes. */
  #algorithm: Algorithm = 'blake3'
  broken: Broken | null = null
  /** The error that was passed to `fail`. */
  #stopped: TransferError | null = null
  readonly ended: Promise<void>
  #onEnded!: () => void

  /** @param createLink creates the link, which calls `progress` for the progress of the current entry */
  constructor(receiver: Receiver, createLink: (progress: () => Heartbeat) => ReceiverLink, trunk?: ReceiverTrunk) {
    this.#receiver = receiver
    this.#trunk = trunk
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve
    })
    this.#link = createLink(() => (this.#current ? { entry: this.#current.entry, bytes: this.#current.bytes } : {}))
  }

  fail(error: TransferError): void {
    this.#stopped = error
    this.#link.fail(error)
    if (this.#current instanceof Intake) void this.#current.stop()
  }

  async run(): Promise<TransferResult> {
    const link = this.#link
    this.#receiver.join(link.signal)
    try {
      // Without the protocol, every connection counts as a sender.
      if (link.entryName !== undefined) this.#receiver.admit()
      await link.receive((message) => this.#onMessage(message))
      await this.#receiver.reporting
      if (!this.isLane) this.#receiver.finish()
      void link.close()
    } catch (error) {
      await this.#receiver.reporting.catch(() => {})
      await this.#lose(asTransferError(error))
    } finally {
      this.#trunk?.end()
      this.closed = link.closed.then(() => this.#receiver.leave(link.signal))
      this.#onEnded()
    }
    return this.#receiver.report.result
  }

  async #lose(failure: TransferError): Promise<void> {
    this.#link.fail(failure)
    const current = this.#current
    const kept = await this.#drop(isUnfinished(failure))
    if (current) this.#receiver.lost = { name: current.header.name, kept, bytes: kept ? current.bytes : 0 }
    if (!isBreak(failure) || failure === this.#stopped || !this.#receiver.isResumable) return this.#report(failure)
    const progress = this.#receiver.report.result.bytes + this.#receiver.lost.bytes
    this.broken = { error: failure, progress, giveUp: (last) => this.#report(last) }
  }

  isTaking(origin: string): boolean {
    return this.#current !== null && this.#receiver.originOf(this.#current.header) === origin
  }

  get signal(): AbortSignal {
    return this.#link.signal
  }

  get isLane(): boolean {
    return this.#link.isLane === true
  }

  #onMessage(message: EntryMessage): void | Promise<void> {
    this.motion.moved()
    const { signal } = this.#link
    const working = this.#handle(message)
    const paced = message.frame === 'data' ? this.#receiver.rate?.take(message.bytes.length, signal) : undefined
    const waiting = paced ? Promise.all([working, paced]) : working
    // What follows an entry is read at once: a sender that has all answers ends, and waits for nobody.
    const reported = async () => (message.frame === 'end' ? undefined : await this.#receiver.untilReported(signal))
    return waiting && this.motion.during(waiting.then(reported))
  }

  #handle(message: EntryMessage): void | Promise<void> {
    switch (message.frame) {
      case 'data':
        return this.#with((current) => current.take(message.bytes, message.wire))
      case 'greeting':
        if (message.digest === 'sha256') this.#algorithm = message.digest
        this.#trunk?.onGreeting(message)
        return message.transfer === undefined ? undefined : this.#receiver.arrive(message.transfer, this)
      case 'bundle':
        return this.#trunk?.begin({ link: this.#link, motion: this.motion }, message.connections)
      case 'digests':
        return this.#with(async (current) => {
          if (await (current as OfFile).compare(message)) await this.#want(current as OfFile)
        })
      case 'position':
        return this.#with((current) => (current as OfFile).place(message.offset))
      case 'header':
        return this.#onHeader(message)
      case 'end':
        return this.#onEnd(message)
      case 'abort':
        return this.#onAbort(message)
    }
  }

  async #onHeader(header: HeaderMessage): Promise<void> {
    const entry = this.#entries++
    this.motion.hasBegun = true
    this.#receiver.countEntry()
    await this.#receiver.untilReported(this.#link.signal)
    try {
      await this.#receiver.waitFor(header, this)
      // The sender is admitted before anything is refused: the sender of an unwanted file is still a sender.
      this.#receiver.admit()
      this.#current = await this.#receiver.begin(entry, header, this.#algorithm, this.#link.turn)
    } catch (error) {
      await this.#refuse(entry, header.name, error)
    }
    const current = this.#current
    if (header.resume === 'list') await this.#with((tree) => this.#link.list?.(entry, (tree as OfDirectory).list()))
    else if (current && header.resume && (current as OfFile).isKnown) await this.#want(current as OfFile)
  }

  /** Tells the sender what is wanted of a file. */
  async #want(current: OfFile): Promise<void> {
    await this.#link.want?.({ entry: current.entry, ...current.want() })
  }

  /** Does something with the current entry, if there is one. It is refused if that fails. */
  #with(work: (current: Current) => void | Promise<void>): void | Promise<void> {
    const current = this.#current
    if (!current) return
    try {
      return work(current)?.catch((error) => this.#giveUp(current, error))
    } catch (error) {
      return this.#giveUp(current, error)
    }
  }

  async #onEnd(end: EntryMessage & { frame: 'end' }): Promise<void> {
    const current = this.#current
    if (!current) return
    let taken: Taken | undefined
    try {
      taken = await current.finish(end)
      this.#current = null
      // What `onEvent` throws refuses a file. A directory is confirmed first, so that the sender need not wait until all
      // of its files are reported.
      if (!taken.record) this.#receiver.onTaken(current as Intake, taken)
      await this.#answer(current, taken)
    } catch (error) {
      await this.#giveUp(current, error)
    } finally {
      // It is stored, also if the sender has gone and cannot hear of it.
      if (taken?.record) this.#receiver.onTaken(current as TreeIntake, taken)
    }
  }

  async #answer(current: Current, { name, bytes, blake3, sha256, skipped, reused }: Taken): Promise<void> {
    const { entry, header } = current
    if (skipped?.count) {
      // The sender must know that not all of its files are stored. The skipped ones are reported.
      const text = `it had ${skipped.count} of the names in "${printable(header.name, 80)}" and skipped them; the others are stored`
      return await this.#link.refuse?.(entry, refusal('skipped', text))
    }
    const answer = { entry, name, bytes, blake3, ...(sha256 === null ? {} : { sha256 }), ...(reused ? { reused } : {}) }
    this.#receiver.remember(header.id ?? entry, answer)
    await this.#link.confirm(answer)
  }

  async #onAbort({ entry, reason, message }: SenderMessage & { frame: 'abort' }): Promise<void> {
    const current = this.#current
    if (entry !== null && !current) return
    const error = abortError(reason, message)
    if (entry === null || !current) throw error
    // Of a file that has changed, nothing can go on.
    const kept = await this.#drop(current instanceof TreeIntake || reason !== 'changed')
    this.#receiver.report.notStored(current.header.name, error, kept)
  }

  /** Refuses an entry that cannot be stored. */
  async #giveUp({ entry, header }: Current, error: unknown): Promise<void> {
    // If the link has failed, that failure is reported with the name of the entry.
    this.#link.signal.throwIfAborted()
    // The link must fail before anything is waited for: its end, if it came first, would look like success.
    if (!this.#link.refuse) throw error
    const isDamaged = error instanceof TransferError && error.reason === 'damaged'
    await this.#drop(isDamaged)
    if (!isDamaged) return await this.#refuse(entry, header.name, error)
    this.#receiver.awaitAgain(header, error)
    await this.#link.refuse?.(entry, error)
  }

  /** Refuses an entry. If the link has failed, only that failure is reported. */
  async #refuse(entry: number, name: string, cause: unknown): Promise<void> {
    this.#link.signal.throwIfAborted()
    if (!this.#link.refuse) throw cause
    const error = asTransferError(cause)
    this.#receiver.report.notStored(name, error)
    await this.#link.refuse(entry, error)
  }

  /** Ends the current entry. What has come of it can be kept. Returns its path in that case. */
  async #drop(keeps = false): Promise<string | null> {
    const current = this.#current
    this.#current = null
    if (keeps && current) return await current.keep()
    await current?.discard()
    return null
  }

  /** Reports that the link has failed with `error`. */
  #report(error: TransferError): void {
    const { report, lost } = this.#receiver
    const { name = report.result.admitted ? this.#link.entryName : undefined, kept } = lost
    if (isUnreported(report.result, this.#link, error, this.#stopped)) report.fail(error)
    else report.notStored(name, this.#link.explain(error), kept)
  }
}
