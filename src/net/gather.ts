/**
 * Reads a TLS socket in large pieces. TLS comes in records of 16 KiB, and Node.js makes a new buffer and an event of
 * each. Here the records of one turn of the event loop are gathered in memory that is used over and over.
 *
 * For this the socket reads as with the `onread` option of `net.Socket`. `tls.connect` documents that option, but not
 * for a socket that is connected already, as every accepted one is. So this file sets three properties of the socket
 * that Node.js does not document. If one is missing, the `data` event does the same, only slower.
 */
import type { TLSSocket } from 'node:tls'
import { reusedMemory } from './memory.js'

/** The most bytes of one record (RFC 8446, 5.1). */
const RECORD = 16 * 1024

/** The bytes that libuv reads in one turn: 32 times a record. */
const LARGE = 32 * RECORD

/** For each connection beside the first one. */
const SMALL = 4 * RECORD

let large: Buffer | null = null
let isLargeFree = true

/** Where the bytes of a TLS socket are gathered, and who takes them. */
export class Gatherer {
  readonly #memory: Buffer
  readonly #take: (bytes: Buffer) => void
  /** The bytes that have come and were not handed over lie between these two. */
  #start = 0
  #end = 0
  #flush: NodeJS.Immediate | null = null
  /** The places of whole records in the memory, as far as they were needed. To make one takes a microsecond or two. */
  readonly #places: Buffer[] = []

  /**
   * @param take called with the bytes that have come. It may use them until it returns, and by the rule of memory.ts
   */
  constructor(socket: TLSSocket, take: (bytes: Buffer) => void) {
    this.#take = take
    const isFirst = isLargeFree
    if (isFirst) {
      isLargeFree = false
      large ??= reusedMemory(LARGE)
    }
    this.#memory = isFirst && large ? large : reusedMemory(SMALL)
    socket.once('close', () => {
      if (isFirst) isLargeFree = true
    })
    if (!this.#replaceReads(socket)) socket.on('data', take)
  }

  #replaceReads(socket: TLSSocket): boolean {
    const { _handle: handle } = socket as unknown as { _handle?: { useUserBuffer?: (memory: Buffer) => void } | null }
    const own = new Map(Object.getOwnPropertySymbols(socket).map((symbol) => [symbol.description, symbol]))
    const [memory, callback, next] = [own.get('kBuffer'), own.get('kBufferCb'), own.get('kBufferGen')]
    if (!handle?.useUserBuffer || !memory || !callback || !next) return false
    const place = this.#place()
    Object.assign(socket, {
      [memory]: place,
      [callback]: (length: number) => this.#onRecord(length),
      [next]: () => this.#place(),
    })
    handle.useUserBuffer(place)
    return true
  }

  /** Where the next record goes. Node.js asks once for each, long before the record comes. */
  #place(): Buffer {
    if (this.#start === this.#end) {
      this.#start = 0
      this.#end = 0
    }
    const create = () => this.#memory.subarray(this.#end, this.#end + RECORD)
    // Whole records, of which all large pieces are made, lie at the same places again and again.
    if (this.#end % RECORD > 0) return create()
    this.#places[this.#end / RECORD] ??= create()
    return this.#places[this.#end / RECORD] as Buffer
  }

  #onRecord(length: number): boolean {
    this.#end += length
    if (this.#end + RECORD > this.#memory.length) this.flush()
    else this.#flush ??= setImmediate(() => this.flush())
    return true
  }

  /** Hands over what has come. */
  flush(): void {
    if (this.#flush) clearImmediate(this.#flush)
    this.#flush = null
    const bytes = this.#memory.subarray(this.#start, this.#end)
    this.#start = this.#end
    if (bytes.length > 0) this.#take(bytes)
  }
}
