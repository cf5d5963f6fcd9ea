/** `afterStored`: a function that is called for each file and directory that was stored. */
import { TransferError } from './errors.js'
import { failedEvent } from './event-values.js'
import type { OnEvent, StoredEvent } from './events.js'
import type { ReceiveOptions } from './receive-options.js'
import { printable } from './text.js'

type HooksOptions = Pick<ReceiveOptions, 'afterStored' | 'signal'> & { onEvent: OnEvent }

/** So many calls of `afterStored` may wait. Then transfers wait, too. */
const MAX_HOOKS = 100

/** Runs `afterStored` for one file at a time, while transfers continue. */
export class Hooks {
  settled: Promise<void> = Promise.resolve()
  /** The first failure. All failures have been reported. */
  failure: TransferError | null = null
  #waiting = 0
  readonly #options: HooksOptions

  constructor(options: HooksOptions) {
    this.#options = options
  }

  /** Called for each stored file and directory, not for those in a directory. */
  add(event: StoredEvent): void {
    const { onEvent, afterStored, signal } = this.#options
    if (!afterStored) return
    this.#waiting++
    this.settled = this.settled
      .then(() => afterStored(event))
      .catch((error) => {
        const failure = hookError(error, signal)
        this.failure ??= failure
        onEvent(failedEvent(failure, event))
      })
      .finally(() => this.#waiting--)
  }

  /** A promise as long as too many calls wait. */
  get held(): Promise<void> | undefined {
    return this.#waiting > MAX_HOOKS ? this.settled : undefined
  }
}

/** The error for a call that has failed. One that was interrupted has an error of its own. */
function hookError(error: unknown, signal: AbortSignal | undefined): TransferError {
  if (error instanceof TransferError && (error.code === 'hook' || signal?.aborted)) return error
  const text = error instanceof Error ? error.message : String(error)
  return new TransferError('hook', `afterStored failed: ${printable(text)}`, { cause: error })
}
