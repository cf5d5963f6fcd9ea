/**
 * Reads an open pipe or socket. A plain Node.js stream would allocate memory for every read. With `onread`, all reads
 * go into one buffer, and from there into the buffer of the caller. Reading pauses while the caller wants nothing.
 */
import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Readable } from 'node:stream'
import { localError } from '../disk/local-error.js'
import { CHUNK } from '../protocol/limits.js'
import type { Header } from '../protocol/messages.js'
import type { OpenEntry } from './source.js'

/** The largest read from a pipe, in bytes: the default capacity of a pipe on Linux (pipe(7)). */
const PIPE_READ = 64 * 1024

/** A call of `read` that waits for bytes. */
interface Wanted {
  buffer: Buffer
  offset: number
  length: number
  filled: number
  resolve(count: number): void
  reject(error: unknown): void
}

export class OpenPipe implements OpenEntry {
  readonly header: Header
  readonly #label: string
  readonly #stream: Readable
  readonly #isSocket: boolean
  readonly #signal: AbortSignal
  readonly #buffer: Buffer = Buffer.allocUnsafeSlow(PIPE_READ)
  /** The bytes in the buffer that no call of `read` has taken yet. */
  #rest: Buffer = this.#buffer.subarray(0, 0)
  #wanted: Wanted | null = null
  #turn: NodeJS.Immediate | undefined
  #ended = false
  #error: unknown = null

  constructor(header: Header, label: string, fd: number, isSocket: boolean, signal: AbortSignal) {
    this.header = header
    this.#label = label
    this.#isSocket = isSocket
    this.#signal = signal
    const onread = { buffer: this.#buffer, callback: (count: number) => this.#onBytes(count) }
    // Node.js documents `onread` for this constructor, but its type definitions lack it.
    this.#stream = new Socket({ fd, readable: true, writable: false, onread } as SocketConstructorOpts)
    this.#stream.on('end', () => {
      this.#ended = true
      this.#settle()
    })
    this.#stream.on('error', (error) => this.#fail(localError('cannot read', this.#label, error)))
    signal.addEventListener('abort', () => this.#fail(signal.reason))
    this.#stream.pause()
  }

  read(buffer: Buffer, offset: number, length: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#wanted = { buffer, offset, length, filled: 0, resolve, reject }
      if (this.#signal.aborted) this.#error = this.#signal.reason
      this.#take()
      if (this.#error || this.#ended || this.#wanted.filled === length) {
        this.#settle()
        return
      }
      // Whole chunks left over from the last read wait for more bytes only until the next turn of the event loop.
      if (this.#wanted.filled >= CHUNK) this.#schedule()
      this.#stream.resume()
    })
  }

  /** Moves bytes from `#rest` into the buffer of the caller. */
  #take(): void {
    const wanted = this.#wanted
    if (!wanted) return
    const room = wanted.offset + wanted.length
    const count = this.#rest.copy(wanted.buffer, wanted.offset + wanted.filled, 0, room - wanted.offset - wanted.filled)
    wanted.filled += count
    this.#rest = this.#rest.subarray(count)
  }

  /** While the producer is ahead, several reads come in one turn of the event loop. They make one piece. */
  #onBytes(length: number): boolean {
    this.#rest = this.#buffer.subarray(0, length)
    this.#take()
    // A reset must not pass for the end of a socket: feed.ts explains why reading stops until the next turn.
    if (this.#isSocket || this.#wanted?.filled !== this.#wanted?.length) this.#schedule()
    else this.#settle()
    return this.#rest.length === 0 && !this.#isSocket
  }

  #schedule(): void {
    clearImmediate(this.#turn)
    this.#turn = setImmediate(() => this.#onTurn())
  }

  #onTurn(): void {
    if (this.#wanted && this.#wanted.filled >= CHUNK) this.#settle()
    else if (this.#wanted) this.#stream.resume()
  }

  /** Ends the waiting call of `read`. An incomplete chunk is kept for the next call, unless it is the last chunk. */
  #settle(): void {
    const wanted = this.#wanted
    if (!wanted) return
    if (this.#error) {
      this.#wanted = null
      wanted.reject(this.#error)
      return
    }
    this.#stream.pause()
    this.#wanted = null
    const partial = this.#ended ? 0 : wanted.filled % CHUNK
    if (partial > 0) this.#putBack(wanted, partial)
    wanted.resolve(wanted.filled - partial)
  }

  #putBack({ buffer, offset, filled }: Wanted, count: number): void {
    const tail = buffer.subarray(offset + filled - count, offset + filled)
    this.#rest = Buffer.concat([tail, this.#rest])
  }

  #fail(error: unknown): void {
    this.#error ??= error
    this.#settle()
  }

  async check(): Promise<void> {}

  /** Closes the pipe even before its end, so that a producer that still writes fails instead of waiting. */
  async close(): Promise<void> {
    this.#stream.destroy()
  }
}
