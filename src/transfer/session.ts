/** A transfer at work over one connection, as the listener and the call see it. */
import type { Duplex } from 'node:stream'
import { type Motion, watchStall } from '../access/motion.js'
import type { Refusals } from '../access/refusals.js'
import { TransferError } from '../errors.js'
import { secondsSince } from '../event-values.js'
import type { EndedEvent } from '../events.js'
import type { Key } from '../keys.js'
import { Bundle } from '../links/bundle.js'
import { Surplus } from './streams.js'

/** A transfer at work over one connection. */
export interface Session {
  /** Runs until the outcome is known. Rejects only if `onEvent` throws. */
  run(): Promise<TransferResult>
  /** After `run`: resolves when the connection and its files are closed, if that takes longer. Never rejects. */
  readonly closed?: Promise<void>
  /** Ends the transfer at once with `error`, and tells the peer. */
  fail(error: TransferError): void
  /** After `run`: set if the connection has broken, and the transfer can go on over another one. */
  readonly broken?: Broken | null
  readonly motion: Pick<Motion, 'idle' | 'hasBegun'>
  /** True if its connection has become one of a bundle. Another session runs over that. */
  readonly isLane: boolean
}

/** A connection that has broken. */
export interface Broken {
  /** Why. It was not reported. */
  error: TransferError
  /** Grows with all that has reached the other side for good. */
  progress: number
  /** Reports that the transfer does not go on. */
  giveUp(error: TransferError): void
}

export interface TransferResult {
  /** True once the other side counts as a partner. A connection that fails before is no broken transfer. */
  admitted: boolean
  files: number
  bytes: number
  /** The first failure, on either side. */
  failure: TransferError | null
  /** The failure that the transfer has reported last as an event. The failure of its connection is always the last. */
  lastReported: TransferError | null
}

/** A connection, with the facts that its transfer needs. */
export interface Connection {
  socket: Duplex
  /** The number of the connection, from 1. */
  transfer: number
  /** `address:port` of the other side. */
  peer: string
  /** The key that both sides have proved. Absent if this side has none. */
  key?: Key
  /**
   * Called when the other side turns out to be a partner. Throws a refusal if no more transfers are wanted. Absent for
   * a connection that this side has dialled.
   */
  admit?: (() => void) | undefined
  /** Takes the events before `admit`. Absent for a connection that this side has dialled. */
  refusals?: Refusals | undefined
  /** Absent for a bundle. */
  more?: More | undefined
}

/** What makes a bundle of a connection. */
export interface More {
  /** Absent if the other side has dialled. */
  dialling?: Dialling
  /** Runs a session over the bundle. */
  enter(bundle: Bundle): void
}

export interface Dialling {
  /** How long it took, in milliseconds. */
  rtt: number
  /** Connects once more. */
  dial(signal: AbortSignal): Promise<{ socket: Duplex }>
}

/** True if the failure of a connection is a break, after which a transfer may go on over another one. */
export function isBreak({ reason }: TransferError): boolean {
  return reason === 'broken' || reason === 'timeout'
}

/** True if a sender may want to complete later what such a failure has ended. */
export function isUnfinished({ reason }: TransferError): boolean {
  return ['broken', 'aborted', 'interrupted', 'timeout', 'busy', 'damaged'].includes(reason)
}

/**
 * True if the failure of a connection is not reported: one that came and went without a byte (a port scan, a health
 * check), or the error with which this side ends, which is reported once. A connection that is refused as one too many is
 * reported, unless it is only more than its transfer may have.
 */
export function isUnreported(
  { admitted }: TransferResult,
  { hasHeard }: { hasHeard: boolean },
  error: TransferError,
  stopped: TransferError | null,
): boolean {
  if (admitted) return false
  if (error instanceof Surplus) return true
  return (!hasHeard && error.reason === 'broken') || (error === stopped && error.reason !== 'busy')
}

/** The event for the end of a transfer over `socket`. `start` is the `performance.now()` of its start. */
export function endedEvent(
  transfer: number,
  start: number,
  { files, bytes, failure }: TransferResult,
  socket: Duplex,
): EndedEvent {
  const connections = socket instanceof Bundle && socket.most > 1 ? { connections: socket.most } : {}
  const facts = { files, bytes, complete: failure === null, ...connections }
  return { event: 'ended', transfer, ...facts, seconds: secondsSince(start) }
}

/**
 * Runs a transfer, and ends it if it makes no progress for `stall` milliseconds although its peer is alive. Until the
 * peer has said what it wants, it has less time anyway.
 */
export async function runWatched(
  session: Session,
  stall: number,
  partner: 'sender' | 'receiver',
): Promise<TransferResult> {
  const { motion } = session
  const text = `no progress for ${stall / 1000} seconds`
  const stop = watchStall(
    // The session over the bundle has a watch of its own, and knows when this side is at work itself.
    () => (motion.hasBegun && !session.isLane ? motion.idle : 0),
    stall,
    () => {
      const message = `${text}, although the ${partner} is alive (--stall)`
      session.fail(new TransferError('timeout', message, { peerMessage: `${text} (--stall)` }))
    },
  )
  try {
    return await session.run()
  } finally {
    stop()
  }
}
