/**
 * One connection of a conversation: who the other side is, what it says and what it is told. A tcp-chat is a native
 * peer. Anything else is a plain one, such as a program of a course or netcat. The first bytes of who has dialled tell.
 */
import type { Duplex } from 'node:stream'
import { asTransferError, TransferError } from '../errors.js'
import { Channel } from '../net/channel.js'
import { HEADER_DEADLINE } from '../protocol/limits.js'
import { type Greeting, greetingLine, MAX_JSON, Outgoing, parseGreeting, parseMessage } from './chat-protocol.js'
import { endedBy, farewell, judge, type Kind, noGreeting, turnedAway } from './kind.js'
import { LineReader } from './lines.js'
import type { MemberOptions } from './member-options.js'
import { Outbox } from './outbox.js'
import { Pacer } from './pace.js'

/** How long a peer may say nothing until it counts as a plain one, in milliseconds. */
const SILENCE = 1_000

/** The pause after which text without a line break is a message of a plain peer, in milliseconds. */
const PAUSE = 100

/** How long the other side may take to end, too, in milliseconds. */
const LINGER = 1_000

const HEARTBEAT = Buffer.from('\n')
const NOTHING = Buffer.alloc(0)

export class Member {
  readonly #options: MemberOptions
  readonly #channel: Channel
  readonly #outbox: Outbox
  readonly #pacer: Pacer
  #kind: Kind | undefined
  #reader = new LineReader()
  /** What came before it was known what the peer is. */
  #first: Buffer = NOTHING
  #hasGreeted = false
  /** True once both native sides have greeted. */
  #isTalking = false
  /** True once this side has said that it leaves. */
  #hasLeft = false
  /** True if this side has left, and waits for a plain peer as long as that says something. */
  #isPatient = false
  /** True once the other side has. */
  #isGone = false
  #timer: NodeJS.Timeout | undefined
  #pause: NodeJS.Timeout | undefined
  /** The line before a pause, as long as something is done with it. */
  #paused: Promise<void> | undefined
  /** Ends the wait for what is done with a line. */
  #release = () => {}

  constructor(socket: Duplex, options: MemberOptions) {
    this.#options = options
    this.#pacer = new Pacer(options.pace)
    this.#channel = new Channel(socket, {
      timeout: options.timeout,
      farewell: (error) => (this.#hasLeft ? null : farewell(error, this.#kind, this.#isDialled, this.#isTalking)),
      heartbeat: () => (this.#isTalking ? HEARTBEAT : NOTHING),
    })
    this.#outbox = new Outbox(socket, this.#channel)
    this.#channel.signal.addEventListener('abort', () => this.#release())
  }

  /** True if this side has dialled. */
  get #isDialled(): boolean {
    return this.#options.dials !== undefined
  }

  /** Undefined until it is known. */
  get kind(): Kind | undefined {
    return this.#kind
  }

  /** Resolves when the connection is closed. */
  get closed(): Promise<void> {
    return this.#channel.closed
  }

  /** Runs until one side has left. Resolves with the failure if that was not meant. */
  async run(): Promise<TransferError | null> {
    const failure = await this.#converse().then(() => null, asTransferError)
    this.#isGone = true
    clearTimeout(this.#timer)
    clearTimeout(this.#pause)
    // One that has failed closes by itself.
    if (!this.#channel.signal.aborted) void this.#channel.close()
    return failure
  }

  async #converse(): Promise<void> {
    const { dials } = this.#options
    const receiving = this.#channel.receive(
      (bytes) => this.#take(bytes),
      () => this.#kind === 'native',
    )
    // It rejects also while this side does something else.
    receiving.catch(() => {})
    if (dials?.kind === 'plain') this.#become('plain')
    else if (dials) this.#greet(dials.name)
    else this.#timer = setTimeout(() => this.#guard(() => this.#onSilence()), SILENCE)
    await receiving
    await this.#onEnd()
  }

  /** Calls `work`. What it throws ends the connection. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.fail(asTransferError(error))
    }
  }

  /** Ends the connection with this error. The other side hears the reason. */
  fail(error: TransferError): void {
    this.#channel.fail(error)
  }

  #greet(name: string): void {
    this.#outbox.write(Buffer.from(greetingLine({ name })))
    this.#timer = setTimeout(() => this.fail(noGreeting(true)), HEADER_DEADLINE)
  }

  /** Answers the greeting of a native peer. */
  answer(greeting: Greeting): void {
    this.#isTalking = true
    this.#outbox.write(Buffer.from(greetingLine(greeting)))
  }

  /** Tells the other side. Returns a promise if much waits to be written already. */
  tell(message: Outgoing): Promise<void> | undefined {
    const bytes = this.#kind === 'native' ? message.json : message.text
    return bytes.length === 0 || this.#hasLeft || this.#isGone ? undefined : this.#outbox.write(bytes)
  }

  /**
   * Leaves: the other side is told, and its last lines are taken.
   *
   * @param word what a plain peer is sent first; null to end only this side's direction, and to wait for the other one
   */
  leave(word: string | null): void {
    const isAgain = this.#hasLeft
    if (this.#isGone || (isAgain && (!this.#isPatient || word === null))) return
    this.#isPatient = this.#kind === 'plain' && word === null
    if (!isAgain) this.#sayBye(word)
    clearTimeout(this.#timer)
    const patience = this.#isPatient ? this.#options.timeout : LINGER
    this.#timer = setTimeout(() => this.#channel.stopReceiving(), patience)
  }

  #sayBye(word: string | null): void {
    if (this.#kind === undefined) this.#outbox.write(Buffer.from(greetingLine({ bye: true })))
    else if (this.#kind === 'native') this.tell(new Outgoing({ bye: true }, false))
    else if (word !== null) this.#outbox.write(Buffer.from(`${word}\n`))
    this.#hasLeft = true
    this.#channel.finish().catch(() => {})
  }

  async #take(bytes: Buffer): Promise<void> {
    clearTimeout(this.#pause)
    if (this.#paused) await this.#untilDone(this.#paused)
    if (this.#kind) this.#reader.push(bytes)
    else {
      this.#first = Buffer.concat([this.#first, bytes])
      const kind = judge(this.#first, this.#isDialled)
      if (kind) this.#become(kind)
    }
    for (let line = this.#reader.take(); line !== null; line = this.#reader.take()) {
      const working = this.#onLine(line)
      if (working) await this.#untilDone(working)
      await this.#pacer.take()
      await this.#channel.turn.check()
      if (this.#isGone || this.#channel.signal.aborted) return
    }
    if (this.#kind === 'plain' && this.#reader.hasRest) this.#pause = setTimeout(() => this.#onPause(), PAUSE)
  }

  /** Resolves when `working` has settled, or the connection has failed. */
  #untilDone(working: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      this.#release = resolve
      working.then(resolve, resolve)
    })
  }

  #onSilence(): void {
    this.#become('plain')
    if (this.#reader.hasRest) this.#onPause()
  }

  #become(kind: Kind): void {
    clearTimeout(this.#timer)
    this.#kind = kind
    if (kind === 'native') {
      this.#reader = new LineReader(MAX_JSON)
      this.#timer = setTimeout(() => this.fail(noGreeting(this.#isDialled)), HEADER_DEADLINE)
    } else this.#options.onGreeting(null)
    this.#reader.push(this.#first)
    this.#first = NOTHING
  }

  #onLine(line: string): void | Promise<void> {
    if (this.#kind === 'plain') return this.#onText(line)
    if (!this.#hasGreeted) return this.#onGreeting(line)
    // A heartbeat.
    if (line === '') return
    const message = parseMessage(line)
    if (message === null) return
    if (!('bye' in message)) return this.#options.onMessage(message)
    if (message.bye !== true) throw endedBy(message.bye)
    this.#isGone = true
    this.#channel.stopReceiving()
  }

  #onGreeting(line: string): void {
    const greeting = parseGreeting(line)
    clearTimeout(this.#timer)
    if ('bye' in greeting) throw turnedAway(greeting.bye)
    this.#hasGreeted = true
    this.#isTalking = this.#isDialled
    this.#options.onGreeting(greeting)
  }

  #onText(line: string): void | Promise<void> {
    if (this.#isPatient) this.#timer?.refresh()
    if (!/^q$/i.test(line)) return this.#options.onMessage({ say: line })
    this.#isGone = true
    this.#channel.stopReceiving()
  }

  /** A plain peer has paused behind a text without a line break. What it says next waits for what is done with that. */
  #onPause(): void {
    this.#guard(() => {
      this.#paused = this.#onText(this.#reader.takeRest()) ?? undefined
    })
  }

  /** The other side has ended its direction, or this side waits no longer for that. */
  async #onEnd(): Promise<void> {
    if (this.#isGone || this.#hasLeft) return
    if (this.#kind !== 'plain') throw new TransferError('incomplete', 'the other side has gone without a word')
    if (this.#reader.hasRest) await this.#onText(this.#reader.takeRest())
  }
}
