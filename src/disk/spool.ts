/**
 * Lines that are kept for later: a few in memory, many in a temporary file without a name. So memory does not grow with
 * their number. If no such file can be created, all lines stay in memory.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { disk } from './disk.js'

/** The most characters that are kept in memory. */
const IN_MEMORY = 1024 * 1024

/** The size of one read from the file, in bytes. */
const READ = 64 * 1024

const { O_CREAT, O_EXCL, O_RDWR } = constants

export class Spool {
  /** The number of lines. */
  count = 0
  /** The lines that are not in the file. */
  #lines: string[] = []
  #characters = 0
  #fd: number | null = null
  #length = 0
  #hasNoFile = false
  #isClosed = false

  /** @param line must not contain a line break */
  add(line: string): void {
    if (this.#isClosed) return
    this.count++
    this.#lines.push(line)
    this.#characters += line.length
    if (this.#characters > IN_MEMORY && !this.#hasNoFile) this.#spill()
  }

  #spill(): void {
    try {
      this.#fd ??= openNameless()
      const bytes = Buffer.from(`${this.#lines.join('\n')}\n`)
      for (let done = 0; done < bytes.length; ) {
        done += disk.writeSync(this.#fd, bytes, done, bytes.length - done, this.#length + done)
      }
      this.#length += bytes.length
      this.#lines = []
      this.#characters = 0
    } catch {
      // The disk is full or read-only. What was written before stays where it is.
      this.#hasNoFile = true
    }
  }

  /** All lines, in the order in which they were added. */
  *lines(): Generator<string, void, undefined> {
    let rest: Buffer = Buffer.alloc(0)
    for (let position = 0; this.#fd !== null && position < this.#length; ) {
      const piece = Buffer.alloc(Math.min(READ, this.#length - position))
      const count = disk.readSync(this.#fd, piece, 0, piece.length, position)
      position += count
      const bytes = Buffer.concat([rest, piece.subarray(0, count)])
      const end = bytes.lastIndexOf(10) + 1
      rest = bytes.subarray(end)
      if (end > 0) yield* bytes.toString('utf8', 0, end - 1).split('\n')
    }
    yield* this.#lines
  }

  /** Forgets all lines, also those that are added later. */
  close(): void {
    this.#isClosed = true
    this.#lines = []
    if (this.#fd !== null) disk.closeSync(this.#fd)
    this.#fd = null
  }
}

/** Opens a file that nobody else can find. */
function openNameless(): number {
  const path = join(tmpdir(), `tcp-${randomBytes(12).toString('hex')}`)
  const fd = disk.openSync(path, O_CREAT | O_EXCL | O_RDWR, 0o600)
  try {
    disk.unlinkSync(path)
    return fd
  } catch (error) {
    disk.closeSync(fd)
    throw error
  }
}
