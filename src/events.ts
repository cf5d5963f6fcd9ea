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

/** The event of a transfer that began at `start` (a `performance.now()`) and ended so. */
export function endedEvent(
  transfer: number,
  start: number,
  { files, bytes, failure }: { files: number; bytes: number; failure: TransferError | null },
): EndedEvent {
  return { event: 'ended', transfer, files, bytes, complete: failure === null, seconds: secondsSince(start) }
}

/** Called for every event, in order. What it throws is thrown by the transfer. */
export type OnEvent = (event: TransferEvent) => void

/** Errors that have had their event: one that ends a transfer and the call around it is still news only once. */
const reported = new WeakSet<TransferError>()

/** True if `error` has had its event. */
export function wasReported(error: TransferError): boolean {
  return reported.has(error)
}

/** Reports a failure, once. `transfer` is 0 where it concerns no connection; `name` is the file, where it concerns one. */
export function report(
  onEvent: OnEvent,
  about: { transfer: number; name?: string | undefined },
  error: TransferError,
): void {
  if (reported.has(error)) return
  reported.add(error)
  const { code, reason, message } = error
  onEvent({ event: 'failed', transfer: about.transfer, ...named(about.name), code, reason, message })
}

/** Reports that this side did not take something, once. */
export function reportRefusal(
  onEvent: OnEvent,
  about: { transfer: number; peer: string; name?: string | undefined },
  error: TransferError,
): void {
  if (reported.has(error)) return
  reported.add(error)
  const { transfer, peer, name } = about
  const { code, reason, message } = error
  onEvent({ event: 'refused', transfer, peer, ...named(name), code, reason, message })
}

function named(name: string | undefined): { name?: string } {
  return name === undefined ? {} : { name }
}

/** The least time between two progress events of one file, in milliseconds. */
const PROGRESS_INTERVAL = 200

/** Reports one file's progress, at most every 200 ms. */
export class ProgressReport {
  readonly #report: () => void
  #bytes = 0
  /** Null until the receiver has said how much it has. */
  #received: number | null = null
  #next: number

  constructor(onEvent: OnEvent, file: { transfer: number; name: string; size: number | null }) {
    const { transfer, name, size } = file
    this.#report = () => {
      const received = this.#received === null ? {} : { received: this.#received }
      onEvent({ event: 'progress', transfer, name, bytes: this.#bytes, size, ...received })
    }
    this.#report()
    this.#next = performance.now() + PROGRESS_INTERVAL
  }

  update(bytes: number): void {
    this.#bytes = bytes
    const now = performance.now()
    if (now < this.#next) return
    this.#next = now + PROGRESS_INTERVAL
    this.#report()
  }

  /** The receiver says that it has `bytes`: no more than were sent, and no less than it has said before. */
  received(bytes: number): void {
    this.#received = Math.max(this.#received ?? 0, Math.min(bytes, this.#bytes))
    this.update(this.#bytes)
  }
}

/** Seconds since `start` (a `performance.now()`), to the millisecond. */
export function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000
}
