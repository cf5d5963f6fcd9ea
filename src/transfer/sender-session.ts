/**
 * A sending transfer over one link: sends entry after entry without waiting between them, and reads the receiver's
 * answers at the same time. It makes no difference which side has dialled.
 */
import { asTransferError, TransferError } from '../errors.js'
import type { AnswerMessage, SenderLink } from '../links/link.js'
import type { Entry, OpenDirectory, OpenEntry } from '../sources/source.js'
import { Answers, type Pending } from './answers.js'
import type { Algorithm } from './digest.js'
import { Motion } from './motion.js'
import { sendEntry } from './outflow.js'
import { Pump } from './pump.js'
import type { Sender } from './sender.js'
import type { Session, TransferResult } from './session.js'

/** The error for an entry that is given up to be sent again with another digest. */
const otherDigest = new TransferError('incomplete', 'the receiver needs another digest', {
  reason: 'unverifiable',
  peerMessage: 'it is sent again with the digest that you compute',
})

export class SenderSession implements Session {
  readonly #sender: Sender
  readonly #link: SenderLink
  readonly motion: Motion
  readonly #answers: Answers
  readonly #pump: Pump
  #entries = 0
  /** The entry that was begun last. */
  #latest: Entry | null = null
  /** The same entry, once it is open. */
  #current: Pending | null = null
  #isOpening = false
  #isFinished = false
  /** True after the last answer. Nothing that happens later changes the outcome of the transfer. */
  #isAnswered = false
  /** The error with which `fail` ended the link. */
  #stopped: TransferError | null = null
  /** The digest algorithm that the receiver computes, according to its greeting. */
  #algorithm: Algorithm = 'blake3'
  /** What the receiver can do, according to its greeting. */
  #features: readonly string[] = []
  readonly #greeting: Promise<void>
  #onGreeted!: () => void
  /** Ends the wait for the next answer. */
  #onAnswered = () => {}

  constructor(sender: Sender, link: SenderLink) {
    this.#sender = sender
    this.#link = link
    this.motion = new Motion(() => link.blocked)
    const { report, allowUnverified } = sender
    this.#answers = new Answers({ report, allowUnverified, onUnverifiable: (pending) => this.#sendAgain(pending) })
    this.#pump = new Pump(link, sender.rate)
    this.#greeting = new Promise((resolve, reject) => {
      this.#onGreeted = resolve
      link.signal.addEventListener('abort', () => reject(link.signal.reason))
    })
    this.#greeting.catch(() => {})
  }

  fail(error: TransferError): void {
    this.#stopped = error
    this.#link.fail(error)
  }

  /** Sends all entries. Settles when every entry has its answer or the link has ended. */
  async run(): Promise<TransferResult> {
    const link = this.#link
    link.signal.addEventListener('abort', () => {
      this.#current?.stop.abort(link.signal.reason)
      this.#onAnswered()
    })
    const directions = [this.#send(), this.#readAnswers()]
    try {
      await Promise.all(directions)
      await link.close()
    } catch (error) {
      link.fail(asTransferError(error))
      await Promise.allSettled(directions)
      await link.closed
      if (!this.#isAnswered || this.#answers.isUnreported) this.#onFailure(asTransferError(error))
    }
    this.#answers.close()
    return this.#sender.report.result
  }

  async #send(): Promise<void> {
    await this.#link.open()
    if (this.#sender.waitsForGreeting) await this.#greeting
    for (let entry = await this.#sender.next(); entry; entry = await this.#next())
      await this.motion.during(this.#sendEntry(entry))
    await this.#link.finish(this.#entries)
    this.#isFinished = true
    this.#stopIfDone()
  }

  /**
   * Returns the next entry to send, or undefined at the end. A receiver that does not compute BLAKE3 may refuse entries
   * that were sent before its greeting came. They must be sent again. So the end waits for the greeting, and then for
   * such answers.
   */
  async #next(): Promise<Entry | undefined> {
    const sender = this.#sender
    await sender.report.untilDrained(this.#link.signal)
    if (sender.isExhausted && !this.#isSettled) await this.#greeting
    while (sender.isExhausted && this.#algorithm !== 'blake3' && this.#answers.isWaiting) {
      this.#link.signal.throwIfAborted() // It may have failed together with the greeting: no answer would come.
      await new Promise<void>((resolve) => {
        this.#onAnswered = resolve
      })
    }
    return await sender.next()
  }

  /** True once every entry has its outcome. */
  get #isSettled(): boolean {
    return this.#sender.isExhausted && !this.#isOpening && !this.#answers.isWaiting
  }

  /** Sends one entry. An error of its source fails no other entry. */
  async #sendEntry(entry: Entry): Promise<void> {
    const stop = new AbortController()
    const opened = await this.#open(entry, stop.signal)
    if (!opened) return
    const [number, algorithm, start] = [this.#entries++, this.#algorithm, performance.now()]
    const { header } = opened
    const pending: Pending = { number, entry, header, start, algorithm, stop, progress: null, sent: null, record: null }
    this.#answers.expect(pending)
    this.#current = pending
    this.#isOpening = false
    const { report, expect } = this.#sender
    const beforeData = (pending: Pending) => this.#beforeData(pending)
    try {
      const steps = { link: this.#link, pump: this.#pump, report, expect, features: this.#features, beforeData }
      await sendEntry(steps, pending, opened)
    } catch (error) {
      this.#link.signal.throwIfAborted()
      if (!this.#link.abort) throw error
      await this.#link.abort(number, asTransferError(error))
      this.#answers.fail(pending, asTransferError(error))
    } finally {
      await opened.close()
    }
  }

  /** A receiver that does not know the feature could only break off the connection. */
  async #checkFeature({ label }: Entry, feature: string): Promise<void> {
    await this.#greeting
    if (this.#features.includes(feature)) return
    const text = `${label}: the receiver takes no ${feature}; update it, or send an archive: tar -c DIR | tcp-send --name dir.tar - HOST PORT`
    throw new TransferError('refused', text, { reason: 'policy' })
  }

  async #open(entry: Entry, signal: AbortSignal): Promise<OpenEntry | OpenDirectory | null> {
    this.#latest = entry
    this.#isOpening = true
    try {
      if (entry.feature !== undefined) await this.#checkFeature(entry, entry.feature)
      return await entry.open(signal)
    } catch (error) {
      // The end of a plain link would look like the end of an empty file.
      if (!this.#link.abort) throw error
      this.#sender.failUnopened(entry, error)
      this.#isOpening = false
      return null
    }
  }

  async #beforeData(pending: Pending): Promise<void> {
    if (!pending.entry.isOnce) return
    // An entry that can be read only once cannot be sent again with another digest.
    await this.#greeting
    pending.algorithm = this.#algorithm
  }

  /** Reports that the link has failed with `error`. A connection that came and went without a byte is not reported. */
  #onFailure(error: TransferError): void {
    const { report } = this.#sender
    const { admitted } = report.result
    const isStray = !admitted && !this.#link.hasHeard && error.reason === 'broken'
    // The error that ends this side is reported once, and not for every connection that is no transfer. A connection that
    // is refused as one too many is reported.
    const isEnding = error === this.#stopped && !admitted && error.reason !== 'busy'
    // Over a plain link, the failure belongs to its only entry.
    const name = this.#link.abort ? undefined : this.#latest?.name
    if (isStray || isEnding) report.fail(error)
    else report.failed(name, this.#link.explain(error))
  }

  async #readAnswers(): Promise<void> {
    await this.#link.receive((message) => {
      if (this.#isAnswered) return undefined
      this.#onMessage(message)
      this.#isAnswered = this.#isSettled
      this.#stopIfDone()
      const { reporting } = this.#answers
      return reporting && this.motion.during(reporting)
    })
    await this.#answers.reporting
    if (!this.#isSettled) {
      const text = 'the receiver closed the connection before it confirmed everything'
      throw new TransferError('incomplete', text, { reason: 'broken', peerMessage: 'the answers ended too early' })
    }
  }

  #stopIfDone(): void {
    if (this.#isFinished && this.#isSettled) this.#link.stopReceiving()
  }

  #onMessage(message: AnswerMessage): void {
    if (message.frame === 'heartbeat') this.motion.heard(`${message.entry} ${message.bytes}`)
    else this.motion.moved()
    switch (message.frame) {
      case 'greeting':
        this.#onGreeting(message)
        break
      case 'stored':
        this.#answers.onStored(message)
        break
      case 'refused':
        this.#answers.onRefused(message)
        break
      case 'heartbeat':
        this.#answers.onProgress(message.entry ?? -1, message.bytes ?? 0)
    }
    this.#onAnswered()
  }

  #onGreeting({ digest, features }: AnswerMessage & { frame: 'greeting' }): void {
    this.#features = features
    this.motion.hasBegun = true
    this.#sender.admit()
    if (digest === 'sha256') this.#algorithm = digest
    if (this.#current?.sent === null) this.#sendAgain(this.#current)
    this.#onGreeted()
  }

  /**
   * Sends the entry again if the receiver computes another digest. Returns false if it does not, or if the entry can be
   * read only once.
   */
  #sendAgain(pending: Pending): boolean {
    const { entry, algorithm, stop } = pending
    if (entry.isOnce || algorithm === this.#algorithm || !this.#answers.withdraw(pending)) return false
    this.#sender.sendAgain(entry)
    stop.abort(otherDigest)
    return true
  }
}
