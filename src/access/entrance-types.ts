/** The interface of an entrance: what comes before a session if this side has a key or a code. */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TransferError } from '../errors.js'
import type { Key } from '../keys.js'
import type { DialOptions } from '../net/dial.js'

/** A connection behind the entrance. */
export interface Entered {
  /** What a link uses. */
  socket: Duplex
  /** The key that both sides have proved. */
  key?: Key
}

/** The entrance for one side with a key or a code. */
export interface Entrance {
  /** The keys that count now. With a code, those that peers have proved it with. */
  keys(): readonly Key[]
  /** The words that the other side must know, if this side has made them. */
  readonly code?: string | undefined
  /** Set once there were too many wrong guesses at the code. Nobody else can come in, and the listener ends with it. */
  readonly burnt?: TransferError | null
  /**
   * Rejects with a TransferError if the peer has not proved a key, and the connection is closed. Resolves with null for
   * a peer that has come and gone without a word.
   */
  accept(socket: Socket, signal: AbortSignal): Promise<Entered | null>
  /** The same for a connection that this side has dialled. */
  dialled(socket: Socket, options: DialOptions): Promise<Entered>
  /** Turns away a peer that has dialled, because there are too many. */
  turnAway(socket: Socket): void
}
