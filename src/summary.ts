/** The end of one call of the library: the event `done` and the summary. */
import { asTransferError, type TransferError } from './errors.js'
import { failedEvent, secondsSince } from './event-values.js'
import type { OnEvent } from './events.js'

/** The result of a successful call of `send` or `receive`. */
export interface Summary {
  /** The number of files stored, or of files and messages sent; of what is kept, that of files and directories. */
  files: number
  /** Their total size in bytes. */
  bytes: number
  /** The duration of the call in seconds, to the millisecond. */
  seconds: number
}

/**
 * Runs `work`, emits the event `done`, and rejects if `work` has failed. `work` returns null or a failure that it has
 * reported. If it throws, the error is reported here.
 */
export async function runToSummary(
  onEvent: OnEvent,
  totals: { files: number; bytes: number },
  work: () => Promise<TransferError | null>,
): Promise<Summary> {
  const start = performance.now()
  const failure = await work().catch((error) => {
    const unreported = asTransferError(error)
    onEvent(failedEvent(unreported))
    return unreported
  })
  const { files, bytes } = totals
  const seconds = secondsSince(start)
  onEvent({ event: 'done', files, bytes, seconds, exitCode: failure?.exitCode ?? 0 })
  if (failure) throw failure
  return { files, bytes, seconds }
}
