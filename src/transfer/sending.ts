/**
 * The way out of all entries over one link: one after the other, without waiting for answers between them. The session
 * reads the answers at the same time (sender-session.ts).
 */
import type { Motion } from '../access/motion.js'
import { asTransferError, TransferError } from '../errors.js'
import type { SenderLink } from '../links/link.js'
import { isLocalPeer } from '../net/address.js'
import type { ReceiverGreeting, Wanted } from '../protocol/messages.js'
import type { Entry, OpenDirectory, OpenEntry } from '../sources/source.js'
import { Answers, newPending, type Pending } from './answers.js'
import { Compression } from './compression.js'
import type { Algorithm } from './digest.js'
import { checkFeature, sendEntry } from './outflow.js'
import { Pump } from './pump.js'
import type { Sender } from './sender.js'
import type { SenderTrunk } from './trunk.js'

/** The error for an entry that is given up to be sent again in another way. */
const otherWay = new TransferError('incomplete', 'the receiver needs it in another way', {
  reason: 'unverifiable',
  peerMessage: 'it is sent again with the digest that you compute',
})

export class Sending {
  readonly answers: Answers
  /** What the receiver can do, according to its greeting. */
  features: readonly string[] = []
  readonly #sender: Sender
  readonly #link: SenderLink
  readonly #motion: Motion
  readonly #trunk: SenderTrunk | undefined
  readonly #pump: Pump
  readonly #compression: Compression
  #entries = 0
  /** The entry that was begun last. */
  latest: Entry | null = null
  /** The same entry, once it is open. */
  #current: Pending | null = null
  #isOpening = false
  /** The digest algorithm that the receiver computes, according to its greeting. */
  #algorithm: Algorithm = 'blake3'
  readonly #greeting: Promise<void>
  #onGreeted!: () => void
  /** Ends the wait for the next answer. */
  onAnswered = () => {}

  constructor(sender: Sender, link: SenderLink, motion: Motion, trunk?: SenderTrunk) {
    this.#trunk = trunk
    this.#sender = sender
    this.#link = link
    this.#motion = motion
    const { report, allowUnverified } = sender
    this.answers = new Answers({
      report,
      allowUnverified,
      onUnverifiable: (pending, reason) => this.#sendAgain(pending, reason),
    })
    this.#compression = new Compression(sender.compress, isLocalPeer(sender.report.peer))
    this.#pump = new Pump(link, sender.rate, this.#compression)
    this.#greeting = new Promise((resolve, reject) => {
      this.#onGreeted = resolve
      link.signal.addEventListener('abort', () => {
        reject(link.signal.reason)
        this.#current?.stop.abort(link.signal.reason)
        this.onAnswered()
      })
    })
    this.#greeting.catch(() => {})
  }

  /** Sends everything, and ends this direction. */
  async run(): Promise<void> {
    const { transfer, waitsForGreeting } = this.#sender
    const bundle = this.#trunk?.name
    await this.#link.open({
      ...(transfer === undefined ? {} : { transfer }),
      ...(bundle === undefined ? {} : { bundle }),
    })
    if (waitsForGreeting || this.#trunk) await this.#greeting
    if (this.#link.isLane) return
    for (let entry = await this.#sender.next(); entry; entry = await this.#next())
      await this.#motion.during(this.#sendEntry(entry))
    await this.#link.finish(this.#entries)
  }

  /**
   * Returns the next entry to send, or undefined at the end. A receiver that does not compute BLAKE3 may refuse entries
   * that were sent before its greeting came, and what a receiver has kept of a file may be damaged. They must be sent
   * again. So the end waits for the greeting, and then for such answers.
   */
  async #next(): Promise<Entry | undefined> {
    const sender = this.#sender
    await sender.report.untilDrained(this.#link.signal)
    if (sender.isExhausted && !this.isSettled) await this.#greeting
    while (sender.isExhausted && (this.#algorithm !== 'blake3' || this.answers.mayReturn) && this.answers.isWaiting) {
      this.#link.signal.throwIfAborted() // It may have failed together with the greeting: no answer would come.
      await new Promise<void>((resolve) => {
        this.onAnswered = resolve
      })
    }
    return await sender.next()
  }

  /** True once every entry has its outcome. */
  get isSettled(): boolean {
    return this.#sender.isExhausted && !this.#isOpening && !this.answers.isWaiting
  }

  /** Sends one entry. An error of its source fails no other entry. */
  async #sendEntry(entry: Entry): Promise<void> {
    const stop = new AbortController()
    const opened = await this.#open(entry, stop.signal)
    if (!opened) return
    try {
      // How a file is sent that the receiver may have in part depends on what it can do.
      if (opened.header.source !== undefined) await this.#greeting
      await this.#sendOpened(entry, opened, stop)
    } finally {
      await opened.close()
    }
  }

  async #sendOpened(entry: Entry, opened: OpenEntry | OpenDirectory, stop: AbortController): Promise<void> {
    const [number, algorithm] = [this.#entries++, this.#algorithm]
    const header = this.#sender.headerFor(entry, number, opened.header, this.features)
    const pending = newPending({ number, entry, header, algorithm, stop })
    this.answers.expect(pending)
    this.#current = pending
    this.#isOpening = false
    const { report, expect } = this.#sender
    const [link, pump, features] = [this.#link, this.#pump, this.features]
    const beforeData = () => this.#beforeData(pending)
    const wanted = () => this.#wanted(pending)
    const listed = () => this.#motion.apart(pending.listed)
    try {
      await sendEntry({ link, pump, report, expect, features, beforeData, wanted, listed }, pending, opened)
    } catch (error) {
      this.#link.signal.throwIfAborted()
      if (!this.#link.abort) throw error
      await this.#link.abort(number, asTransferError(error))
      this.answers.fail(pending, asTransferError(error))
    }
  }

  async #open(entry: Entry, signal: AbortSignal): Promise<OpenEntry | OpenDirectory | null> {
    this.latest = entry
    this.#isOpening = true
    try {
      if (entry.feature !== undefined) {
        await this.#greeting
        checkFeature(entry, entry.feature, this.features)
      }
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

  async #wanted({ entry, wanted }: Pending): Promise<Wanted> {
    const { report } = this.#sender
    const answer = await this.#motion.apart(wanted)
    const text = `${entry.label} has changed since a part of it was sent, so all of it is sent`
    if (answer.changed) report.warn('changed', text)
    this.#sender.noteWanted(entry, answer.ranges)
    return answer
  }

  /** The entries that have been begun and not answered. */
  underWay(): Entry[] {
    const entries = this.answers.unanswered.map(({ entry }) => entry)
    return this.#isOpening && this.latest ? [...entries, this.latest] : entries
  }

  onGreeting(greeting: ReceiverGreeting): void {
    const [link, motion] = [this.#link, this.#motion]
    if (!this.#trunk?.onGreeting(greeting, { link, motion })) this.#begin(greeting)
    this.#onGreeted()
  }

  #begin({ digest, features }: ReceiverGreeting): void {
    this.#sender.admit()
    this.features = features
    this.#sender.onGreeting(features)
    if (!this.#compression.choose(features)) this.#sender.onUncompressed()
    if (digest === 'sha256') this.#algorithm = digest
    if (this.#current?.sent === null) this.#sendAgain(this.#current)
  }

  /**
   * Sends the entry again if the receiver computes another digest, or what it kept of a file is damaged. Returns false if
   * that makes no sense.
   */
  #sendAgain(pending: Pending, reason: 'unverifiable' | 'damaged' = 'unverifiable'): boolean {
    const { entry, algorithm, stop, header } = pending
    const isDamaged = reason === 'damaged' && header.resume !== undefined && this.#sender.isFirst(entry)
    if (!isDamaged && (entry.isOnce || algorithm === this.#algorithm)) return false
    if (!this.answers.withdraw(pending)) return false
    this.#sender.sendAgain(entry, isDamaged ? 'compare' : undefined)
    const text = `${entry.label}: what the receiver had kept of it is damaged; sending again what differs`
    if (isDamaged) this.#sender.report.warn('damaged', text)
    stop.abort(otherWay)
    return true
  }
}
