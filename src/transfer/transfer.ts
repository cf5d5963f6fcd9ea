/** One connection at work, as the listener and the call see it. */
import type { Socket } from 'node:net'
import type { TransferError } from '../errors.js'
import { type EndedEvent, secondsSince } from '../events.js'

/** A transfer at work over one connection. */
export interface Transfer {
  /** Works until the outcome is known. Rejects only if `onEvent` throws. */
  run(): Promise<TransferResult>
  /** After `run`: settles when nothing of the connection is left, if that takes longer. Never rejects. */
  readonly closed?: Promise<void>
  /** Ends the transfer at once with `error`, and says so to the other side. */
  fail(error: TransferError): void
}

export interface TransferResult {
  /** True once the other side counts as a partner. Before that, a failure is a stray connection and not a broken transfer. */
  admitted: boolean
  files: number
  bytes: number
  /** The first failure, on either side. */
  failure: TransferError | null
  /** True if the transfer has reported its failure as an event. */
  isReported: boolean
}

/** What a connection is told about itself. */
export interface Connection {
  socket: Socket
  /** The number of the connection, from 1. */
  transfer: number
  /** `address:port` of the other side. */
  peer: string
  /**
   * Called when the other side turns out to be a partner. Throws a refusal if no more transfers are wanted. Absent for a
   * connection that this side has dialled: it knows whom it called.
   */
  admit?: (() => void) | undefined
}

/** The event of a transfer that began at `start` (a `performance.now()`) and has ended with `result`. */
export function endedEvent(transfer: number, start: number, { files, bytes, failure }: TransferResult): EndedEvent {
  return { event: 'ended', transfer, files, bytes, complete: failure === null, seconds: secondsSince(start) }
}
