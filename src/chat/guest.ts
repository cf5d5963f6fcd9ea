/** The side of a conversation that has dialled. */
import type { Entered, Entrance } from '../access/entrance.js'
import { interruption, type TransferError } from '../errors.js'
import { keyFacts } from '../event-values.js'
import { peerAddress } from '../net/address.js'
import { dial } from '../net/dial.js'
import { type Greeting, type Message, Outgoing } from './chat-protocol.js'
import { linesOf } from './lines.js'
import { Member } from './member.js'
import { TALK_PACE } from './pace.js'
import type { Report } from './report.js'
import type { Talk, TalkOptions, TalkSummary } from './talk.js'

export interface GuestOptions extends TalkOptions {
  host: string
  wait: number
  plain: boolean
  entrance: Entrance | undefined
}

/** Connects. Throws a TransferError if it cannot, or if the other side does not take it. */
export async function dialTalk(options: GuestOptions, report: Report): Promise<Talk> {
  const { wait, entrance } = options
  const onWaiting = ({ message }: TransferError) => {
    report.emit({ event: 'notice', message: `${message}; trying again for up to ${wait / 1000} seconds` })
  }
  const dialling = { ...options, partner: 'chat' as const, isSecure: entrance !== undefined, onWaiting }
  const { socket } = await dial(dialling)
  const peer = peerAddress(socket)
  const entered = entrance ? await entrance.dialled(socket, dialling) : { socket }
  const guest = new Guest(options, report, entered, peer)
  await guest.answered
  return guest
}

class Guest implements Talk {
  readonly address = null
  readonly #report: Report
  readonly #member: Member
  readonly #entered: Entered
  readonly #peer: string
  readonly #timeout: number
  /** The names of the other side and of this one. */
  #of: string
  #you: string
  readonly #asked: ((names: string[]) => void)[] = []
  #hasAnswered = false
  /** True once this side has left first. */
  #hasLeft = false
  #isOver = false
  /** Resolves when the other side has answered. Rejects if it does not. */
  readonly answered: Promise<void>
  #onAnswered!: () => void

  constructor({ plain, name, timeout, signal }: GuestOptions, report: Report, entered: Entered, peer: string) {
    this.#report = report
    this.#entered = entered
    this.#peer = peer
    this.#timeout = timeout
    this.#of = peer
    this.#you = name
    this.#member = new Member(entered.socket, {
      dials: { kind: plain ? 'plain' : 'native', name },
      timeout,
      pace: TALK_PACE,
      onGreeting: (greeting) => this.#onGreeting(greeting),
      onMessage: (message) => this.#onMessage(message),
    })
    report.onFault = (error) => this.#member.fail(error)
    this.answered = new Promise((resolve, reject) => {
      this.#onAnswered = resolve
      void this.#run(signal).then(reject)
    })
  }

  get finished(): Promise<TalkSummary> {
    return this.#report.finished
  }

  /** Runs to the end. Returns the failure. */
  async #run(signal: AbortSignal): Promise<TransferError | null> {
    const interrupt = () => this.#member.fail(interruption(signal))
    signal.addEventListener('abort', interrupt)
    const failure = await this.#member.run()
    signal.removeEventListener('abort', interrupt)
    this.#isOver = true
    for (const answer of this.#asked) answer([])
    const why = failure ? { reason: failure.reason, message: failure.message } : { reason: 'left' }
    if (this.#hasAnswered && !this.#hasLeft) this.#report.emit({ event: 'left', name: this.#of, ...why })
    await this.#member.closed
    this.#report.end(failure)
    return failure
  }

  #onGreeting(greeting: Greeting | null): void {
    if (greeting) {
      this.#you = greeting.name
      this.#of = greeting.of ?? this.#peer
    }
    const { key } = keyFacts(this.#entered.key)
    this.#report.emit({
      event: 'joined',
      name: this.#of,
      peer: this.#peer,
      ...(greeting ? { you: this.#you, room: greeting.room === true } : { plain: true }),
      ...(key === undefined ? {} : { key }),
    })
    this.#hasAnswered = true
    this.#onAnswered()
  }

  #onMessage(message: Message): Promise<void> | undefined {
    if ('say' in message) {
      this.#report.linesIn++
      return this.#report.emit({ event: 'line', from: message.from ?? this.#of, text: message.say })
    }
    if ('joined' in message) return this.#report.emit({ event: 'joined', name: message.joined })
    if ('left' in message) return this.#report.emit({ event: 'left', name: message.left, reason: 'left' })
    if ('who' in message && message.who !== true) this.#asked.shift()?.(message.who)
    return undefined
  }

  async say(text: string): Promise<boolean> {
    for (const line of linesOf(text)) {
      if (this.#isOver) return false
      this.#report.linesOut++
      await this.#member.tell(new Outgoing({ say: line }, false))
    }
    return true
  }

  async who(): Promise<string[]> {
    if (this.#isOver) return []
    if (this.#member.kind === 'plain') return [this.#of, this.#you]
    this.#member.tell(new Outgoing({ who: true }, false))
    // A listener that does not answer must not keep this side from saying or ending anything.
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve([]), this.#timeout)
      this.#asked.push((names) => {
        clearTimeout(timer)
        resolve(names)
      })
    })
  }

  sayNoMore(): void {
    this.#hasLeft = this.#member.kind === 'native'
    this.#member.leave(null)
  }

  leave(word = 'Q'): void {
    this.#hasLeft = true
    this.#member.leave(word)
  }
}
