/**
 * A bundle: one stream in each direction, over several connections. A link uses it like a socket. The stream is cut into
 * blocks, each connection takes the next one when it has room, and the other side puts them in order. It holds no more
 * of them than it has allowed. If a connection breaks, its blocks go over the others. If one is late, so that the others
 * have nothing to do, they send its oldest block once more (RFC 8684, 3.3.6, of Multipath TCP, calls it reinjection).
 */
import { Duplex } from 'node:stream'
import type { TransferError } from '../errors.js'
import { Incoming } from './bundle-in.js'
import { type Block, Outgoing } from './bundle-out.js'
import type { Lane, LaneOwner } from './lane.js'
import { Ready } from './ready.js'
import { type Reserved, reserve, SMALLEST_WINDOW } from './window.js'

/** How often the bundle looks for late blocks, in milliseconds. */
const LOOK = 100

/** A block is late after this time, in milliseconds, if the connections are quick, and more if they are not. */
const LATE = 50

/** The most bytes that are sent once more: so many, and this share of what has arrived. */
const REPEATED = { first: 4 * 1024 * 1024, share: 0.02 }

type Callback = (error?: Error | null) => void

export class Bundle extends Duplex implements LaneOwner {
  readonly #lanes = new Set<Lane>()
  /** Those of them that are known to be in the bundle on both sides. */
  readonly #joined = new Set<Lane>()
  readonly #outgoing: Outgoing
  readonly #incoming: Incoming
  readonly #windows: readonly Reserved[]
  /** What has come in order, and was not read. */
  readonly #ready = new Ready()
  #isWanted = false
  /** The number of bytes that were read. */
  #read = 0
  /** Set once this side has nothing more to write. */
  #onFinal: Callback | null = null
  #hasEnded = false
  #hasPassedEnd = false
  readonly #clock: NodeJS.Timeout
  /** How long a block has needed to arrive, on average, in milliseconds. */
  #latency = 0
  /** The largest number of connections so far that both sides had. */
  most = 0
  /** How many connections there were or are meant to be. */
  expected = 1
  /** Called if the other side wants more connections. For the side that dials. */
  onAsked: (connections: number) => void = () => {}

  /**
   * @param window the most bytes that wait here: for those before them, or to be read
   * @param ahead the most bytes that have left and not arrived
   */
  constructor(window: number, ahead = window) {
    // What waits does so in `#ready`.
    super({ allowHalfOpen: true, readableHighWaterMark: 1, writableHighWaterMark: 1 })
    const [incoming, outgoing] = [reserve(window), reserve(ahead)]
    this.#windows = [incoming, outgoing]
    this.#incoming = new Incoming(incoming.bytes)
    this.#outgoing = new Outgoing(SMALLEST_WINDOW, outgoing.bytes)
    this.#clock = setInterval(() => this.#fill(), LOOK)
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#lanes.size
  }

  /** True if the connections take no more now, and there is more to send. */
  get isFull(): boolean {
    return !this.#outgoing.isCut
  }

  /** The number of bytes written that have arrived. */
  get arrived(): number {
    return this.#outgoing.arrived
  }

  /** Asks the other side, which dials, for so many connections in all. */
  ask(connections: number): void {
    const [lane] = this.#lanes
    lane?.ask(connections)
  }

  /** Adds a connection. */
  add(lane: Lane): void {
    this.#lanes.add(lane)
    lane.acknowledge()
    if (this.#hasEnded) lane.end(this.#outgoing.length)
    this.#fill()
  }

  /** The other side has added the connection, too. */
  onJoined(lane: Lane): void {
    this.#joined.add(lane)
    this.most = Math.max(this.most, this.#joined.size)
  }

  /** A connection has ended. Without another one, the stream breaks, unless it is complete. */
  remove(lane: Lane, error: TransferError): void {
    if (!this.#lanes.delete(lane)) return
    this.#joined.delete(lane)
    this.#outgoing.takeBack(lane.underWay)
    if (this.#lanes.size === 0 && !this.#isComplete) this.destroy(error)
    // What it has said last may be lost.
    for (const other of this.#lanes) other.acknowledge()
    this.#fill()
  }

  onFree(): void {
    this.#fill()
  }

  /** Gives each connection that has room the next block. */
  #fill(): void {
    for (const lane of this.#lanes) {
      while (lane.isFree && !this.destroyed) {
        const block = this.#outgoing.next(lane.size) ?? this.#late(lane)
        if (!block) break
        this.#outgoing.onHandedOver(block)
        lane.write(block)
      }
    }
    if (this.#onFinal && this.#outgoing.isDone) this.#end(this.#onFinal)
  }

  #late(lane: Lane): Block | null {
    if (this.#outgoing.repeated > REPEATED.first + this.#outgoing.arrived * REPEATED.share) return null
    const block = this.#outgoing.late(performance.now() - LATE - 1.5 * this.#latency)
    return block && !lane.carries(block) ? block : null
  }

  #end(done: Callback): void {
    this.#onFinal = null
    this.#hasEnded = true
    for (const lane of this.#lanes) lane.end(this.#outgoing.length)
    done()
  }

  get limit(): number {
    return this.#incoming.limit
  }

  checkRoom(offset: number, length: number): void {
    this.#incoming.check(offset, length)
  }

  onBlock(offset: number, bytes: Buffer): void {
    for (const piece of this.#incoming.take(offset, bytes)) this.#ready.add(piece)
    this.#pass()
  }

  onReceived(arrived: readonly Block[], limit: number): void {
    const now = performance.now()
    for (const block of arrived) {
      if (!block.hasArrived) this.#latency += (now - block.handedOver - this.#latency) / 16
      this.#outgoing.onArrived(block)
    }
    this.#outgoing.allow(limit)
    this.#fill()
  }

  onEnded(bytes: number): void {
    this.#incoming.end(bytes)
    this.#pass()
  }

  /** Passes on what has come, as long as it is wanted. */
  #pass(): void {
    while (this.#isWanted) {
      const bytes = this.#ready.take()
      if (!bytes) break
      this.#read += bytes.length
      this.#isWanted = this.push(bytes)
    }
    if (this.#ready.isEmpty && this.#incoming.isComplete && !this.#hasPassedEnd) {
      this.#hasPassedEnd = true
      this.push(null)
    }
    if (!this.#incoming.extend(this.#read - this.readableLength)) return
    for (const lane of this.#lanes) lane.acknowledge()
  }

  override _read(): void {
    this.#isWanted = true
    this.#pass()
  }

  override _write(bytes: Buffer, _encoding: string, done: Callback): void {
    this.#outgoing.add(bytes, done)
    this.#fill()
  }

  override _final(done: Callback): void {
    this.#onFinal = done
    this.#fill()
  }

  /** Ends all connections. What was written has arrived if the stream ends without an error. */
  override _destroy(error: Error | null, done: Callback): void {
    clearInterval(this.#clock)
    for (const window of this.#windows) window.release()
    this.#ready.clear()
    // If this direction has ended before, the other side has had time to do the same.
    const hasWaited = this.writableEnded && !this.#isComplete
    for (const lane of this.#lanes) hasWaited ? lane.destroy() : lane.close(this.#isComplete)
    this.#lanes.clear()
    done(error)
  }

  /** True if both directions have ended, and all of them has arrived. */
  get #isComplete(): boolean {
    return this.#hasEnded && this.#incoming.isComplete
  }
}
