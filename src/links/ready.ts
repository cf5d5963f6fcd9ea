/**
 * What has come in order, and waits to be read. Small pieces are put together, because each of them takes hundreds of
 * bytes more than it is long, and a peer may send a million of one byte.
 */

/** A piece of so many bytes stays as it is. */
const PAGE = 4 * 1024

export class Ready {
  #pieces: Buffer[] = []
  /** What the last piece is a part of, if it was put together. */
  #page: Buffer | null = null

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  add(bytes: Buffer): void {
    const isSmall = bytes.length < PAGE && !this.isEmpty
    if (isSmall && this.#page) {
      const last = this.#pieces.length - 1
      const { length } = this.#pieces[last] as Buffer
      if (bytes.copy(this.#page, length) === bytes.length)
        this.#pieces[last] = this.#page.subarray(0, length + bytes.length)
      else this.#begin(bytes)
    } else if (isSmall) {
      this.#begin(bytes)
    } else {
      this.#page = null
      this.#pieces.push(bytes)
    }
  }

  #begin(bytes: Buffer): void {
    this.#page = Buffer.allocUnsafeSlow(PAGE)
    bytes.copy(this.#page)
    this.#pieces.push(this.#page.subarray(0, bytes.length))
  }

  /** Returns the next bytes. Undefined if none wait. */
  take(): Buffer | undefined {
    const bytes = this.#pieces.shift()
    if (this.isEmpty) this.#page = null
    return bytes
  }

  clear(): void {
    this.#pieces = []
    this.#page = null
  }
}
