/**
 * A sending transfer over one link: sends the entries (sending.ts), and reads the receiver's answers at the same time. It
 * makes no difference which side has dialled.
 */
import { Motion } from '../access/motion.js'
import { asTransferError, TransferError } from '../errors.js'
import type { AnswerMessage, SenderLink } from '../links/link.js'
import type { Sender } from './sender.js'
import { Sending } from './sending.js'
import { type Broken, isBreak, isUnreported, type Session, type TransferResult } from './session.js'
import type { SenderTrunk } from './trunk.js'

export class SenderSession implements Session {
  readonly #sender: Sender
  readonly #link: SenderLink
  readonly motion: Motion
  readonly #sending: Sending
  readonly #trunk: SenderTrunk | undefined
  #isFinished = false
  /** True after the last answer. Nothing that happens later changes the outcome of the transfer. */
  #isAnswered = false
  broken: Broken | null = null
  /** The error with which `fail` ended the link. */
  #stopped: TransferError | null = null

  /** @param trunk for a connection that can become one of a bundle */
  constructor(sender: Sender, link: SenderLink, trunk?: SenderTrunk) {
    this.#trunk = trunk
    this.#sender = sender
    this.#link = link
    this.motion = new Motion(() => link.blocked)
    this.#sending = new Sending(sender, link, this.motion, trunk)
  }

  fail(error: TransferError): void {
    this.#stopped = error
    this.#link.fail(error)
  }

  /** Sends all entries. Settles when every entry has its answer or the link has ended. */
  async run(): Promise<TransferResult> {
    const link = this.#link
    const { answers } = this.#sending
    const directions = [this.#send(), this.#readAnswers()]
    try {
      await Promise.all(directions)
      await link.close()
    } catch (error) {
      link.fail(asTransferError(error))
      await Promise.allSettled(directions)
      await link.closed
      this.#onFailure(asTransferError(error))
    }
    answers.close()
    this.#trunk?.end()
    return this.#sender.report.result
  }

  get isLane(): boolean {
    return this.#link.isLane === true
  }

  async #send(): Promise<void> {
    await this.#sending.run()
    if (this.isLane) return
    this.#isFinished = true
    this.#stopIfDone()
  }

  /**
   * True if what is unanswered can be sent again, by a receiver that knows what it has stored. A peer that breaks a
   * connection without a word has confirmed nothing.
   */
  #canGoOn(error: TransferError): boolean {
    if (!isBreak(error) || error === this.#stopped || this.#isAnswered) return false
    return this.#sender.isResumable || (this.#sender.insists && error.reason === 'broken' && !this.#link.hasHeard)
  }

  #onFailure(error: TransferError): void {
    const { answers } = this.#sending
    if (this.#canGoOn(error)) this.#takeBack(error)
    else if (!this.#isAnswered || answers.isUnreported) this.#report(error)
  }

  #takeBack(error: TransferError): void {
    const entries = this.#sending.underWay()
    const once = entries.find(({ isOnce }) => isOnce)
    if (once) {
      this.#report(error.withMessage(`${error.message}; ${once.label} can be read only once, so it cannot go on`))
      return
    }
    this.broken = { error, progress: this.#sender.progress, giveUp: (last) => this.#report(last) }
    this.#sender.takeBack(entries)
  }

  /** Reports that the link has failed with `error`. A connection that came and went without a byte is not reported. */
  #report(error: TransferError): void {
    const { report } = this.#sender
    // Over a plain link, the failure belongs to its only entry.
    const name = this.#link.abort ? undefined : this.#sending.latest?.name
    if (isUnreported(report.result, this.#link, error, this.#stopped)) report.fail(error)
    else report.failed(name, this.#sender.isResumable ? error : this.#link.explain(error))
  }

  async #readAnswers(): Promise<void> {
    await this.#link.receive((message) => {
      if (this.#isAnswered) return undefined
      this.#onMessage(message)
      this.#isAnswered = this.#sending.isSettled
      this.#stopIfDone()
      const { reporting } = this.#sending.answers
      return reporting && this.motion.during(reporting)
    })
    if (this.isLane) return
    await this.#sending.answers.reporting
    if (!this.#sending.isSettled) {
      const text = 'the receiver closed the connection before it confirmed everything'
      throw new TransferError('incomplete', text, { reason: 'broken', peerMessage: 'the answers ended too early' })
    }
  }

  #stopIfDone(): void {
    if (this.#isFinished && this.#sending.isSettled) this.#link.stopReceiving()
  }

  #onMessage(message: AnswerMessage): void {
    const { answers } = this.#sending
    if (message.frame === 'heartbeat') this.motion.heard(`${message.entry} ${message.bytes}`)
    else this.motion.moved()
    switch (message.frame) {
      case 'greeting':
        this.#onGreeting(message)
        break
      case 'stored':
        this.#sender.progress++
        answers.onStored(message)
        break
      case 'refused':
        answers.onRefused(message)
        break
      case 'wanted':
        answers.onWanted(message)
        break
      case 'listed':
        answers.onListed(message)
        break
      case 'heartbeat':
        answers.onProgress(message.entry ?? -1, message.bytes ?? 0)
    }
    this.#sending.onAnswered()
  }

  #onGreeting(greeting: AnswerMessage & { frame: 'greeting' }): void {
    this.motion.hasBegun = true
    this.#sending.onGreeting(greeting)
  }
}
