/** Regular files as something to send. */
import { constants, type Stats } from 'node:fs'
import { basename, resolve } from 'node:path'
import { disk } from '../disk/disk.js'
import { FullReader } from '../disk/full-reader.js'
import { localError, shown } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { mediaType } from '../media-type.js'
import { MAX_TIME } from '../protocol/limits.js'
import type { Header } from '../protocol/messages.js'
import { shellWord } from '../text.js'
import { type OpenEntry, SingleSource } from './source.js'

const { O_RDONLY, O_NONBLOCK = 0, R_OK } = constants

/** The command that sends its standard input under this name to the same receiver, for hints. */
export type AsStream = (name: string) => string

function sendStream(name: string): string {
  return `tcp-send --name ${shellWord(name)} - HOST PORT`
}

/** A regular file. A symlink that the user names is followed; what it leads to must be a regular file. */
export class FileSource extends SingleSource {
  readonly label: string
  readonly path: string
  readonly isOnce = false
  readonly name: string
  readonly #asStream: AsStream

  constructor(path: string, name: string = basename(path), asStream: AsStream = sendStream) {
    super()
    this.path = path
    this.label = shown(path)
    this.name = name
    this.#asStream = asStream
  }

  async inspect(): Promise<number> {
    try {
      const stats = await disk.stat(this.path)
      this.#checkKind(stats)
      // A stat says nothing of permissions; better to know before the connection is made.
      await disk.access(this.path, R_OK)
      return stats.size
    } catch (error) {
      throw this.#localError(error)
    }
  }

  async open(): Promise<OpenEntry> {
    try {
      // O_NONBLOCK: what was a file a moment ago may be a FIFO now, and opening one waits for a writer.
      const fd = await disk.open(this.path, O_RDONLY | O_NONBLOCK)
      try {
        const stats = await disk.fstat(fd)
        this.#checkKind(stats)
        return new OpenFile(this.label, fd, stats, this.name, `${this.#asStream(this.name)} <${shellWord(this.path)}`)
      } catch (error) {
        await disk.close(fd).catch(() => {})
        throw error
      }
    } catch (error) {
      throw this.#localError(error)
    }
  }

  #localError(error: unknown): TransferError {
    if (!this.path.isWellFormed() || this.path.includes('\ufffd')) {
      return new TransferError('local-file', `${this.label}: its name is not UTF-8 and cannot be sent; rename it`, {
        reason: 'disk',
      })
    }
    return localError('cannot read', this.label, error)
  }

  #checkKind(stats: Stats): void {
    if (stats.isFile()) return
    const word = shellWord(this.path)
    // The name of `.` and `..` is that of the folder they lead to, and the root of all has none.
    const folder = basename(resolve(this.path)) || 'root'
    const archive = this.name === basename(this.path) ? `${folder}.tar` : this.name
    const hint = stats.isDirectory()
      ? `is a directory; send it as an archive: tar -C ${word} -c . | ${this.#asStream(archive)}`
      : `is not a regular file; send what it gives: cat ${word} | ${this.#asStream(this.name)}`
    throw new TransferError('local-file', `${this.label} ${hint}`, { reason: 'disk' })
  }
}

/** What differs in a file whose content was changed, by somebody who does not hide it. */
const contentTokens = ['dev', 'ino', 'size', 'mtimeMs'] as const

class OpenFile implements OpenEntry {
  readonly header: Header
  readonly #label: string
  readonly #fd: number
  readonly #stats: Stats
  readonly #reader: FullReader
  readonly #asStream: string
  #position = 0

  /** @param asStream the command that sends it as a stream, for hints */
  constructor(label: string, fd: number, stats: Stats, name: string, asStream: string) {
    this.#asStream = asStream
    this.#label = label
    this.#fd = fd
    this.#stats = stats
    this.#reader = new FullReader(fd, label)
    this.header = {
      kind: 'file',
      name,
      size: stats.size,
      type: mediaType(name),
      mtime: Math.abs(stats.mtimeMs) <= MAX_TIME ? Math.round(stats.mtimeMs) : null,
      mode: stats.mode & 0o7777,
    }
  }

  read(buffer: Buffer, offset: number, length: number): number | Promise<number> {
    const wanted = Math.min(length, this.#stats.size - this.#position)
    const reading = this.#reader.read(buffer, offset, wanted, this.#position)
    const advance = (count: number) => this.#advance(wanted, count)
    return typeof reading === 'number' ? advance(reading) : reading.then(advance)
  }

  #advance(wanted: number, count: number): number {
    if (count < wanted) throw this.#changed('became shorter')
    this.#position += count
    return count
  }

  /**
   * All must be as before the first byte was read. The modification time can be set back; the change time is the
   * kernel's alone. It counts what happens to the file's name, mode and owner, too, and does not tell which it was.
   */
  async check(): Promise<void> {
    const now = await disk.fstat(this.#fd).catch((error) => {
      throw localError('cannot read', this.#label, error)
    })
    if (contentTokens.some((token) => now[token] !== this.#stats[token])) throw this.#changed('changed')
    if (now.ctimeMs !== this.#stats.ctimeMs) throw this.#changed('changed (its content, name or attributes)')
    if (await this.#hasMore()) throw this.#changed('became longer')
  }

  /** A file of the kernel's has no size, and one on a network may have outgrown the size that was told. */
  async #hasMore(): Promise<boolean> {
    return (await this.#reader.read(Buffer.alloc(1), 0, 1, this.#position)) > 0
  }

  #changed(what: string): TransferError {
    const text = `${this.#label} ${what} while it was sent; send it again, or as a stream: ${this.#asStream}`
    return new TransferError('local-file', text, {
      reason: 'changed',
      peerMessage: `the file ${what} while it was sent`,
    })
  }

  async close(): Promise<void> {
    await disk.close(this.#fd).catch(() => {})
  }
}
