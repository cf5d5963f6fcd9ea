/**
 * Gathers what TLS has decrypted. TLS comes in records of 16 KiB, and Node.js makes a new buffer and an event of each.
 * Here the records of one large read lie one after the other, in memory that all connections use over and over.
 *
 * For this the socket reads as with the `onread` option of `net.Socket`. `tls.connect` documents that option, but not
 * for a socket that is connected already, as every accepted one is. So this file sets three properties of the socket
 * that Node.js does not document. If one is missing, the `data` event does the same, only slower.
 */
import type { TLSSocket } from 'node:tls'
import { reusedMemory } from './memory.js'

/** The most bytes of one record (RFC 8446, 5.1). */
const RECORD = 16 * 1024

/** The most bytes that are handed over at once. */
const SIZE = 64 * RECORD

let shared: Buffer | null = null

/** The places of records in the memory, as far as they were needed. To make one takes a microsecond or two. */
const places: Buffer[] = []

/** Where the bytes of a TLS socket are gathered, and who takes them. */
export class Gatherer {
  readonly #memory: Buffer
  readonly #take: (bytes: Buffer) => void
  /** The bytes that have come and were not handed over lie between these two. */
  #start = 0
  #end = 0
  #isReading = false

  /**
   * @param take called with the bytes that have come. It may use them until it returns, and by the rule of memory.ts
   */
  constructor(socket: TLSSocket, take: (bytes: Buffer) => void) {
    this.#take = take
    shared ??= reusedMemory(SIZE)
    this.#memory = shared
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

  /** Where the next record goes. Node.js asks after each, so it may be long before the next one comes. */
  #place(): Buffer {
    if (this.#start === this.#end) {
      this.#start = 0
      this.#end = 0
    }
    const number = this.#end / RECORD
    places[number] ??= this.#memory.subarray(this.#end, this.#end + RECORD)
    return places[number]
  }

  #onRecord(length: number): boolean {
    this.#end += length
    // A record that is not full ends what was written at once, so nothing can follow it without a gap.
    if (!this.#isReading || length < RECORD || this.#end === SIZE) this.#flush()
    return true
  }

  /** Calls `decrypt`, and hands over what comes of it. No other connection can use the memory meanwhile. */
  read(decrypt: () => void): void {
    this.#isReading = true
    decrypt()
    this.#isReading = false
    this.#flush()
  }

  #flush(): void {
    const bytes = this.#memory.subarray(this.#start, this.#end)
    this.#start = this.#end
    if (bytes.length > 0) this.#take(bytes)
  }
}
