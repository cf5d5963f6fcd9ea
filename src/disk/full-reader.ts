/** Reading a descriptor to the brim of what was asked for, with blocking calls while they are quick (blocking.ts). */
import { Blocking } from './blocking.js'
import { disk } from './disk.js'
import { localError } from './local-error.js'

export class FullReader {
  readonly #fd: number
  readonly #label: string
  readonly #blocking = new Blocking()

  /** @param label how messages call it */
  constructor(fd: number, label: string) {
    this.#fd = fd
    this.#label = label
  }

  /**
   * Fills `buffer` from `offset` on with `length` bytes, less only at the end, and returns how many: at once, or behind a
   * promise where the disk is slow. `position` is where to read; null: where the descriptor stands.
   */
  read(buffer: Buffer, offset: number, length: number, position: number | null): number | Promise<number> {
    let filled = 0
    while (filled < length) {
      if (!this.#blocking.isQuick) return this.#readBehind(buffer, offset, length, position, filled)
      const count = this.#readNow(buffer, offset + filled, length - filled, at(position, filled))
      if (count === 0) break
      filled += count
    }
    return filled
  }

  #readNow(buffer: Buffer, offset: number, length: number, position: number | null): number {
    try {
      return this.#blocking.call(() => disk.readSync(this.#fd, buffer, offset, length, position))
    } catch (error) {
      throw localError('cannot read', this.#label, error)
    }
  }

  async #readBehind(
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
