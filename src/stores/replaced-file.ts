/** The file that a new one will replace, opened to copy what both have in common. It is never changed. */
import { constants } from 'node:fs'
import type { Directory } from '../disk/directory.js'
import { closeQuietly, disk } from '../disk/disk.js'
import { SMALLEST_KEPT } from '../protocol/limits.js'

const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

export class ReplacedFile {
  /** The size in bytes when it was opened. */
  readonly size: number
  readonly #fd: number
  #isOpen = true

  private constructor(fd: number, size: number) {
    this.#fd = fd
    this.size = size
  }

  /** Null if there is no regular file of that name that can be read, or only a small one. Never throws. */
  static async open(folder: Directory, name: string): Promise<ReplacedFile | null> {
    try {
      const fd = await disk.open(folder.path(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      const stats = await disk.fstat(fd)
      if (stats.isFile() && stats.size >= SMALLEST_KEPT) return new ReplacedFile(fd, stats.size)
      await closeQuietly(fd)
    } catch {
      // It has gone, or may not be read.
    }
    return null
  }

  /** Reads into the buffer, from `position` on. Returns how many bytes: 0 at the end. */
  async readAt(buffer: Buffer, position: number): Promise<number> {
    return await disk.read(this.#fd, buffer, 0, buffer.length, position)
  }

  /** Called once or more. Never throws. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    await closeQuietly(this.#fd)
  }
}
