/** One connection of a bundle: blocks of the stream in both directions, and how many of them have come. */
import { TransferError } from '../errors.js'
import type { Channel } from '../net/channel.js'
import { retain } from '../net/memory.js'
import { encodeLane, LaneDecoder, type LaneMessage } from '../protocol/bundle-frames.js'
import type { Received } from '../protocol/messages.js'
import { ProtocolError } from '../protocol/protocol-error.js'
import { printable } from '../text.js'
import type { Block } from './bundle-out.js'
import { Flight } from './flight.js'

/** What a lane needs of its bundle. */
export interface LaneOwner {
  readonly limit: number
  /** The number of bytes written that have arrived, over any lane. */
  readonly arrived: number
  /** Called before memory is taken. Throws if there is no room for the block. */
  checkRoom(offset: number, length: number): void
  onBlock(offset: number, bytes: Buffer): void
  onReceived(arrived: readonly Block[], limit: number): void
  onEnded(bytes: number): void
  /** The sender wants this number of connections. */
  onAsked(connections: number): void
  /** The lane can take a block. */
  onFree(): void
}

export interface LaneCalls {
  /** Called for each frame that says nothing. Throws if there are too many. */
  countIdle(): void
  /** Called when a block has arrived, on either side. */
  onMoved(): void
}

export class Lane {
  readonly #channel: Channel
  readonly #owner: LaneOwner
  readonly #calls: LaneCalls
  readonly #decoder = new LaneDecoder()
  /** The blocks that have been written and have not arrived, in their order. */
  #underWay: Block[] = []
  /** The number of blocks that have arrived. */
  #arrived = 0
  readonly #flight = new Flight()
  /** The number of writes that the kernel has not taken. */
  #writing = 0
  /** The block that comes now. Null if there is none. */
  #coming: Buffer | null = null
  #filled = 0
  /** The number of blocks that have come. */
  #blocks = 0
  /** What was said last about that. */
  #said = { blocks: 0, limit: 0 }
  #isSaying = false
  /** The largest limit that the other side has told, and how much had arrived when it told that. */
  #told = { limit: 0, arrived: -1 }

  constructor(channel: Channel, owner: LaneOwner, calls: LaneCalls) {
    this.#channel = channel
    this.#owner = owner
    this.#calls = calls
  }

  /** True if the connection takes another block now, without a queue in the kernel that would make it late. */
  get isFree(): boolean {
    return this.#writing === 0 && this.#flight.hasRoom && !this.#channel.signal.aborted
  }

  /** The most bytes of its next block. */
  get size(): number {
    return this.#flight.blockSize
  }

  /** The blocks that have not arrived. */
  get underWay(): readonly Block[] {
    return this.#underWay
  }

  carries(block: Block): boolean {
    return this.#underWay.includes(block)
  }

  write(block: Block): void {
    this.#underWay.push(block)
    this.#flight.onSent(block.length)
    this.#send(block.frames)
  }

  /** The stream of this direction is complete, and has arrived. */
  end(bytes: number): void {
    this.#send(encodeLane.ended({ bytes }))
  }

  ask(connections: number): void {
    this.#send(encodeLane.bundle({ connections }))
  }

  #send(bytes: Buffer): void {
    this.#writing++
    this.#channel.write(bytes).then(
      () => {
        this.#writing--
        this.#owner.onFree()
      },
      () => {},
    )
  }

  /** Ends the connection, as one that has broken if the stream is not complete in both directions. */
  close(isComplete: boolean): void {
    if (isComplete) void this.#channel.close()
    else this.#channel.fail(new TransferError('incomplete', 'the other connections have broken', { reason: 'broken' }))
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#channel.destroy()
  }

  /** Says what has come, if that is news: once for all blocks of a round of the event loop, or of a slow write. */
  acknowledge(): void {
    if (this.#isSaying) return
    this.#isSaying = true
    setImmediate(() => void this.#say().catch(() => {}))
  }

  async #say(): Promise<void> {
    for (let [blocks, limit] = [0, 0]; blocks !== this.#blocks || limit !== this.#owner.limit; ) {
      blocks = this.#blocks
      limit = this.#owner.limit
      const isNews = blocks !== this.#said.blocks || limit !== this.#said.limit
      this.#said = { blocks, limit }
      if (isNews) await this.#channel.write(encodeLane.received({ blocks, limit }))
    }
    this.#isSaying = false
  }

  /** Takes the next bytes of the connection. The rule of net/memory.ts applies. */
  consume(bytes: Buffer): void | Promise<void> {
    const { turn, signal } = this.#channel
    const waits = { before: () => this.#decoder.detach(retain), after: () => signal.throwIfAborted() }
    return turn.work(this.#decoder.push(bytes), (message) => this.#onMessage(message), waits)
  }

  #onMessage(message: LaneMessage): void {
    switch (message.frame) {
      case 'data':
        this.#onData(message)
        break
      case 'received':
        this.#onReceived(message)
        break
      case 'ended':
        this.#owner.onEnded(message.bytes)
        break
      case 'bundle':
        this.#calls.countIdle()
        this.#owner.onAsked(message.connections ?? 1)
        break
      case 'abort':
        throw new TransferError('incomplete', `the other side gave up the connection: ${printable(message.message)}`, {
          reason: 'broken',
        })
      default:
        this.#calls.countIdle()
    }
  }

  #onData({ bytes, offset, first, length }: LaneMessage & { frame: 'data' }): void {
    if (first) {
      this.#owner.checkRoom(offset, length)
      this.#coming = Buffer.allocUnsafeSlow(length)
      this.#filled = 0
    }
    const block = this.#coming as Buffer
    this.#filled += bytes.copy(block, this.#filled)
    if (this.#filled < length) return
    this.#coming = null
    this.#blocks++
    this.#calls.onMoved()
    this.#owner.onBlock(offset, block)
    this.acknowledge()
  }

  #onReceived({ blocks, limit }: Received): void {
    const count = blocks - this.#arrived
    if (count < 0 || count > this.#underWay.length) throw new ProtocolError(`${blocks} blocks have come, it says`)
    const arrived = this.#underWay.splice(0, count)
    const last = arrived.at(-1)
    this.#arrived = blocks
    if (last) {
      this.#calls.onMoved()
      this.#flight.onArrived(arrived.map(({ length }) => length))
    } else if (limit <= this.#told.limit || this.#owner.arrived === this.#told.arrived) this.#calls.countIdle()
    this.#told = { limit: Math.max(limit, this.#told.limit), arrived: this.#owner.arrived }
    this.#owner.onReceived(arrived, limit)
  }
}
