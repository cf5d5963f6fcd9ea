/**
 * What a transfer reports while it runs. The same objects reach a library's `onEvent` and, one JSON object a line, a
 * reader of `--json`. README.md documents every field; a test compares. Fields are added, never changed: `v` counts a
 * change that would break a reader.
 */
import type { ErrorCode, Reason, TransferError } from './errors.js'

/** The version of the event schema. */
export const EVENTS_VERSION = 1

export interface ListeningEvent {
  event: 'listening'
  /** The address listened on; `::` means every interface. */
  address: string
  port: number
}

/** Nothing is wrong for good: this side waits for another try. */
export interface WaitingEvent {
  event: 'waiting'
  /** Whom it waits for: one that comes back after a transfer that failed, or one that does not listen yet. */
  for: 'sender' | 'receiver'
  /** How long it waits at most. */
  seconds: number
  message: string
}

export interface ConnectedEvent {
  event: 'connected'
  /** Counts this process's connections from 1, to tell several transfers apart. */
  transfer: number
  /** `address:port` of the other side. */
  peer: string
}

export interface ProgressEvent {
  event: 'progress'
  transfer: number
  name: string
  /** Bytes that have passed so far. The first event of a file says 0. */
  bytes: number
  /** All the bytes there will be; null if unknown. */
  size: number | null
  /**
   * For a sender: the bytes that the receiver has said it has. `bytes` runs ahead of it by what both systems hold on the
   * way. Absent until the receiver says so, and with one that never does.
   */
  received?: number
}

export interface StoredEvent {
  event: 'stored'
  transfer: number
  peer: string
  /** The name that the sender offered. */
  name: string
  /** Where it is now, below `--out` as given; `-` for standard output. */
  path: string
  size: number
  blake3: string
  /** The MIME type, by the sender's word. */
  type: string
  /** False if nothing told the whole file from a part of it: a plain stream's end says only that it ended. */
  verified: boolean
  seconds: number
}

/** A message instead of a file (`--text`). Nothing is stored. */
export interface MessageEvent {
  event: 'message'
  transfer: number
  peer: string
  /** As it came: a stranger's text, not fit for a terminal. */
  text: string
}

export interface SentEvent {
  event: 'sent'
  transfer: number
  /** The local path as given; `-` for a stream. */
  path: string
  /** The name that was offered. */
  name: string
  /** The name under which the receiver stored it; empty if it does not say, as a plain one, or for a message. */
  storedAs: string
  size: number
  blake3: string
  type: string
  /** True if the receiver has confirmed it: complete, compared, durable. A plain receiver confirms nothing. */
  verified: boolean
  seconds: number
}

export interface RefusedEvent {
  event: 'refused'
  transfer: number
  peer: string
  /** The file, where one was named. */
  name?: string
  /** `refused`, unless the peer was turned away for another failure before it had offered anything. */
  code: ErrorCode
  reason: Reason
  message: string
}

export interface FailedEvent {
  event: 'failed'
  transfer: number
  name?: string
  code: ErrorCode
  reason: Reason
  message: string
}

/** A connection that had its event `connected` is over. */
export interface EndedEvent {
  event: 'ended'
  transfer: number
  /** Files stored, or sent and confirmed, over this connection. */
  files: number
  bytes: number
  /** True if nothing failed, and nothing was refused. */
  complete: boolean
  seconds: number
}

/** Nothing has failed, but a protection is missing that there is elsewhere. */
export interface WarningEvent {
  event: 'warning'
  /** What it is about, for a program: `no-permissions`, if other users can get at what is being received. */
  reason: 'no-permissions'
  message: string
}

export interface DoneEvent {
  event: 'done'
  /** Files stored, or sent and confirmed. */
  files: number
  bytes: number
  seconds: number
  exitCode: number
}

export type TransferEvent =
  | ListeningEvent
  | WaitingEvent
  | ConnectedEvent
  | ProgressEvent
  | StoredEvent
  | MessageEvent
  | SentEvent
  | RefusedEvent
  | FailedEvent
  | EndedEvent
  | WarningEvent
  | DoneEvent

/** Called for every event, in order. What it throws is thrown by the transfer. */
export type OnEvent = (event: TransferEvent) => void

/** The event for a failure. `transfer` is 0 if it concerns no connection; `name` is the file, if it concerns one. */
export function failedEvent(
  { code, reason, message }: TransferError,
  { transfer = 0, name }: { transfer?: number; name?: string | undefined } = {},
): FailedEvent {
  return { event: 'failed', transfer, ...(name === undefined ? {} : { name }), code, reason, message }
}

/** Seconds since `start` (a `performance.now()`), to the millisecond. */
export function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000
}
