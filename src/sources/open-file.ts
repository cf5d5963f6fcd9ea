/** An open regular file: read from its start, and compared with what it was. */
import type { Stats } from 'node:fs'
import { type AtHand, andThen, orElse } from '../at-hand.js'
import { closeQuietly, disk } from '../disk/disk.js'
import { FullReader } from '../disk/full-reader.js'
import { localError } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { mediaType } from '../media-type.js'
import type { Header } from '../protocol/messages.js'
import { attributesOf, changeOf } from './attributes.js'
import type { OpenEntry } from './source.js'

export class OpenFile implements OpenEntry {
  readonly header: Header
  readonly #label: string
  readonly #fd: number
  readonly #stats: Stats
  readonly #reader: FullReader
  readonly #hint: string
  #position = 0

  /**
   * @param asStream the command that sends the file as a stream, for hints in error messages, if there is one
   * @param identity what a receiver knows the file by
   */
  constructor(
    label: string,
    fd: number,
    stats: Stats,
    name: string,
    { asStream, identity }: { asStream?: string; identity?: Pick<Header, 'source' | 'edition'> } = {},
  ) {
    this.#hint = asStream === undefined ? '' : `; send it again, or as a stream: ${asStream}`
    this.#label = label
    this.#fd = fd
    this.#stats = stats
    this.#reader = new FullReader(fd, label)
    this.header = {
      kind: 'file',
      name,
      size: stats.size,
      type: mediaType(name),
      ...attributesOf(stats),
      ...identity,
    }
  }

  read(buffer: Buffer, offset: number, length: number): AtHand<number> {
    const wanted = Math.min(length, this.#stats.size - this.#position)
    return andThen(this.#reader.read(buffer, offset, wanted, this.#position), (count) => this.#advance(wanted, count))
  }

  seek(offset: number): void {
    this.#position = offset
  }

  async readAt(buffer: Buffer, position: number): Promise<number> {
    try {
      // Never blocking: gigabytes may be read again beside the transfer.
      return await disk.read(this.#fd, buffer, 0, buffer.length, position)
    } catch (error) {
      throw localError('cannot read', this.#label, error)
    }
  }

  #advance(wanted: number, count: number): number {
    if (count < wanted) throw this.#changed('became shorter')
    this.#position += count
    return count
  }

  async check(): Promise<void> {
    await this.compare()
  }

  /** Throws if the file has changed since it was opened. */
  compare(): AtHand<void> {
    const label = this.#label
    const now = orElse(
      () => disk.fstat(this.#fd),
      (error) => {
        throw localError('cannot read', label, error)
      },
    )
    return andThen(now, (stats) => {
      const change = changeOf(this.#stats, stats)
      if (change !== null) throw this.#changed(change)
      return this.#checkEnd()
    })
  }

  /** A file in `/proc` has the size 0, and the size reported for a file on a network may be out of date. */
  #checkEnd(): AtHand<void> {
    return andThen(this.#reader.read(Buffer.alloc(1), 0, 1, this.#stats.size), (count) => {
      if (count > 0) throw this.#changed('became longer')
    })
  }

  #changed(what: string): TransferError {
    const text = `${this.#label} ${what} while it was sent${this.#hint}`
    return new TransferError('local-file', text, {
      reason: 'changed',
      peerMessage: `the file ${what} while it was sent`,
    })
  }

  close(): AtHand<void> {
    return closeQuietly(this.#fd)
  }
}
