/** What a listener is told, and what makes it a sender or a receiver. */
import type { Entrance } from '../access/entrance.js'
import type { PlacesOptions } from '../access/places.js'
import type { OnEvent } from '../events.js'
import type { Connection, Session } from './session.js'

export interface ListenerOptions extends PlacesOptions {
  port: number | undefined
  host: string | undefined
  /** The descriptors of sockets that listen already. Used instead of `host` and `port`. */
  sockets?: readonly number[] | undefined
  /** The number of successful transfers after which the listener ends. Infinity means no end. */
  count: number
  /** Milliseconds without a partner after which the listener gives up. Undefined means never. */
  wait: number | undefined
  /** With `count`: how long to wait for another try after a transfer that failed, in milliseconds. */
  timeout: number
  /** How long a transfer may make no progress although its peer is alive, in milliseconds. Infinity means no limit. */
  stall: number
  /** The addresses and networks that may connect. Undefined means all. */
  allowFrom: readonly string[] | undefined
  /** The addresses and networks of proxies that name the peer for which they connect. Undefined means none. */
  proxyFrom: readonly string[] | undefined
  signal: AbortSignal | undefined
  /** When it is aborted, no other transfer begins, and the listener ends with the last one under way. */
  closing?: AbortSignal | undefined
  onEvent: OnEvent
  /** For a side with a key. */
  entrance?: Entrance | undefined
}

/** The differences between a listening sender and a listening receiver. */
export interface Role {
  /** The role of the other side, for messages. */
  partner: 'sender' | 'receiver'
  /** True if no transfer may follow a failed one, or none can because a stream has been read or written. */
  cannotRetry(): boolean
  start(connection: Connection): Session
}
