/** Makes events, and values in them. */
import type { TransferError } from './errors.js'
import type { ConnectedEvent, FailedEvent, ListeningEvent } from './events.js'
import type { Key } from './keys.js'

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

/** What the event for a listener tells of its keys, or of its code. */
export function keysFacts(
  entrance: { keys(): readonly Key[]; readonly code?: string | undefined } | undefined,
): Pick<ListeningEvent, 'keys' | 'fingerprint' | 'words'> {
  if (entrance?.code !== undefined) return { words: entrance.code }
  const keys = entrance?.keys() ?? []
  const [first, ...others] = keys
  if (!first) return {}
  return others.length > 0 ? { keys: keys.length } : { keys: 1, fingerprint: first.fingerprint }
}

/** What the event for a connection tells of its key. */
export function keyFacts(key: Key | undefined): Pick<ConnectedEvent, 'key' | 'fingerprint'> {
  if (!key) return {}
  return { ...(key.name === null ? {} : { key: key.name }), fingerprint: key.fingerprint }
}
