/** A regular file as a source. */
import { constants, type Stats } from 'node:fs'
import { basename, resolve } from 'node:path'
import { closeQuietly, disk } from '../disk/disk.js'
import { localError, shown } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { SMALLEST_KEPT } from '../protocol/limits.js'
import { shellWord } from '../text.js'
import { identityOf } from './identity.js'
import { OpenFile } from './open-file.js'
import { type OpenEntry, SingleSource } from './source.js'

const { O_RDONLY, O_NONBLOCK = 0, R_OK } = constants

/** Returns the command that sends standard input under `name` to the same receiver, for hints in error messages. */
export type AsStream = (name: string) => string

/** For a receiver that is not known. */
export function sendStream(name: string): string {
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
        const hint = `${this.#asStream(this.name)} <${shellWord(this.path)}`
        const identity = stats.size < SMALLEST_KEPT ? {} : await identityOf(this.path, stats)
        return new OpenFile(this.label, fd, stats, this.name, { asStream: hint, identity })
      } catch (error) {
        await closeQuietly(fd)
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
