/** One direction of a bundle on its way out: which blocks of the stream have left, and which have not arrived. */
import { BLOCK_HEAD, writeBlockHead } from '../protocol/bundle-frames.js'
import { MAX_HELD } from '../protocol/limits.js'

/** A part of the stream, which goes over one connection, or over another one if that is too slow or breaks. */
export interface Block {
  /** The frames of the block, in their order on the wire. */
  frames: Buffer
  length: number
  /** The place of its bytes in the stream. */
  offset: number
  /** Its number in the stream. */
  number: number
  /** The `performance.now()` at which it was handed to a connection last. */
  handedOver: number
  hasArrived: boolean
}

/** Only so many of the blocks that the other side misses first can count as late. */
const LOOKED = 32

export class Outgoing {
  /** The blocks that have not arrived, in the order of the stream. */
  readonly #underWay = new Map<number, Block>()
  /** Blocks of connections that have broken. They come first. */
  #again: Block[] = []
  /** What comes next, and has to be cut into blocks. */
  #chunk: Buffer = Buffer.alloc(0)
  #onCut: (() => void) | null = null
  /** The end of what was cut into blocks. */
  #offset = 0
  /** The number of blocks so far. */
  #blocks = 0
  /** The other side has room for what is before this. */
  #limit: number
  /** The most bytes that have left and not arrived. They stay in memory, whatever room the other side says it has. */
  readonly #ahead: number
  /** The number of bytes that have arrived. */
  arrived = 0
  /** The number of bytes that were sent once more. */
  repeated = 0

  /** @param limit the number of bytes that the other side takes before it has said how many */
  constructor(limit: number, ahead = Number.POSITIVE_INFINITY) {
    this.#limit = limit
    this.#ahead = ahead
  }

  /** The number of bytes of the stream so far. */
  get length(): number {
    return this.#offset + this.#chunk.length
  }

  /** True if everything so far was cut into blocks. */
  get isCut(): boolean {
    return this.#chunk.length === 0
  }

  /** True if everything so far has arrived. */
  get isDone(): boolean {
    return this.#underWay.size === 0 && this.isCut
  }

  /** Adds the next bytes of the stream. Calls `onCut` when they may change, and the next ones may be added. */
  add(bytes: Buffer, onCut: () => void): void {
    this.#chunk = bytes
    this.#onCut = onCut
  }

  /** The other side has room up to this place of the stream. What it has said later may come earlier. */
  allow(limit: number): void {
    this.#limit = Math.max(this.#limit, limit)
  }

  /** Returns the next block, of at most `most` bytes. Null if there is none, or no room for it. */
  next(most: number): Block | null {
    for (let block = this.#again.shift(); block; block = this.#again.shift()) if (!block.hasArrived) return block
    if (this.#isFull) return null
    const length = Math.min(most, this.#chunk.length, Math.min(this.#limit, this.arrived + this.#ahead) - this.#offset)
    return length > 0 ? this.#cut(length) : null
  }

  /** True if the other side may hold as many blocks as it must, because one before them is missing. */
  get #isFull(): boolean {
    const [first] = this.#underWay.values()
    return first !== undefined && this.#blocks - first.number >= MAX_HELD
  }

  #cut(length: number): Block {
    const offset = this.#offset
    const buffer = Buffer.allocUnsafeSlow(BLOCK_HEAD + length)
    this.#chunk.copy(buffer, BLOCK_HEAD, 0, length)
    const frames = buffer.subarray(writeBlockHead(buffer, offset, length))
    const block = { frames, length, offset, number: this.#blocks++, handedOver: 0, hasArrived: false }
    this.#underWay.set(offset, block)
    this.#offset += length
    this.#chunk = this.#chunk.subarray(length)
    if (this.isCut) {
      this.#onCut?.()
      this.#onCut = null
    }
    return block
  }

  /** The first of the blocks that the other side misses first, and that were handed over before `time`. */
  late(time: number): Block | null {
    let looked = 0
    for (const block of this.#underWay.values()) {
      if (block.handedOver < time) return block
      if (++looked === LOOKED) return null
    }
    return null
  }

  /** A connection takes the block now. */
  onHandedOver(block: Block): void {
    if (block.handedOver > 0) this.repeated += block.length
    block.handedOver = performance.now()
  }

  onArrived(block: Block): void {
    if (block.hasArrived) return
    block.hasArrived = true
    this.#underWay.delete(block.offset)
    this.arrived += block.length
  }

  /** The connection of these blocks has broken. */
  takeBack(blocks: readonly Block[]): void {
    this.#again.push(...blocks)
  }
}
