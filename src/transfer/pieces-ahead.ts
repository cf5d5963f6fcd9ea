/** The pieces that are being compressed while the next one is read. They are written in their order. */
import type { CompressedPiece } from '../protocol/compressed.js'

/** The most pieces ahead. */
const AHEAD = 2

/** A piece that was read. */
export interface Piece {
  /** Holds the data and, in front of them, room for the head of a frame. */
  buffer: Buffer
  /** The number of bytes of data. */
  count: number
  /** The number of bytes of data up to the end of this piece. */
  end: number
}

interface Ahead extends Piece {
  /** Null if the piece is sent as it is. */
  compressing: Promise<CompressedPiece | null>
}

export class PiecesAhead {
  readonly #write: (piece: Piece, compressed: CompressedPiece | null) => Promise<void>
  readonly #pieces: Ahead[] = []
  /** Memory of pieces that have been written. */
  readonly #spare: Buffer[] = []

  constructor(write: (piece: Piece, compressed: CompressedPiece | null) => Promise<void>) {
    this.#write = write
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  /** Adds a piece, whose memory must not change from now on. Returns other memory of that size for the next one. */
  add(piece: Piece, compressing: Promise<CompressedPiece | null>): Buffer {
    // If the entry ends early, nobody waits for it.
    compressing.catch(() => {})
    this.#pieces.push({ ...piece, compressing })
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(piece.buffer.length)
  }

  /** Writes pieces until no more are ahead than may be. */
  async keepUp(): Promise<void> {
    await this.#finish(AHEAD)
  }

  /** Writes all pieces. */
  async catchUp(): Promise<void> {
    await this.#finish(0)
  }

  /** Writes all pieces while something else is under way. Waits for both, whatever becomes of them. */
  async during<T>(other: Promise<T>): Promise<T> {
    const writing = this.catchUp()
    await Promise.allSettled([other, writing])
    await writing
    return await other
  }

  async #finish(most: number): Promise<void> {
    while (this.#pieces.length > most) {
      const piece = this.#pieces.shift() as Ahead
      await this.#write(piece, await piece.compressing)
      this.#spare.push(piece.buffer)
    }
  }
}
