/** What a command prints for programs, on a standard stream. What cannot be written ends the transfer. */
import type { Writable } from 'node:stream'
import { TransferError } from '../errors.js'
import { describe } from '../system-errors.js'
import { standardStreams } from './descriptors.js'

/** This side cannot tell its user any more; that is no matter of the file that is sent, or of the disk that it is stored on. */
export function outputError(doing: string, error: unknown): TransferError {
  return new TransferError('local-file', `${doing}: ${describe(error)}`, {
    reason: 'output',
    peerMessage: 'it cannot write its own output',
    cause: error,
  })
}

export class Output {
  readonly #stream: Writable
  readonly #fd: 1 | 2
  readonly #onFailure: (error: TransferError) => void
  /** Why no more can be written. */
  failure: TransferError | null = null

  /** @param onFailure called once, with the first failure */
  constructor(stream: Writable, fd: 1 | 2, onFailure: (error: TransferError) => void = () => {}) {
    this.#stream = stream
    this.#fd = fd
    this.#onFailure = onFailure
    stream.on('error', (error) => this.#failed(error))
  }

  /** @param onLost called if it cannot be written */
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

  /** Waits until all is written; throws if anything was not. */
  async finish(): Promise<void> {
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()))
    if (this.failure) throw this.failure
  }

  #failed(error: Error): void {
    if (this.failure) return
    this.failure = outputError(`cannot write to ${standardStreams[this.#fd].name}`, error)
    this.#onFailure(this.failure)
  }
}
