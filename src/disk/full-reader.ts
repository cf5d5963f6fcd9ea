/** Reads a descriptor until the buffer is full, with blocking calls while they are quick (blocking.ts). */
import { Blocking } from './blocking.js'
import { disk } from './disk.js'
import { localError } from './local-error.js'

export class FullReader {
  readonly #fd: number
  readonly #label: string
  readonly #blocking = new Blocking()

  /** @param label the name of the file in error messages */
  constructor(fd: number, label: string) {
    this.#fd = fd
    this.#label = label
  }

  /**
   * Reads `length` bytes into `buffer` at `offset`, fewer only at the end of the file. Returns the number of bytes
   * read: directly, or as a promise if the disk is slow. `position` is the position in the file; null means the current
   * position of the descriptor.
   */
  read(buffer: Buffer, offset: number, length: number, position: number | null): number | Promise<number> {
    let filled = 0
    while (filled < length) {
      if (!this.#blocking.isQuick) return this.#readAsync(buffer, offset, length, position, filled)
      const count = this.#readSync(buffer, offset + filled, length - filled, at(position, filled))
      if (count === 0) break
      filled += count
    }
    return filled
  }

  #readSync(buffer: Buffer, offset: number, length: number, position: number | null): number {
    try {
      return this.#blocking.call(() => disk.readSync(this.#fd, buffer, offset, length, position))
    } catch (error) {
      throw localError('cannot read', this.#label, error)
    }
  }

  async #readAsync(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number | null,
    done: number,
  ): Promise<number> {
    let filled = done
    try {
      while (filled < length) {
        const count = await disk.read(this.#fd, buffer, offset + filled, length - filled, at(position, filled))
        if (count === 0) break
        filled += count
      }
    } catch (error) {
      throw localError('cannot read', this.#label, error)
    }
    return filled
  }
}

function at(position: number | null, filled: number): number | null {
  return position === null ? null : position + filled
}
