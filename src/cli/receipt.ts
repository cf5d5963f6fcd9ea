/**
 * `--receipt`: writes a line `<digest>  <path>` for `b3sum --check` when each file is finished. The line is written at
 * once, so an interruption loses no line of a finished file.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { shown } from '../disk/local-error.js'
import type { TransferError } from '../errors.js'
import type { SentEvent, StoredEvent } from '../events.js'
import { checksumLine } from '../text.js'
import { lostOutputError } from './output.js'
import { assertReachable } from './working-directory.js'

export class Receipt {
  readonly #path: string
  readonly #onFailure: (error: Error) => void
  #fd: number | null = null
  /** The first error that kept a line from being written. */
  failure: TransferError | null = null

  /** @param onFailure called each time a line cannot be written, with the first error */
  constructor(path: string, onFailure: (error: Error) => void) {
    this.#path = path
    this.#onFailure = onFailure
  }

  /** Creates the file, or empties an existing one. Throws a `local-file` error on failure. */
  open(): void {
    assertReachable([this.#path])
    this.#try(() => {
      this.#fd = openSync(this.#path, 'w')
    })
  }

  /** Writes the line of a finished file. A failure is passed to `onFailure`. */
  add({ blake3, path }: StoredEvent | SentEvent): void {
    try {
      this.#try(() => writeSync(this.#fd as number, checksumLine(blake3, path)))
    } catch (error) {
      this.failure ??= error as TransferError
      this.#onFailure(this.failure)
    }
  }

  /** Closes the file. Throws a `local-file` error: a network file system may report failed writes only here. */
  close(): void {
    const fd = this.#fd
    this.#fd = null
    if (fd !== null) this.#try(() => closeSync(fd))
  }

  #try(call: () => void): void {
    try {
      call()
    } catch (error) {
      throw lostOutputError(`cannot write ${shown(this.#path)}`, error)
    }
  }
}
