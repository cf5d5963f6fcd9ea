/** The frame of one call of the library: its work, the event `done` and a summary. */
import { asTransferError, type TransferError } from './errors.js'
import { failedEvent, type OnEvent, secondsSince } from './events.js'

export interface Summary {
  files: number
  bytes: number
  /** To the millisecond. */
  seconds: number
}

/**
 * Runs `work` and ends with the event `done`. `work` returns a failure that has been reported, or null; what it throws
 * is reported here. Rejects with the failure.
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
