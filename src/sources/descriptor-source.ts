/**
 * An open descriptor as a source, such as standard input. A file is read from the current position of the descriptor. A
 * pipe or socket is read as its bytes come.
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

  /** Returns no size even for a file, because the descriptor may be anywhere in it. */
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
    try {
      if (isatty(fd)) return await new StreamSource(new ReadStream(fd), this.name, this.label).open(signal)
      const header = streamHeader(this.name)
      const stats = fstatSync(fd)
      return stats.isFIFO() || stats.isSocket()
        ? new OpenPipe(header, this.label, fd, stats.isSocket(), signal)
        : new OpenSequence(header, this.label, fd)
    } catch (error) {
      throw localError('cannot read', this.label, error)
    }
  }
}

/** A file or device, read from the current position of its descriptor to the end. */
class OpenSequence implements OpenEntry {
  readonly header: Header
  readonly #reader: FullReader

  constructor(header: Header, label: string, fd: number) {
    this.header = header
    this.#reader = new FullReader(fd, label)
  }

  /** A device may return fewer bytes than requested, but only the last chunk may be short. So this fills the buffer. */
  read(buffer: Buffer, offset: number, length: number): number | Promise<number> {
    return this.#reader.read(buffer, offset, length, null)
  }

  async check(): Promise<void> {}

  /** The descriptor stays open: it belongs to the caller of the library. */
  async close(): Promise<void> {}
}
