/** What did not fit into a buffer, for the next one. */
export class Overflow {
  #rest: Buffer = Buffer.alloc(0)

  /** Copies what is left to the start of `place`. Returns the number of bytes. */
  drain(place: Buffer): number {
    const rest = this.#rest
    this.#rest = rest.subarray(place.length)
    return rest.copy(place)
  }

  /** Copies the pieces to `place` and keeps the rest. Returns the number of bytes copied. */
  put(place: Buffer, pieces: readonly Buffer[]): number {
    let filled = 0
    for (const piece of pieces) {
      const copied = Math.min(piece.length, place.length - filled)
      place.set(copied < piece.length ? piece.subarray(0, copied) : piece, filled)
      filled += copied
      if (copied < piece.length) this.#rest = Buffer.concat([this.#rest, piece.subarray(copied)])
    }
    return filled
  }
}
