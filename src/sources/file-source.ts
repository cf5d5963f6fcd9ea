/** A regular file as a source. */
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

/** Returns the command that sends standard input under `name` to the same receiver, for hints in error messages. */
export type AsStream = (name: string) => string

function sendStream(name: string): string {
  return `tcp-send --name ${shellWord(name)} - HOST PORT`
}

/** A regular file. A symlink is followed; its target must be a regular file. */
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
      // `stat` needs no read permission. A missing permission should be known before the connection is made.
      await disk.access(this.path, R_OK)
      return stats.size
    } catch (error) {
      throw this.#localError(error)
    }
  }

  async open(): Promise<OpenEntry> {
    try {
      // O_NONBLOCK: the file may have become a FIFO since `inspect`, and opening a FIFO would wait for a writer.
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
    // `.` and `..` get the name of their folder. The root folder has no name.
    const folder = basename(resolve(this.path)) || 'root'
    const archive = this.name === basename(this.path) ? `${folder}.tar` : this.name
    const hint = stats.isDirectory()
      ? `is a directory; send it as an archive: tar -C ${word} -c . | ${this.#asStream(archive)}`
      : `is not a regular file; send what it gives: cat ${word} | ${this.#asStream(this.name)}`
    throw new TransferError('local-file', `${this.label} ${hint}`, { reason: 'disk' })
  }
}

/** The attributes of which one differs after a change of the content, unless the modification time was set back. */
const contentAttributes = ['dev', 'ino', 'size', 'mtimeMs'] as const

class OpenFile implements OpenEntry {
  readonly header: Header
  readonly #label: string
  readonly #fd: number
  readonly #stats: Stats
  readonly #reader: FullReader
  readonly #asStream: string
  #position = 0

  /** @param asStream the command that sends the file as a stream, for hints in error messages */
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
   * Throws if the file has changed since it was opened. The modification time can be set back; only the kernel sets the
   * change time. The change time also covers the name, mode and owner of the file, and does not say which one changed.
   */
  async check(): Promise<void> {
    const now = await disk.fstat(this.#fd).catch((error) => {
      throw localError('cannot read', this.#label, error)
    })
    if (contentAttributes.some((key) => now[key] !== this.#stats[key])) throw this.#changed('changed')
    if (now.ctimeMs !== this.#stats.ctimeMs) throw this.#changed('changed (its content, name or attributes)')
    if (await this.#hasMore()) throw this.#changed('became longer')
  }

  /** A file in `/proc` has the size 0, and the size reported for a file on a network may be out of date. */
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
