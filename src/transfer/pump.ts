/**
 * Moves bytes from a source to a link. Each piece is read, digested while it is still in the processor's cache, framed
 * and handed to the kernel. The kernel holds megabytes that are on their way, so the network does not wait for a read.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AtHand } from '../at-hand.js'
import type { SenderLink } from '../links/link.js'
import { MAX_DATA } from '../protocol/limits.js'
import type { OpenEntry } from '../sources/source.js'
import { type Algorithm, type Digests, EntryDigest } from './digest.js'
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

  /** @param rate the limit of all pumps of the call */
  constructor(link: DataLink, rate?: Rate) {
    this.#link = link
    this.#rate = rate
    this.#prefix = link.prefix
    this.#piece = this.#prefix + Math.min(FRAME_DATA, rate?.piece ?? FRAME_DATA)
    this.#longest = this.#piece * (rate ? 1 : LONG_WRITE_FRAMES)
    this.#buffer = Buffer.allocUnsafeSlow(this.#piece)
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
    let filled = 0
    const write = async () => {
      await this.#rate?.take(filled, signal)
      await this.#write(filled)
      filled = 0
      onProgress(bytes)
    }
    while (size === null || bytes < size) {
      signal.throwIfAborted()
      if (filled === 0) this.#resize(this.#quick >= QUICK_PROOF && running === 1 ? this.#longest : piece)
      const start = filled + prefix
      const most = Math.min(piece - prefix, (size ?? Number.POSITIVE_INFINITY) - bytes)
      const reading = source.read(this.#buffer, start, most)
      const isAtHand = typeof reading === 'number'
      const count = isAtHand ? reading : await reading
      if (count === 0) break
      bytes += count
      checkGrowing(bytes)
      const digesting = update(this.#buffer.subarray(start, start + count))
      if (digesting) await digesting
      this.#link.frame(this.#buffer, filled, count)
      filled = start + count
      // Bytes that had to be waited for are written without further delay.
      if (!isAtHand || filled + piece > this.#buffer.length) await write()
    }
    if (filled > 0) await write()
    return bytes
  }

  async #write(length: number): Promise<void> {
    const start = performance.now()
    await this.#link.write(this.#buffer.subarray(0, length))
    const now = performance.now()
    this.#quick = now - start < QUICK_WRITE ? this.#quick + length : 0
    if (now - this.#lastTurn < TURN) return
    this.#lastTurn = now
    await nextTurn()
  }

  #resize(length: number): void {
    if (this.#buffer.length !== length) this.#buffer = Buffer.allocUnsafeSlow(length)
  }
}
