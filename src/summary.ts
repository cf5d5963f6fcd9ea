/** The frame of one call of the library: its work, the event `done` and a summary. */
import { asTransferError, type TransferError } from './errors.js'
import { type OnEvent, report } from './events.js'

export interface Summary {
  files: number
  bytes: number
  seconds: number
}

/** Runs `work` to its summary: a failure that had no event yet gets one, and `done` is the last event in any case. */
export async function conclude(
  onEvent: OnEvent,
  tally: { files: number; bytes: number },
  work: () => Promise<void>,
): Promise<Summary> {
  const start = performance.now()
  let failure: TransferError | null = null
  try {
    await work()
  } catch (error) {
    failure = asTransferError(error)
    report(onEvent, { transfer: 0 }, failure)
  }
  const { files, bytes } = tally
  const seconds = Math.round(performance.now() - start) / 1000
  onEvent({ event: 'done', files, bytes, seconds, exitCode: failure?.exitCode ?? 0 })
  if (failure) throw failure
  return { files, bytes, seconds }
}
