/**
 * Decides which pieces of data are compressed, and compresses them. With `auto`, nothing is compressed until writes have
 * to wait for the line. Then pieces are compressed as long as more data move than before.
 */
import { defaults } from '../defaults.js'
import { TransferError } from '../errors.js'
import { isCompressedType } from '../media-type.js'
import { compress, compressors } from '../net/compress.js'
import type { CompressedPiece, Compressor } from '../protocol/compressed.js'

export const compressModes = ['auto', 'always', 'never'] as const

export type CompressMode = (typeof compressModes)[number]

export interface CompressOptions {
  /**
   * `auto` compresses where that makes the transfer faster: what shrinks, on a slow line. `always` compresses whatever
   * shrinks. `never` compresses nothing. A receiver that can inflate nothing gets the data as they are, and with `always`
   * there is a warning. Code `usage` for another value, and for `always` with `plain`. Default `auto`.
   */
  compress?: CompressMode | undefined
}

/** What the options say. Throws a usage error if they say what cannot be. */
export function compressModeOf(options: CompressOptions & { plain?: boolean | undefined }): CompressMode {
  const { plain = false, compress = plain ? 'never' : defaults.compress } = options
  if (plain && compress === 'always') throw new TransferError('usage', 'without the protocol nothing can be compressed')
  return plain ? 'never' : compress
}

/** The time over which a line is measured, in milliseconds. A piece that takes longer is measured alone. */
const WINDOW = 100

/**
 * A line is fast if it takes more bytes in a millisecond. Compressing does not keep up with it. Between two processes of
 * one machine, what is slower than the network is usually the other process, which needs the processor itself. But it may
 * be a tunnel to a slow line.
 */
const FAST = 150_000
const FAST_LOCAL = 15_000

/** Compression pays if so many times more data move with it. */
const GAIN = 1.1

/** With `auto`, a piece is sent compressed if it becomes smaller than this share. */
const SHRUNK = 0.9

/** A piece of fewer bytes tells nothing of those that follow. */
const TELLING = 16 * 1024

/** The most windows without another try, after compression has not paid. */
const LONGEST_PAUSE = 16

/** After so many windows in which no write had to wait, the line may have become faster, and is measured anew. */
const MEASURE_ANEW = 50

/** How much of the data of an entry has been written, and as how many bytes. */
export class WireCount {
  #bytes = 0
  #isCompressed = false

  /** Adds `data` bytes, which are `wire` bytes if they are compressed. Returns the total. */
  add(data: number, wire: number | undefined): number | undefined {
    this.#bytes += wire ?? data
    if (wire !== undefined) this.#isCompressed = true
    return this.total
  }

  /** The number of bytes on the wire. Undefined if nothing was compressed. */
  get total(): number | undefined {
    return this.#isCompressed ? this.#bytes : undefined
  }
}

export class Compression {
  readonly mode: CompressMode
  readonly #fast: number
  #compressor: Compressor | undefined
  /** False during an entry that is compressed already, by its type. */
  #isTried = true
  #isPaying = false
  /** True until the first piece that tells something, since compression was switched on. */
  #isSample = false
  /** The data in a millisecond when nothing was compressed and the line was the bottleneck. */
  #uncompressed = 0
  /** How many slow windows have still to pass before the next try, and how many it will be the next time. */
  #pause = 0
  #nextPause = 1
  /** The windows in a row without a wait. */
  #free = 0
  #data = 0
  #waited = 0
  #since = performance.now()

  /** @param isLocal true if the other side is on this machine, perhaps as the end of a tunnel. Default false */
  constructor(mode: CompressMode, isLocal = false) {
    this.mode = mode
    this.#fast = isLocal ? FAST_LOCAL : FAST
  }

  /** The receiver has named its features. Returns false if it can inflate nothing that this side compresses. */
  choose(features: readonly string[]): boolean {
    this.#compressor = compressors.find((name) => features.includes(name))
    return this.#compressor !== undefined
  }

  /** An entry of this media type begins. */
  begin(type: string): void {
    this.#isTried = this.mode === 'always' || (this.mode === 'auto' && !isCompressedType(type))
  }

  /** True if the next piece is to be compressed. */
  get isOn(): boolean {
    return this.#compressor !== undefined && this.#isTried && (this.mode === 'always' || this.#isPaying)
  }

  /**
   * Compresses a piece for which `isOn` was true. Returns null if it should be sent as it is. The bytes must not change
   * until the promise settles.
   */
  async compress(bytes: Buffer): Promise<CompressedPiece | null> {
    const isTelling = bytes.length >= TELLING
    const isSample = this.#isSample && isTelling
    if (isSample) this.#isSample = false
    const start = performance.now()
    const piece = await compress(bytes, this.#compressor as Compressor)
    const rate = bytes.length / (performance.now() - start)
    const isShrunk = piece.bytes.length < bytes.length * (this.mode === 'always' ? 1 : SHRUNK)
    if (isTelling && (!isShrunk || (isSample && rate < this.#uncompressed * GAIN))) this.#stop()
    return isShrunk ? piece : null
  }

  /** So many bytes of data were written. The write has taken `waited` milliseconds, up to `now`. */
  wrote(data: number, waited: number, now: number): void {
    this.#data += data
    this.#waited += waited
    const elapsed = now - this.#since
    if (elapsed < WINDOW) return
    this.#judge(this.#data / elapsed, this.#waited > elapsed / 2)
    this.#restart(now)
  }

  #judge(rate: number, isWaiting: boolean): void {
    if (!this.#isTried) return
    this.#free = isWaiting ? 0 : this.#free + 1
    if (this.#isPaying) {
      if (rate < this.#uncompressed * GAIN) this.#stop()
      else if (this.#free > MEASURE_ANEW) this.#isPaying = false
      else this.#nextPause = 1
    } else if (isWaiting && rate < this.#fast) {
      if (this.#pause > 0) this.#pause--
      else this.#try(rate)
    }
  }

  /** @param rate the data in a millisecond without compression */
  #try(rate: number): void {
    this.#uncompressed = rate
    this.#isPaying = true
    this.#isSample = true
  }

  #stop(): void {
    if (!this.#isPaying) return
    this.#isPaying = false
    this.#pause = this.#nextPause
    this.#nextPause = Math.min(2 * this.#nextPause, LONGEST_PAUSE)
    this.#restart(performance.now())
  }

  #restart(now: number): void {
    this.#data = 0
    this.#waited = 0
    this.#since = now
  }
}
