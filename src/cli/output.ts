/** The output of a command for programs, on stdout or stderr. If it cannot be written, the transfer ends. */
import type { Writable } from 'node:stream'
import { TransferError } from '../errors.js'
import { describe } from '../system-errors.js'
import { standardStreams } from './descriptors.js'

/**
 * The error for output that cannot be written. Its reason is `output`: neither the file that is sent nor the disk that
 * it is stored on is at fault.
 */
export function lostOutputError(doing: string, error: unknown): TransferError {
  return new TransferError('local-file', `${doing}: ${describe(error)}`, {
    reason: 'output',
    peerMessage: 'it cannot write its own output',
    cause: error,
  })
}

/** So many bytes may wait to be written. Then the transfers that cause them wait, too. */
const MAX_WAITING = 1024 * 1024

/** Text on a standard stream. A failed write is never lost: it is passed on at once, and `finish` throws it. */
export class Output {
  readonly #stream: Writable
  readonly #fd: 1 | 2
  readonly #onFailure: (error: TransferError) => void
  #draining: Promise<void> | undefined
  /** The first failure. After it nothing more is written. */
  failure: TransferError | null = null

  /** @param onFailure called once, with the first failure */
  constructor(stream: Writable, fd: 1 | 2, onFailure: (error: TransferError) => void = () => {}) {
    this.#stream = stream
    this.#fd = fd
    this.#onFailure = onFailure
    stream.on('error', (error) => this.#failed(error))
  }

  /** @param onLost called if this text cannot be written */
  write(text: string, onLost: () => void = () => {}): void {
    if (this.failure) {
      onLost()
      return
    }
    this.#stream.write(text, (error) => {
      if (!error) return
      this.#failed(error)
      onLost()
    })
  }

  /** If too much waits to be written, a promise that settles when it is written, or lost. */
  get drained(): Promise<void> | undefined {
    if (this.#stream.writableLength <= MAX_WAITING) return undefined
    this.#draining ??= new Promise<void>((resolve) => {
      this.#stream.write('', () => resolve())
    }).finally(() => {
      this.#draining = undefined
    })
    return this.#draining
  }

  /** Waits until everything is written. Throws the first failure. */
  async finish(): Promise<void> {
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()))
    if (this.failure) throw this.failure
  }

  #failed(error: Error): void {
    if (this.failure) return
    this.failure = lostOutputError(`cannot write to ${standardStreams[this.#fd].name}`, error)
    this.#onFailure(this.failure)
  }
}

/** Lines for people. What nobody reads for long is not kept, but counted. */
export class Lines {
  readonly #stream: Writable
  #dropped = 0

  constructor(stream: Writable) {
    this.#stream = stream
  }

  write(line: string): void {
    if (this.#dropped === 0 && this.#stream.writableLength <= MAX_WAITING) this.#stream.write(line)
    else if (++this.#dropped === 1) this.#stream.write('', () => this.#onDrained())
  }

  #onDrained(): void {
    const count = this.#dropped
    this.#dropped = 0
    this.#stream.write(`(${count} ${count === 1 ? 'line' : 'lines'} left out here, because nobody read them)\n`)
  }
}
