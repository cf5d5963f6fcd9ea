/** `receive`, from options to summary: does for a program what `tcp-recv` does for a user. */
import type { Writable } from 'node:stream'
import { defaults } from './defaults.js'
import { asTransferError, TransferError } from './errors.js'
import { failedEvent, type OnEvent, type StoredEvent } from './events.js'
import { FramedReceiverLink } from './links/framed-receiver-link.js'
import type { ReceiverLink } from './links/link.js'
import { PlainReceiverLink } from './links/plain-receiver-link.js'
import { DIRECTORIES, type Heartbeat, KEPT_DIRECTORIES } from './protocol/messages.js'
import { createDestination } from './stores/create-destination.js'
import type { IfExists } from './stores/final-name.js'
import type { Destination } from './stores/store.js'
import { runToSummary, type Summary } from './summary.js'
import { call } from './transfer/call.js'
import { createDigest } from './transfer/digest.js'
import type { Expectation } from './transfer/expectation.js'
import { Listener } from './transfer/listener.js'
import type { Policy } from './transfer/policy.js'
import { Receiver } from './transfer/receiver.js'
import { ReceiverSession } from './transfer/receiver-session.js'
import type { Connection, Session, TransferResult } from './transfer/session.js'
import { TransferReport } from './transfer/transfer-report.js'

/**
 * The options of `receive`. A "code" below is the `code` of a TransferError, a "reason" its `reason`. The event
 * `refused` reports a refused entry. The transfer then counts as failed, except with the reason `skipped`.
 */
export interface ReceiveOptions {
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
  /** With `plain`: the name to store files under. Default `received`, with an extension if the content shows one. */
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
  /** When listening: the maximum number of simultaneous connections. Others are refused. Default 256. */
  maxConnections?: number | undefined
  /**
   * Called after each stored file or directory, one call at a time; not for each file in a directory. `receive` waits for all calls before it settles. If a call
   * rejects, the stored file stays, the event `failed` reports the error, and `receive` rejects with the first such
   * error, unless it rejects for another reason. Default: none.
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

/**
 * Receives until `count` transfers have succeeded, or one with `connect`. Rejects with a TransferError if it cannot
 * listen or connect, if `out` cannot be used, if `wait` has passed, if `signal` is aborted, if the transfer has failed
 * (`connect`, `oneAttempt`), or if no other transfer has followed a failed one within `timeout` (`count`).
 */
export async function receive(options: ReceiveOptions): Promise<Summary> {
  const { onEvent = () => {}, out, ifExists = defaults.ifExists, expect, maxSize = Number.MAX_SAFE_INTEGER } = options
  const totals = { files: 0, bytes: 0 }
  return await runToSummary(onEvent, totals, async () => {
    if ((expect?.size ?? 0) > maxSize)
      throw new TransferError('usage', 'the expected size is beyond the largest allowed')
    // Loads the digest before the first connection. Later, connections may have taken the descriptors that this needs.
    await createDigest()
    const destination = createDestination(out, ifExists)
    for (const warning of await destination.prepare()) onEvent({ event: 'warning', ...warning })
    const hooks = new Hooks(onEvent, options.afterStored)
    const observed = { ...options, onEvent: hooks.onEvent }
    try {
      const failure = await (options.connect ? dial : listen)(destination, observed, totals)
      await hooks.settled
      return failure ?? hooks.failure
    } finally {
      await hooks.settled
      await destination.close()
    }
  })
}

/** The options, with an `onEvent` that is always set. */
type Observed = ReceiveOptions & { onEvent: OnEvent }

/** Runs `afterStored` for one file at a time, while transfers continue. */
class Hooks {
  readonly onEvent: OnEvent
  settled: Promise<void> = Promise.resolve()
  /** The first failure. All failures have been reported. */
  failure: TransferError | null = null

  constructor(onEvent: OnEvent, afterStored: ReceiveOptions['afterStored']) {
    this.onEvent = (event) => {
      onEvent(event)
      if (event.event !== 'stored' || event.directory !== undefined || !afterStored) return
      const run = () => afterStored(event)
      this.settled = this.settled.then(run).catch((error) => {
        const failure = asTransferError(error)
        this.failure ??= failure
        onEvent(failedEvent(failure, event))
      })
    }
  }
}

type Totals = Pick<TransferResult, 'files' | 'bytes'>

async function listen(destination: Destination, options: Observed, totals: Totals): Promise<TransferError | null> {
  const { host, port, sockets, wait, signal, timeout = defaults.timeout, oneAttempt = false, onEvent } = options
  const { count = Number.POSITIVE_INFINITY, maxConnections = defaults.maxConnections } = options
  const isOnce = destination.isOnce || oneAttempt
  const listener = new Listener(
    { host, port, sockets, wait, signal, timeout, maxConnections, onEvent, count: isOnce ? 1 : count },
    {
      partner: 'sender',
      cannotRetry: () => oneAttempt || (destination.isOnce && destination.isUsed),
      start: (connection) => start(destination, options, connection),
    },
  )
  try {
    return await listener.run()
  } finally {
    Object.assign(totals, { files: listener.files, bytes: listener.bytes })
  }
}

async function dial(destination: Destination, options: Observed, totals: Totals): Promise<TransferError | null> {
  const { host = defaults.host, port, wait = defaults.wait, timeout = defaults.timeout, onEvent } = options
  const signal = options.signal ?? new AbortController().signal
  const { admitted, files, bytes, failure, lastReported } = await call(
    { host, port, wait, timeout, signal, onEvent, partner: 'sender' },
    (connection) => start(destination, options, connection),
  )
  Object.assign(totals, { files, bytes })
  if (failure && !lastReported) throw failure
  if (!failure && !admitted) {
    throw new TransferError('incomplete', 'the sender had nothing to send', { reason: 'broken' })
  }
  return failure
}

/** One transfer into the destination over one connection. */
function start(destination: Destination, options: Observed, connection: Connection): Session {
  const { socket, admit, transfer, peer } = connection
  const report = new TransferReport({ onEvent: options.onEvent, transfer, peer, fileEvents: options.fileEvents })
  const receiver = new Receiver({ policy: policyOf(destination, options), destination, report, admit })
  return new ReceiverSession(receiver, (progress) => createLink(socket, destination, options, progress))
}

function createLink(
  socket: Connection['socket'],
  { hasNames }: Destination,
  options: Observed,
  progress: () => Heartbeat,
): ReceiverLink {
  const { plain = false, name, expect, timeout = defaults.timeout } = options
  // A stream has no place for what is kept.
  const features = [DIRECTORIES, ...(hasNames ? [KEPT_DIRECTORIES] : [])]
  return plain
    ? new PlainReceiverLink(socket, { name, size: expect?.size, timeout })
    : new FramedReceiverLink(socket, { timeout, features, progress })
}

function policyOf({ hasNames }: Destination, options: Observed): Policy {
  const { accept = [], maxSize = Number.MAX_SAFE_INTEGER, maxFiles = defaults.maxFiles } = options
  const { maxDepth = defaults.maxDepth, textOnly = false } = options
  const { plain = false, expect = {}, allowHidden = false, allowUnverified = false } = options
  return {
    accept,
    maxSize,
    maxFiles,
    maxDepth,
    takesFiles: !textOnly,
    takesMessages: hasNames || textOnly,
    hasNames,
    names: { allowHidden, platform: process.platform },
    allowUnverified: plain || allowUnverified,
    expect: plain ? expect : {},
  }
}
