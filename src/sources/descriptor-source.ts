/**
 * A descriptor that is already open, such as standard input, as something to send. What can be done depends on what it
 * is: a file is read like a file, only without knowing where it begins; a pipe or socket is read as its bytes come.
 */
import { fstatSync } from 'node:fs'
import { isatty, ReadStream } from 'node:tty'
import { FullReader } from '../disk/full-reader.js'
import { localError } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import type { Header } from '../protocol/messages.js'
import { OpenPipe } from './open-pipe.js'
import { type OpenEntry, SingleSource, streamHeader } from './source.js'
import { StreamSource } from './stream-source.js'

export class DescriptorSource extends SingleSource {
  readonly label: string
  readonly path = '-'
  readonly isOnce = true
  readonly name: string
  readonly #fd: number

  constructor(fd: number, name: string, label: string) {
    super()
    this.#fd = fd
    this.name = name
    this.label = label
  }

  /** A file's size says little: nobody knows where in it the descriptor stands. */
  async inspect(): Promise<null> {
    try {
      if (fstatSync(this.#fd).isDirectory()) throw new TransferError('local-file', `${this.label} is a directory`)
      return null
    } catch (error) {
      throw localError('cannot read', this.label, error)
    }
  }

  async open(signal: AbortSignal): Promise<OpenEntry> {
    const fd = this.#fd
    if (isatty(fd)) return await new StreamSource(new ReadStream(fd), this.name, this.label).open(signal)
    const header = streamHeader(this.name)
    const stats = fstatSync(fd)
    return stats.isFIFO() || stats.isSocket()
      ? new OpenPipe(header, this.label, fd, stats.isSocket(), signal)
      : new OpenSequence(header, this.label, fd)
  }
}

/** A file or device, from where it stands to its end. */
class OpenSequence implements OpenEntry {
  readonly header: Header
  readonly #reader: FullReader

  constructor(header: Header, label: string, fd: number) {
    this.header = header
    this.#reader = new FullReader(fd, label)
  }

  /** A device may give less than was asked for, and only the last chunk may be short: on to the end, or to the brim. */
  read(buffer: Buffer, offset: number, length: number): number | Promise<number> {
    return this.#reader.read(buffer, offset, length, null)
  }

  async check(): Promise<void> {}

  /** It was open before, and is whoever's who opened it. */
  async close(): Promise<void> {}
}
