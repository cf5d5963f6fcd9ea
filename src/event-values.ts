/** Makes events, and values in them. */
import type { TransferError } from './errors.js'
import type { FailedEvent } from './events.js'

/** What a failure is about. */
export interface FailedAbout {
  transfer?: number
  name?: string | undefined
  directory?: string | undefined
  kept?: string | null
}

/** The event for a failure. `transfer` is 0 if the failure belongs to no connection. */
export function failedEvent(
  { code, reason, message }: TransferError,
  { transfer = 0, name, directory, kept }: FailedAbout = {},
): FailedEvent {
  const names = { ...(name === undefined ? {} : { name }), ...(directory === undefined ? {} : { directory }) }
  return { event: 'failed', transfer, ...names, code, reason, message, ...(kept ? { kept } : {}) }
}

/** Seconds from `start` to `now` (both a `performance.now()`), to the millisecond. */
export function secondsSince(start: number, now: number = performance.now()): number {
  return Math.round(now - start) / 1000
}
