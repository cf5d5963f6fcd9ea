/** One connection's worth of work, whoever has made the connection: what is started, and how it went. */
import type { Socket } from 'node:net'
import type { TransferError } from '../errors.js'

/** One connection at work. */
export interface Transfer {
  /** Works until the outcome is known. Never rejects, but for an `onEvent` that throws. */
  run(): Promise<TransferResult>
  /** After `run`: settles when nothing of it is left, where that takes longer. Never rejects. */
  readonly closed?: Promise<void>
  /** Ends it at once for `error`, telling the other side. */
  fail(error: TransferError): void
}

export interface TransferResult {
  /** True once the other side was taken for a partner: from then on a failure is a broken transfer, not a stray connection. */
  admitted: boolean
  files: number
  bytes: number
  /** The first thing that went wrong, on either side. */
  failure: TransferError | null
}

/** What a connection is told about itself. */
export interface Connection {
  socket: Socket
  /** Counts from 1. */
  transfer: number
  peer: string
  /** Called when the other side turns out to be a partner. Throws a refusal if no more transfers are wanted. */
  admit(): void
}
