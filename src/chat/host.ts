/** The side of a conversation that listens: with one partner at a time, or with a room full of them. */
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Entered, Entrance } from '../access/entrance.js'
import { Gate } from '../access/gate.js'
import { enter } from '../access/handshake.js'
import { Places, type PlacesOptions } from '../access/places.js'
import { Refusals } from '../access/refusals.js'
import { asTransferError, interruption, refusal, type TransferError } from '../errors.js'
import { keyFacts, keysFacts } from '../event-values.js'
import { peerAddress } from '../net/address.js'
import { peerNetwork } from '../net/ip.js'
import { listen } from '../net/listen.js'
import type { Greeting, Message } from './chat-protocol.js'
import { nobodyCame } from './kind.js'
import { linesOf } from './lines.js'
import { Member } from './member.js'
import { Pacer, ROOM_PACE, TALK_PACE } from './pace.js'
import type { Report } from './report.js'
import { Room } from './room.js'
import { Seat } from './seat.js'
import type { Talk, TalkOptions, TalkSummary } from './talk.js'

export interface HostOptions extends TalkOptions, PlacesOptions {
  room: boolean
  /** True if who says a line hears it, too. */
  echo: boolean
  once: boolean
  allowFrom: readonly string[] | undefined
  entrance: Entrance | undefined
}

/** The name of a plain peer, which has said none. */
const GUEST = 'guest'

export class Host implements Talk {
  readonly #options: HostOptions
  readonly #report: Report
  readonly #room: Room
  readonly #gate: Gate
  readonly #places: Places
  /** The places of peers that have not proved a key yet. */
  readonly #doors: Places
  readonly #refusals: Refusals
  readonly #pacer: Pacer
  readonly #members = new Set<Member>()
  readonly #running = new Set<Promise<void>>()
  #connections = 0
  address: Talk['address'] = null
  /** True if the conversation ends with the partner that is there, or comes next. */
  #isLast: boolean
  #waiting: NodeJS.Timeout | undefined
  /** The lines that are missing among the events; null as long as somebody takes them. */
  #dropped: number | null = null
  #isOver = false
  #settle!: (failure: TransferError | null) => void
  readonly #ended = new Promise<TransferError | null>((resolve) => {
    this.#settle = resolve
  })
  /** What plain peers are sent at the end. */
  #word = 'Q'

  constructor(options: HostOptions, report: Report) {
    const { name, room, once, allowFrom } = options
    this.#options = options
    this.#report = report
    this.#room = new Room(name, room)
    this.#gate = new Gate(allowFrom)
    this.#places = new Places(options)
    this.#doors = new Places(options)
    this.#refusals = new Refusals(
      (event) => report.emit(event),
      (thrown) => this.#settle(asTransferError(thrown)),
    )
    this.#pacer = new Pacer(room ? ROOM_PACE : TALK_PACE)
    this.#isLast = once
    report.onFault = this.#settle
  }

  get finished(): Promise<TalkSummary> {
    return this.#report.finished
  }

  /** Listens from now on. Throws a TransferError if it cannot. */
  async open(): Promise<this> {
    const { host, port, wait, signal, entrance } = this.#options
    const server = await listen({ host, port, onConnection: (socket) => this.#track(this.#serve(socket)) })
    const { address, port: bound } = server.address() as AddressInfo
    this.address = { address, port: bound }
    this.#report.emit({ event: 'listening', ...this.address, ...keysFacts(entrance) })
    if (wait !== undefined) this.#waiting = setTimeout(() => this.#settle(nobodyCame(wait)), wait)
    void this.#run(server, signal)
    return this
  }

  async #run(server: Server, signal: AbortSignal): Promise<void> {
    const interrupt = () => this.#settle(interruption(signal))
    signal.addEventListener('abort', interrupt)
    if (signal.aborted) interrupt()
    const failure = await this.#ended
    signal.removeEventListener('abort', interrupt)
    this.#isOver = true
    clearTimeout(this.#waiting)
    server.close()
    for (const holder of this.#doors.holders) holder.fail(failure ?? refusal('busy', 'it has ended'))
    for (const member of this.#members) {
      if (failure) member.fail(failure)
      else member.leave(this.#word)
    }
    await Promise.allSettled(this.#running)
    this.#refusals.end()
    this.#report.end(failure)
  }

  #track(running: Promise<void>): void {
    this.#running.add(running)
    running.catch((error) => this.#settle(asTransferError(error))).finally(() => this.#running.delete(running))
  }

  async #serve(accepted: Socket): Promise<void> {
    const number = ++this.#connections
    const [peer, network] = [peerAddress(accepted), peerNetwork(accepted)]
    const turnedAway = ({ code, reason, message }: TransferError) => {
      if (!this.#isOver) this.#refusals.add({ event: 'refused', transfer: number, peer, code, reason, message })
    }
    const refused = this.#gate.refuses(accepted)
    if (refused) return turnedAway(refused)
    const { entrance } = this.#options
    const entered = entrance ? await enter(accepted, network, entrance, this.#doors, turnedAway) : { socket: accepted }
    if (!entered) return this.#endIfBurnt()
    if (this.#isOver) return void entered.socket.destroy()
    const seat = new Seat()
    const noPlace = this.#places.take(seat, network)
    await this.#seat(seat, entered, peer, noPlace, turnedAway)
  }

  /** Ends the conversation after too many guesses at its code, unless there is a partner. */
  #endIfBurnt(): void {
    const burnt = this.#options.entrance?.burnt
    if (burnt && this.#room.size === 0) this.#settle(burnt)
  }

  /** Runs a connection to its end. */
  async #seat(
    seat: Seat,
    entered: Entered,
    peer: string,
    noPlace: TransferError | null,
    turnedAway: (error: TransferError) => void,
  ): Promise<void> {
    const { timeout, room } = this.#options
    const member: Member = new Member(entered.socket, {
      timeout,
      pace: room ? ROOM_PACE : TALK_PACE,
      onGreeting: (greeting) => {
        seat.hasBegun = greeting !== null
        this.#admit(member, greeting, entered, peer)
      },
      onMessage: (message) => {
        seat.hasBegun = true
        return this.#onMessage(member, message)
      },
    })
    seat.member = member
    this.#members.add(member)
    if (noPlace) member.fail(noPlace)
    const failure = await member.run()
    this.#members.delete(member)
    this.#places.leave(seat)
    const name = this.#room.leave(member)
    if (name !== undefined && !this.#isOver) this.#onLeft(name, failure)
    else if (name === undefined && failure && failure.reason !== 'broken') turnedAway(failure)
    await member.closed
  }

  #admit(member: Member, greeting: Greeting | null, { key }: Entered, peer: string): void {
    const { room } = this.#options
    if (!room && this.#room.size > 0) throw refusal('busy', 'busy: it talks to somebody else')
    const name = this.#room.join(member, greeting?.name ?? GUEST)
    if (greeting) member.answer({ name, of: this.#room.host, room })
    clearTimeout(this.#waiting)
    const { key: owner } = keyFacts(key)
    const facts = { ...(greeting ? {} : { plain: true }), ...(owner === undefined ? {} : { key: owner }) }
    this.#report.emit({ event: 'joined', name, peer, ...facts })
  }

  #onLeft(name: string, failure: TransferError | null): void {
    const why = failure ? { reason: failure.reason, message: failure.message } : { reason: 'left' }
    this.#report.emit({ event: 'left', name, ...why })
    if (this.#isLast) this.#settle(failure)
  }

  #onMessage(member: Member, message: Message): Promise<void> | undefined {
    if ('who' in message && message.who === true) this.#room.tellNames(member)
    if (!('say' in message)) return undefined
    const name = this.#room.nameOf(member) as string
    this.#report.linesIn++
    this.#room.say(name, message.say, this.#options.echo ? undefined : member)
    return this.#hear(name, message.say)
  }

  /** Between two, who speaks waits until the events are taken. In a room nobody waits, and lines are left out. */
  #hear(from: string, text: string): Promise<void> | undefined {
    if (this.#dropped !== null) {
      this.#dropped++
      return undefined
    }
    const taken = this.#report.emit({ event: 'line', from, text })
    if (!taken || !this.#room.isRoom) return taken
    this.#dropped = 0
    void taken.then(() => {
      const lines = this.#dropped
      this.#dropped = null
      if (lines && !this.#isOver) this.#report.emit({ event: 'dropped', lines })
    })
    return undefined
  }

  async say(text: string): Promise<boolean> {
    for (const line of linesOf(text)) {
      if (this.#isOver || (!this.#room.isRoom && this.#room.size === 0)) return false
      this.#report.linesOut++
      const taken = this.#room.say(this.#room.host, line)
      await this.#pacer.take()
      if (!this.#room.isRoom) await taken
    }
    return true
  }

  async who(): Promise<string[]> {
    return this.#room.names
  }

  sayNoMore(): void {
    if (this.#room.isRoom) return
    this.#isLast = true
    if (this.#report.linesOut > 0) for (const member of this.#members) member.leave(null)
  }

  leave(word = 'Q'): void {
    this.#word = word
    this.#settle(null)
  }
}
