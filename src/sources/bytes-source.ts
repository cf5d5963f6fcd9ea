/** Bytes in memory as a source: a file that is on no disk. */
import { mediaType } from '../media-type.js'
import type { Header } from '../protocol/messages.js'
import { printable } from '../text.js'
import { type OpenEntry, SingleSource } from './source.js'

export class BytesSource extends SingleSource {
  readonly label: string
  readonly path = '-'
  readonly isOnce = false
  readonly name: string
  readonly #bytes: Buffer

  constructor({ buffer, byteOffset, byteLength }: Uint8Array, name: string, label: string) {
    super()
    this.#bytes = Buffer.from(buffer, byteOffset, byteLength)
    this.name = name
    this.label = printable(label)
  }

  async inspect(): Promise<number> {
    return this.#bytes.length
  }

  async open(): Promise<OpenEntry> {
    const facts = { size: this.#bytes.length, type: mediaType(this.name), mtime: null, mode: null }
    return openBytes({ kind: 'file', name: this.name, ...facts }, this.#bytes)
  }
}

/** An entry whose data are in memory. */
export function openBytes(header: Header, bytes: Buffer): OpenEntry {
  let position = 0
  return {
    header,
    read: (buffer, offset, length) => {
      const count = bytes.copy(buffer, offset, position, position + length)
      position += count
      return count
    },
    check: async () => {},
    close: () => {},
  }
}
