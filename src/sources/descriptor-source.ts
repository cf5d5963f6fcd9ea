/**
 * A descriptor that is already open, such as standard input, as something to send. What can be done depends on what it
 * is: a file is read like a file, only without knowing where it begins; a pipe or socket is read as its bytes come.
 */
import { fstatSync } from 'node:fs'
import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Readable } from 'node:stream'
import { isatty, ReadStream } from 'node:tty'
import { FullReader } from '../disk/full-reader.js'
import { localTrouble } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { CHUNK } from '../protocol/limits.js'
import type { Header } from '../protocol/messages.js'
import { type OpenSource, type Source, streamHeader } from './source.js'
import { StreamSource } from './stream-source.js'

export class DescriptorSource implements Source {
  readonly label: string
  readonly path = '-'
  readonly isOnce = true
  readonly name: string
  readonly #fd: number

  constructor(fd: number, name: string, label: string) {
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
      throw localTrouble('cannot read', this.label, error)
    }
  }

  /** The descriptor is whoever's who opened it. */
  release(): void {}

  async open(signal: AbortSignal): Promise<OpenSource> {
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
class OpenSequence implements OpenSource {
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

/** The bytes of one read of a pipe: what a pipe holds on Linux unless told otherwise (pipe(7)). */
const PIPE_READ = 64 * 1024

/** A read that waits for bytes. */
interface Wanted {
  buffer: Buffer
  offset: number
  length: number
  filled: number
  resolve(count: number): void
  reject(error: unknown): void
}

/**
 * A pipe or socket. Its stream would allocate memory for every read; with `onread` all go into one buffer, and from
 * there to where they are wanted. Reading pauses while nothing is wanted.
 */
export class OpenPipe implements OpenSource {
  readonly header: Header
  readonly #label: string
  readonly #stream: Readable
  readonly #isSocket: boolean
  readonly #signal: AbortSignal
  readonly #buffer: Buffer = Buffer.allocUnsafeSlow(PIPE_READ)
  /** What is in the buffer and was not wanted yet. */
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
    // Node documents `onread` for this constructor too; its types do not have it.
    this.#stream = new Socket({ fd, readable: true, writable: false, onread } as SocketConstructorOpts)
    this.#stream.on('end', () => {
      this.#ended = true
      this.#settle()
    })
    this.#stream.on('error', (error) => this.#fail(localTrouble('cannot read', this.#label, error)))
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
      // What is left of the last read waits no longer for more than what this one brings.
      if (this.#wanted.filled >= CHUNK) this.#schedule()
      this.#stream.resume()
    })
  }

  /** Moves what is at hand to where it is wanted. */
  #take(): void {
    const wanted = this.#wanted
    if (!wanted) return
    const room = wanted.offset + wanted.length
    const count = this.#rest.copy(wanted.buffer, wanted.offset + wanted.filled, 0, room - wanted.offset - wanted.filled)
    wanted.filled += count
    this.#rest = this.#rest.subarray(count)
  }

  /** Several reads come in one turn of the event loop while the producer is ahead; they make one piece. */
  #onBytes(length: number): boolean {
    this.#rest = this.#buffer.subarray(0, length)
    this.#take()
    // A socket's reset must not pass for its end: feed.ts tells why reading stops until the next turn.
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

  /** Gives what was read, all but an incomplete chunk at its end unless that is the last. */
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
    const odd = this.#ended ? 0 : wanted.filled % CHUNK
    if (odd > 0) this.#putBack(wanted, odd)
    wanted.resolve(wanted.filled - odd)
  }

  #putBack({ buffer, offset, filled }: Wanted, odd: number): void {
    const tail = buffer.subarray(offset + filled - odd, offset + filled)
    this.#rest = Buffer.concat([tail, this.#rest])
  }

  #fail(error: unknown): void {
    this.#error ??= error
    this.#settle()
  }

  async check(): Promise<void> {}

  /** Closed, so that a producer that still writes learns of it instead of waiting. */
  async close(): Promise<void> {
    this.#stream.destroy()
  }
}
