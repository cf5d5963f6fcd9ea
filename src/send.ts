/** `send`, from options to summary: does for a program what `tcp-send` does for a user. */
import { defaults } from './defaults.js'
import { asTransferError, type TransferError } from './errors.js'
import { failedEvent } from './events.js'
import { FramedSenderLink } from './links/framed-sender-link.js'
import { PlainSenderLink } from './links/plain-sender-link.js'
import { type OfferOptions, withOffer } from './offer.js'
import type { Entry, Source } from './sources/source.js'
import { runToSummary, type Summary } from './summary.js'
import { shellWord } from './text.js'
import { call } from './transfer/call.js'
import { Listener } from './transfer/listener.js'
import { Sender } from './transfer/sender.js'
import { SenderSession } from './transfer/sender-session.js'
import type { Connection, Session, TransferResult } from './transfer/session.js'
import { TransferReport } from './transfer/transfer-report.js'

/** The options of `send`. A "code" below is the `code` of a TransferError, a "reason" its `reason`. */
export interface SendOptions extends OfferOptions {
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
  /** With `listen`: the maximum number of simultaneous connections. Others are refused. Default 256. */
  maxConnections?: number | undefined
  /**
   * If true, accepts a receiver that confirms an entry without a digest. The entry then counts as not verified. If
   * false, such an entry fails with the code `digest-mismatch`. Default false.
   */
  allowUnverified?: boolean | undefined
  /** If false, a directory has one event `sent` and the files in it have none. Default true. */
  fileEvents?: boolean | undefined
}

/**
 * Sends every source. Resolves only when the receiver has confirmed every source: it is complete, verified, durable,
 * and has its final name (`plain` and `allowUnverified` promise less). Otherwise rejects with the TransferError of the
 * first failure. The events show which of the other sources were sent.
 */
export async function send(options: SendOptions): Promise<Summary> {
  const { onEvent = () => {} } = options
  const totals = { files: 0, bytes: 0 }
  return await runToSummary(onEvent, totals, async () => {
    return await withOffer(options, asStream(options), async ({ offered, failure }) => {
      const ready = offered.map(({ source }) => source)
      const later = ready.length > 0 ? await sendReady(ready, options, totals, failure) : null
      return failure ?? later
    })
  })
}

/**
 * Sends the sources. If there is an earlier failure, returns that one, and only reports a failure of the connection.
 */
async function sendReady(
  sources: readonly Source[],
  options: SendOptions,
  totals: Totals,
  earlier: TransferError | null,
): Promise<TransferError | null> {
  try {
    return await (options.listen ? listen : dial)(sources, options, totals)
  } catch (error) {
    if (!earlier) throw error
    options.onEvent?.(failedEvent(asTransferError(error)))
    return earlier
  }
}

type Totals = Pick<TransferResult, 'files' | 'bytes'>

async function dial(sources: readonly Source[], options: SendOptions, totals: Totals): Promise<TransferError | null> {
  const { host = defaults.host, port, wait = defaults.wait, timeout = defaults.timeout, onEvent = () => {} } = options
  const signal = options.signal ?? new AbortController().signal
  const { files, bytes, failure } = await call(
    { host, port, wait, timeout, signal, onEvent, partner: 'receiver' },
    (connection) => start(sources, options, connection),
  )
  Object.assign(totals, { files, bytes })
  return failure
}

async function listen(sources: readonly Source[], options: SendOptions, totals: Totals): Promise<TransferError | null> {
  const {
    host,
    port,
    sockets,
    wait,
    signal,
    timeout = defaults.timeout,
    oneAttempt = false,
    onEvent = () => {},
  } = options
  const { count = defaults.sendCount, maxConnections = defaults.maxConnections } = options
  const isOnce = oneAttempt || sources.some((source) => source.isOnce)
  const listener = new Listener(
    { host, port, sockets, wait, signal, timeout, maxConnections, onEvent, count: isOnce ? 1 : count },
    {
      partner: 'receiver',
      cannotRetry: () => isOnce,
      start: (connection) => start(sources, options, connection),
    },
  )
  try {
    return await listener.run()
  } finally {
    Object.assign(totals, { files: listener.files, bytes: listener.bytes })
  }
}

/** One transfer of all sources over one connection. */
function start(sources: readonly Source[], options: SendOptions, connection: Connection): Session {
  const { plain = false, timeout = defaults.timeout, expect = {}, onEvent = () => {} } = options
  const { socket, admit, transfer, peer } = connection
  const report = new TransferReport({ onEvent, transfer, peer, fileEvents: options.fileEvents })
  const link = plain
    ? new PlainSenderLink(socket, timeout)
    : new FramedSenderLink(socket, { timeout, isAccepted: admit !== undefined })
  const allowUnverified = plain || options.allowUnverified === true
  return new SenderSession(new Sender({ entries: entriesOf(sources), report, expect, allowUnverified, admit }), link)
}

async function* entriesOf(sources: readonly Source[]): AsyncGenerator<Entry> {
  for (const source of sources) yield* source.entries()
}

/** Returns the command that sends standard input under a name to the same receiver, for hints in error messages. */
function asStream({
  host = defaults.host,
  port,
  listen = false,
  plain = false,
}: SendOptions): (name: string) => string {
  const where = listen ? `--listen --port ${port}` : `${shellWord(host)} ${port}`
  // Without the protocol there is no name.
  return (name) => `tcp-send ${plain ? '--plain' : `--name ${shellWord(name)}`} - ${where}`
}
