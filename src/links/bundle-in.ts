/** One direction of a bundle on its way in: blocks come in any order, and become a stream. The peer is not trusted. */
import { MAX_HELD } from '../protocol/limits.js'
import { ProtocolError } from '../protocol/protocol-error.js'

export class Incoming {
  /** The blocks that wait for those before them, by their place in the stream. */
  readonly #held = new Map<number, Buffer>()
  #heldBytes = 0
  /** The end of what has come without a gap. */
  #next = 0
  /** The end of the last block that has come. */
  #last = 0
  /** The end of the stream. Null as long as it is not known. */
  #end: number | null = null
  /** The most bytes that wait: for those before them, or for whoever reads the stream. */
  readonly #window: number
  /** What the other side was allowed to send. */
  limit: number
  /** The limit that the other side was told at last, whatever else it heard. */
  #told: number

  constructor(window: number) {
    this.#window = window
    this.limit = window
    this.#told = window
  }

  /** True if the whole stream has come. */
  get isComplete(): boolean {
    return this.#next === this.#end
  }

  /** True if so much was read since the last call that the other side should know. `read` counts all bytes so far. */
  extend(read: number): boolean {
    this.limit = read + this.#window
    if (this.limit - this.#told < this.#window / 8) return false
    this.#told = this.limit
    return true
  }

  /** Called before memory is taken for a block. Throws if there is no room for it. */
  check(offset: number, length: number): void {
    if (offset + length > Math.min(this.limit, this.#end ?? this.limit))
      throw new ProtocolError(`a block at ${offset}, for which it has no room`)
  }

  /** Takes a block. Returns the bytes that follow in the stream, in their order. */
  take(offset: number, bytes: Buffer): Buffer[] {
    this.#last = Math.max(this.#last, offset + bytes.length)
    if (offset < this.#next) {
      if (offset + bytes.length > this.#next) throw overlap(offset)
      return []
    }
    const held = this.#held.get(offset)
    if (held) {
      if (held.length !== bytes.length) throw overlap(offset)
      return []
    }
    this.#held.set(offset, bytes)
    this.#heldBytes += bytes.length
    if (this.#heldBytes > this.#window || this.#held.size > MAX_HELD) throw new ProtocolError('too many blocks to hold')
    return [...this.#inOrder()]
  }

  *#inOrder(): Generator<Buffer> {
    for (let bytes = this.#held.get(this.#next); bytes; bytes = this.#held.get(this.#next)) {
      this.#held.delete(this.#next)
      this.#heldBytes -= bytes.length
      this.#next += bytes.length
      yield bytes
    }
  }

  /** The stream ends there. Throws if that cannot be. */
  end(bytes: number): void {
    if (bytes < this.#last || (this.#end ?? bytes) !== bytes) throw new ProtocolError(`a stream that ends at ${bytes}`)
    this.#end = bytes
  }
}

function overlap(offset: number): ProtocolError {
  return new ProtocolError(`a block at ${offset}, of which another part has come`)
}
