/**
 * Where a receiver puts bytes: a destination lives as long as the receiver, a store as long as one transfer, a sink as
 * long as one entry. A folder and an output stream are two destinations. Whether a name or a size is wanted has been
 * decided before a store is asked. It says only what it cannot do.
 */
import type { WarningEvent } from '../events.js'
import type { Header } from '../protocol/messages.js'

/** What the user should know of a destination. */
export type Warning = Pick<WarningEvent, 'reason' | 'message'>

export interface Destination {
  /** Whether entries get a name there. */
  readonly hasNames: boolean
  /** Whether it takes a single entry. Then it cannot be opened again after a transfer that has failed. */
  readonly isOnce: boolean
  /** Whether it has been opened. */
  readonly isUsed: boolean
  /** Makes it ready, and finds out before any sender comes whether it can be used. Throws a local-file error if not. */
  prepare(): Promise<Warning[]>
  /** Opens it for one transfer. `signal` is aborted when the transfer fails. */
  open(signal: AbortSignal): Promise<Store>
  /** Removes what this receiver has left there. Called last. Never throws. */
  close(): Promise<void>
}

export interface Store {
  /** Makes ready for one entry. Throws a refusal or a local-file error before any byte of it is taken. */
  begin(header: Header): Promise<Sink>
  /** Gives back what the store holds open. Never throws. */
  close(): Promise<void>
}

/** One entry on its way in. After `commit`, `suspend` or `discard` it is of no use. */
export interface Sink {
  /**
   * Takes the bytes that belong at `offset`, if that needs no waiting; they belong to the caller again when it returns.
   * Returns false if it has taken nothing and `writeLater` must be called instead.
   */
  write(bytes: Buffer, offset: number): boolean
  /** Takes the bytes that belong at `offset`. They must stay as they are until the promise settles. */
  writeLater(bytes: Buffer, offset: number): Promise<void>
  /** Makes everything written durable and gives it its final name. Discards it if that fails. */
  commit(): Promise<StoredAs>
  /** Makes everything written durable and keeps it, without a final name, as long as the receiver runs. */
  suspend(): Promise<void>
  /** Leaves no trace. Never throws. */
  discard(): Promise<void>
}

export interface StoredAs {
  /** The final name, which the peer is told. */
  name: string
  /** The path on this machine, which the peer is not told. */
  path: string
  /** The text of a message, which has neither a name nor a path. */
  text?: string
}
