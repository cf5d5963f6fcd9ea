/**
 * Moves bytes from a source to a link. Each piece is read, digested while it is still in the processor's cache, framed
 * and handed to the kernel. The kernel holds megabytes that are on their way, so the network does not wait for a read.
 * A piece that is to be compressed is written while the next ones are read and compressed (pieces-ahead.ts).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AtHand } from '../at-hand.js'
import type { SenderLink } from '../links/link.js'
import type { CompressedPiece } from '../protocol/compressed.js'
import { encode } from '../protocol/encode.js'
import { MAX_DATA } from '../protocol/limits.js'
import type { OpenEntry } from '../sources/source.js'
import { Compression, WireCount } from './compression.js'
import { type Algorithm, type Digests, EntryDigest } from './digest.js'
import { type Piece, PiecesAhead } from './pieces-ahead.js'
import type { Rate } from './rate.js'

/** The bytes in one data frame: half of what the protocol allows, so that the nearest caches hold them. */
const FRAME_DATA = MAX_DATA / 2

/** The frames in one long write, if no other pump runs and the connection is quick (bench/README.md). */
const LONG_WRITE_FRAMES = 4

/** A write that takes less time than this is quick, in milliseconds. */
const QUICK_WRITE = 50

/**
 * A connection counts as quick after this many bytes in quick writes in a row. That is more than the kernel buffers (4
 * MiB on Linux, tcp(7)): a slow connection takes that much quickly, too, but must report progress frame by frame.
 */
const QUICK_PROOF = 16 * 1024 * 1024

/**
 * After this many milliseconds, the event loop gets a turn. Otherwise a connection that takes everything at once would
 * hold it up, and neither Ctrl-C nor a refusal of the peer would be noticed.
 */
const TURN = 10

/** The size and the digests of an entry after its last byte. */
export interface Totals extends Digests {
  bytes: number
}

export interface MoveOptions {
  /** The digest algorithm that the receiver computes. Default `blake3`. Null if the source digests its bytes itself. */
  algorithm?: Algorithm | null
  /** Called with the number of bytes read so far, before the last of them are written. It may throw. */
  checkGrowing?: (bytes: number) => void
  /** The number of bytes to move. Default: up to the end. */
  length?: number | null
  /** Called with each piece that was read, before it is written. A promise holds it back. */
  onPiece?: (bytes: Buffer) => AtHand<void>
}

/** The part of a link that the pump uses. */
type DataLink = Pick<SenderLink, 'prefix' | 'frame' | 'write'>

/** The part of an open entry that the pump uses. */
type DataSource = Pick<OpenEntry, 'header' | 'read'>

const noDigest: Pick<EntryDigest, 'update' | 'hex'> = {
  update: () => {},
  hex: () => ({ blake3: '', sha256: null }),
}

/** The number of running pumps. A hundred of them take 50 MB with short writes and 200 MB with long ones. */
let running = 0

export class Pump {
  readonly #link: DataLink
  readonly #rate: Rate | undefined
  readonly #prefix: number
  readonly #piece: number
  readonly #longest: number
  #buffer: Buffer
  /** The number of bytes in quick writes in a row. */
  #quick = 0
  #lastTurn = performance.now()
  readonly #compression: Compression
  #wire = new WireCount()

  /**
   * @param rate the limit of all pumps of the call
   * @param compression what is compressed. Default: nothing
   */
  constructor(link: DataLink, rate?: Rate, compression = new Compression('never')) {
    this.#link = link
    this.#compression = compression
    this.#rate = rate
    this.#prefix = link.prefix
    this.#piece = this.#prefix + Math.min(FRAME_DATA, rate?.piece ?? FRAME_DATA)
    this.#longest = this.#piece * (rate ? 1 : LONG_WRITE_FRAMES)
    this.#buffer = Buffer.allocUnsafeSlow(this.#piece)
  }

  /** An entry of this media type begins. */
  begin(type: string): void {
    this.#wire = new WireCount()
    this.#compression.begin(type)
  }

  /** The number of bytes that the data of the entry have taken on the wire. Undefined if nothing was compressed. */
  get wire(): number | undefined {
    return this.#wire.total
  }

  /**
   * Moves all bytes of `source`. Throws the reason of `signal` when that is aborted.
   *
   * @param onProgress called with the number of bytes written so far
   */
  async move(
    source: DataSource,
    signal: AbortSignal,
    onProgress: (bytes: number) => void,
    { algorithm = 'blake3', checkGrowing = () => {}, length = source.header.size, onPiece }: MoveOptions = {},
  ): Promise<Totals> {
    const digest = algorithm === null ? noDigest : await EntryDigest.create(algorithm)
    const update = onPiece ?? ((bytes: Buffer) => digest.update(bytes))
    running++
    try {
      const bytes = await this.#move(source, { length, update, checkGrowing }, signal, onProgress)
      return { bytes, ...digest.hex() }
    } finally {
      running--
      // The wait for the next source may be long. It needs no large buffer.
      this.#resize(this.#piece)
    }
  }

  async #move(
    source: DataSource,
    {
      length: size,
      update,
      checkGrowing,
    }: { length: number | null; update(bytes: Buffer): AtHand<void>; checkGrowing(bytes: number): void },
    signal: AbortSignal,
    onProgress: (bytes: number) => void,
  ): Promise<number> {
    const [prefix, piece] = [this.#prefix, this.#piece]
    let bytes = 0
    let written = 0
    let filled = 0
    let isCompressing = false
    const write = async () => {
      await this.#rate?.take(filled, signal)
      await this.#write(this.#buffer.subarray(0, filled), bytes - written)
      filled = 0
      written = bytes
      onProgress(bytes)
    }
    const ahead = new PiecesAhead(async (next, compressed) => {
      await this.#rate?.take(next.count, signal)
      await this.#writePiece(next, compressed)
      written = next.end
      onProgress(written)
    })
    while (size === null || bytes < size) {
      signal.throwIfAborted()
      if (filled === 0) {
        isCompressing = this.#compression.isOn
        if (!isCompressing && !ahead.isEmpty) await ahead.catchUp()
        const isLong = !isCompressing && this.#quick >= QUICK_PROOF && running === 1
        this.#resize(isLong ? this.#longest : piece)
      }
      const start = filled + prefix
      const most = Math.min(piece - prefix, (size ?? Number.POSITIVE_INFINITY) - bytes)
      const reading = source.read(this.#buffer, start, most)
      const isAtHand = typeof reading === 'number'
      const count = isAtHand ? reading : await (ahead.isEmpty ? reading : ahead.during(reading))
      if (count === 0) break
      bytes += count
      checkGrowing(bytes)
      const digesting = update(this.#buffer.subarray(start, start + count))
      if (digesting) await digesting
      if (isCompressing) {
        const buffer = this.#buffer
        const compressing = this.#compression.compress(buffer.subarray(start, start + count))
        this.#buffer = ahead.add({ buffer, count, end: bytes }, compressing)
        await ahead.keepUp()
        continue
      }
      this.#link.frame(this.#buffer, filled, count)
      filled = start + count
      // Bytes that had to be waited for are written without further delay.
      if (!isAtHand || filled + piece > this.#buffer.length) await write()
    }
    if (filled > 0) await write()
    await ahead.catchUp()
    return bytes
  }

  async #writePiece({ buffer, count }: Piece, compressed: CompressedPiece | null): Promise<void> {
    if (compressed) return await this.#write(encode.compressed(compressed), count, compressed.bytes.length)
    this.#link.frame(buffer, 0, count)
    await this.#write(buffer.subarray(0, this.#prefix + count), count)
  }

  /** Writes the frames of `data` bytes, which are `wire` bytes if they are compressed. */
  async #write(frames: Buffer, data: number, wire?: number): Promise<void> {
    const start = performance.now()
    await this.#link.write(frames)
    const now = performance.now()
    this.#wire.add(data, wire)
    this.#compression.wrote(data, now - start, now)
    this.#quick = now - start < QUICK_WRITE ? this.#quick + frames.length : 0
    if (now - this.#lastTurn < TURN) return
    this.#lastTurn = now
    await nextTurn()
  }

  #resize(length: number): void {
    if (this.#buffer.length !== length) this.#buffer = Buffer.allocUnsafeSlow(length)
  }
}
