/** `afterStored`: a function that is called for each file and directory that was stored. */
import { TransferError } from './errors.js'
import { failedEvent } from './event-values.js'
import type { OnEvent } from './events.js'
import type { ReceiveOptions } from './receive-options.js'
import { printable } from './text.js'

/** So many calls of `afterStored` may wait. Then transfers wait, too. */
const MAX_HOOKS = 100

/** Runs `afterStored` for one file at a time, while transfers continue. */
export class Hooks {
  readonly onEvent: OnEvent
  settled: Promise<void> = Promise.resolve()
  /** The first failure. All failures have been reported. */
  failure: TransferError | null = null
  #waiting = 0

  constructor({ onEvent, afterStored, signal }: Pick<ReceiveOptions, 'afterStored' | 'signal'> & { onEvent: OnEvent }) {
    this.onEvent = (event) => {
      const drained = onEvent(event)
      if (event.event !== 'stored' || event.directory !== undefined || !afterStored) return drained
      const run = async () => await afterStored(event)
      this.#waiting++
      this.settled = this.settled
        .then(run)
        .catch((error) => {
          const failure = hookError(error, signal)
          this.failure ??= failure
          onEvent(failedEvent(failure, event))
        })
        .finally(() => this.#waiting--)
      return this.#waiting > MAX_HOOKS ? this.settled : drained
    }
  }
}

/** The error for a call that has failed. One that was interrupted has an error of its own. */
function hookError(error: unknown, signal: AbortSignal | undefined): TransferError {
  if (error instanceof TransferError && (error.code === 'hook' || signal?.aborted)) return error
  const text = error instanceof Error ? error.message : String(error)
  return new TransferError('hook', `afterStored failed: ${printable(text)}`, { cause: error })
}
