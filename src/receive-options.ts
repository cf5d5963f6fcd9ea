/** The options of `receive`, which the options of `tcp-recv` become. */
import type { Writable } from 'node:stream'
import type { CodeOptions } from './access/code-options.js'
import type { KeyOptions } from './access/entrance.js'
import type { OnEvent, StoredEvent } from './events.js'
import type { PeerOptions } from './peers.js'
import type { IfExists } from './stores/final-name.js'
import type { Expectation } from './transfer/expectation.js'
import type { RateOptions } from './transfer/rate.js'
import type { RetryOptions } from './transfer/retry.js'
import type { StreamsOptions } from './transfer/streams.js'

/**
 * The options of `receive`. A "code" below is the `code` of a TransferError, a "reason" its `reason`. The event
 * `refused` reports a refused entry. The transfer then counts as failed, except with the reason `skipped`.
 */
export interface ReceiveOptions
  extends PeerOptions,
    RateOptions,
    RetryOptions,
    StreamsOptions,
    KeyOptions,
    CodeOptions {
  /**
   * The port to listen on or, with `connect`, to connect to. 0 lets the system pick a port to listen on, which the
   * event `listening` reports. Code `connect` if the port cannot be used, `usage` if it is not a whole number up to
   * 65535, or is missing.
   */
  port?: number | undefined
  /**
   * When listening: the file descriptors of TCP sockets that listen already, such as a service manager passes
   * (sd_listen_fds(3)). They are used instead of `host` and `port`, and each has its own event `listening`. Code
   * `connect` if one of them cannot be used. Default: none.
   */
  sockets?: readonly number[] | undefined
  /**
   * The address to listen on. Default: all interfaces, IPv6 and IPv4. With `connect`: the sender to connect to. Default
   * `localhost`. Code `connect` if it cannot be used.
   */
  host?: string | undefined
  /** If true, connects to a sender that listens, for one transfer, instead of listening. Default false. */
  connect?: boolean | undefined
  /**
   * A folder to store in, which is created if it is missing, or a stream, which takes one file and stays open. Code
   * `local-file` if it cannot be used.
   */
  out: string | Writable
  /**
   * If true, receives without the protocol, from peers such as `nc`: all bytes of a connection up to the end of the
   * stream are one file. Only `expect` can then show that a file is complete. Default false.
   */
  plain?: boolean | undefined
  /** `never` lets no sender compress, whatever it wants. Default `auto`. */
  compress?: 'auto' | 'never' | undefined
  /**
   * With `plain`: the name to store files under. Code `usage` if no file can be stored under it. Default `received`, with
   * an extension if the content shows one.
   */
  name?: string | undefined
  /**
   * With `plain`: the size and digest that every file must have. Any other file is not stored and fails with the code
   * `incomplete` or `digest-mismatch`. Code `usage` if the size exceeds `maxSize`. Default: any size and digest.
   */
  expect?: Expectation | undefined
  /** If true, accepts only messages and refuses files with the reason `policy`. Default false. */
  textOnly?: boolean | undefined
  /**
   * When listening: the number of successful transfers after which `receive` resolves. Default: no end. Always 1 if
   * `out` is a stream.
   */
  count?: number | undefined
  /**
   * When listening: if true, `receive` ends with the outcome of the first transfer, even if that has failed. If false
   * and there is a `count`, it waits `timeout` for another try after a failed transfer. Default false.
   */
  oneAttempt?: boolean | undefined
  /**
   * How long to wait for a sender, in milliseconds. With a `count`, the time starts anew after every transfer; without,
   * it covers only the first sender. Code `timeout` afterwards. Default: no limit. With `connect`: how long to keep
   * trying to connect, in milliseconds. Code `connect` afterwards. Default 0: one attempt.
   */
  wait?: number | undefined
  /**
   * Milliseconds without progress after which a transfer fails with the code `timeout`. Also the limit for one attempt
   * to connect (code `connect`), and for another try after a failed transfer. Default 30,000.
   */
  timeout?: number | undefined
  /**
   * If true, what comes with a key is stored in a folder inside `out` that has the name of the key. Code `usage` if a key
   * has no name, or `out` is a stream. Default false.
   */
  perKeyFolder?: boolean | undefined
  /**
   * How long to keep what was not completed, in milliseconds, so that its sender can go on with it. 0 keeps nothing. What
   * is kept counts as free space: it gives way to files that need its place. Default 604,800,000, a week.
   */
  keepPartial?: number | undefined
  /** What to do if the name of a file is taken. Default `backup`. */
  ifExists?: IfExists | undefined
  /**
   * If true, accepts names that begin with a dot. If false, refuses them with the reason `name`, because such files can
   * change what programs do. Default false.
   */
  allowHidden?: boolean | undefined
  /** The accepted MIME types and patterns such as `image/*`. Other files are refused (reason `type`). Default: all. */
  accept?: readonly string[] | undefined
  /**
   * If true, accepts files whose sender sends no digest. They count as not verified. If false, they fail with the code
   * `digest-mismatch`. Default false.
   */
  allowUnverified?: boolean | undefined
  /** The maximum size of a file, in bytes. Larger files are refused (reason `too-large`). Default: the free space. */
  maxSize?: number | undefined
  /**
   * The maximum number of entries in one transfer. Everything in a directory counts,
   * too. A larger transfer is refused (reason `files`). Default 1,000,000.
   */
  maxFiles?: number | undefined
  /** The maximum number of directories inside each other. A deeper one is refused (reason `files`). Default 32. */
  maxDepth?: number | undefined
  /**
   * Called after each stored file or directory, one call at a time; not for each file in a directory. `receive` waits for
   * all calls before it settles. If a call throws or rejects, the stored file stays, the event `failed` reports the error
   * with the code `hook`, and `receive` rejects with the first such error, unless it rejects for another reason.
   * Default: none.
   */
  afterStored?: ((event: StoredEvent) => Promise<void>) | undefined
  /** If false, a directory has one event `stored` and the files in it have none. Default true. */
  fileEvents?: boolean | undefined
  /**
   * Aborting it ends all transfers at once and tells the senders. `receive` then rejects with the reason of the signal
   * if that is a TransferError, otherwise with the code `interrupted`. Default: none.
   */
  signal?: AbortSignal | undefined
  /** Called for every event, in order. If it throws, `receive` rejects. Default: none. */
  onEvent?: OnEvent | undefined
}
