/** A receipt: lines of `<digest>  <path>` for `b3sum --check`, written as each file is finished, so that an interruption loses none. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { shown } from '../disk/local-error.js'
import type { TransferError } from '../errors.js'
import type { SentEvent, StoredEvent } from '../events.js'
import { outputError } from './output.js'
import { assertReachable } from './working-directory.js'

export class Receipt {
  readonly #path: string
  readonly #onFailure: (error: Error) => void
  #fd: number | null = null
  /** Why a line is missing. */
  failure: TransferError | null = null

  /** @param onFailure called when a line cannot be written */
  constructor(path: string, onFailure: (error: Error) => void) {
    this.#path = path
    this.#onFailure = onFailure
  }

  /** Begins the file anew. */
  open(): void {
    assertReachable([this.#path])
    this.#try(() => {
      this.#fd = openSync(this.#path, 'w')
    })
  }

  add({ blake3, path }: StoredEvent | SentEvent): void {
    try {
      this.#try(() => writeSync(this.#fd as number, receiptLine(blake3, path)))
    } catch (error) {
      this.failure ??= error as TransferError
      this.#onFailure(this.failure)
    }
  }

  /** A file on a network may tell only now that its lines were not written. */
  close(): void {
    const fd = this.#fd
    this.#fd = null
    if (fd !== null) this.#try(() => closeSync(fd))
  }

  #try(call: () => void): void {
    try {
      call()
    } catch (error) {
      throw outputError(`cannot write ${shown(this.#path)}`, error)
    }
  }
}

/** As b3sum and GNU coreutils escape a name: with a backslash before the line, `\\` and `\n` in the name. */
function receiptLine(digest: string, path: string): string {
  const escaped = path.replace(/[\\\n]/g, (character) => (character === '\n' ? '\\n' : '\\\\'))
  return `${escaped === path ? '' : '\\'}${digest}  ${escaped}\n`
}
