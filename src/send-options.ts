import type { CodeOptions } from './access/code-options.js'
import type { KeyOptions } from './access/entrance.js'
import type { OfferOptions } from './offer.js'
import type { PeerOptions } from './peers.js'
import type { CompressOptions } from './transfer/compression.js'
import type { RateOptions } from './transfer/rate.js'
import type { RetryOptions } from './transfer/retry.js'
import type { StreamsOptions } from './transfer/streams.js'

/** The options of `send`. A "code" below is the `code` of a TransferError, a "reason" its `reason`. */
export interface SendOptions
  extends OfferOptions,
    PeerOptions,
    RateOptions,
    RetryOptions,
    StreamsOptions,
    KeyOptions,
    CodeOptions,
    CompressOptions {
  /**
   * The receiver to connect to. Default `localhost`. With `listen`: the address to listen on. Default: all interfaces,
   * IPv6 and IPv4. Code `connect` if it cannot be used.
   */
  host?: string | undefined
  /**
   * The port to connect to or, with `listen`, to listen on. 0 lets the system pick a port to listen on, which the event
   * `listening` reports. Code `connect` if the port cannot be used, `usage` if it is not a whole number up to 65535,
   * or is missing.
   */
  port?: number | undefined
  /**
   * With `listen`: the file descriptors of TCP sockets that listen already, such as a service manager passes
   * (sd_listen_fds(3)). They are used instead of `host` and `port`, and each has its own event `listening`. Code
   * `connect` if one of them cannot be used. Default: none.
   */
  sockets?: readonly number[] | undefined
  /** If true, listens and sends to the receivers that connect, instead of connecting to one. Default false. */
  listen?: boolean | undefined
  /**
   * With `listen`: the number of successful transfers after which `send` resolves. Infinity means no end. Default 1.
   * Always 1 if a source can be read only once, such as a stream.
   */
  count?: number | undefined
  /**
   * With `listen`: if true, `send` ends with the outcome of the first transfer, even if that has failed. If false, it
   * waits `timeout` for another try after a failed transfer. Default false.
   */
  oneAttempt?: boolean | undefined
  /**
   * How long to keep trying to connect, in milliseconds. Code `connect` afterwards. Default 0: one attempt. With
   * `listen`: how long to wait for a receiver, in milliseconds. The time starts anew after every transfer; if `count`
   * is Infinity, it covers only the first receiver. Code `timeout` afterwards. Default: no limit.
   */
  wait?: number | undefined
  /**
   * Milliseconds without progress after which a transfer fails with the code `timeout`. Also the limit for one attempt
   * to connect (code `connect`), and for another try after a failed transfer. Default 30,000.
   */
  timeout?: number | undefined
  /**
   * If true, accepts a receiver that confirms an entry without a digest. The entry then counts as not verified. If
   * false, such an entry fails with the code `digest-mismatch`. Default false.
   */
  allowUnverified?: boolean | undefined
  /**
   * If true, sends of a file only what differs from the file of its name at the receiver, if that one will be replaced
   * (`ifExists: 'overwrite'`) and both have at least 1 MiB. Everything else is sent as a whole, also with `plain`.
   * Default false.
   */
  delta?: boolean | undefined
  /** If false, a directory has one event `sent` and the files in it have none. Default true. */
  fileEvents?: boolean | undefined
}
