/** `send`, from options to summary: does for a program what `tcp-send` does for a user. */
import { defaults } from './defaults.js'
import { asTransferError, TransferError } from './errors.js'
import { failedEvent, type OnEvent } from './events.js'
import { FramedSenderLink } from './links/framed-sender-link.js'
import { PlainSenderLink } from './links/plain-sender-link.js'
import { createSource, type Sendable } from './sources/create-source.js'
import type { Entry, Source } from './sources/source.js'
import { runToSummary, type Summary } from './summary.js'
import { shellWord } from './text.js'
import { call } from './transfer/call.js'
import { checkSize, type Expectation } from './transfer/expectation.js'
import { Listener } from './transfer/listener.js'
import { Sender } from './transfer/sender.js'
import { SenderSession } from './transfer/sender-session.js'
import type { Connection, Session, TransferResult } from './transfer/session.js'
import { TransferReport } from './transfer/transfer-report.js'

/** The options of `send`. A "code" below is the `code` of a TransferError, a "reason" its `reason`. */
export interface SendOptions {
  /**
   * The sources to send, in this order, over one connection. A source that cannot be sent fails with the code
   * `local-file`. The others are sent all the same.
   */
  sources: readonly Sendable[]
  /**
   * The receiver to connect to. Default `localhost`. With `listen`: the address to listen on. Default: all interfaces,
   * IPv6 and IPv4. Code `connect` if it cannot be used.
   */
  host?: string | undefined
  /**
   * The port to connect to or, with `listen`, to listen on. 0 lets the system pick a port to listen on, which the event
   * `listening` reports. Code `connect` if the port cannot be used, `usage` if it is not a whole number up to 65535.
   */
  port: number
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
   * If true, sends the bytes of one source without the protocol and then ends the stream, for peers such as `nc`.
   * Nothing is confirmed: success means that all bytes were handed over and the connection was not reset. Code `usage`
   * if there is not exactly one source. Default false.
   */
  plain?: boolean | undefined
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
  /**
   * The size and digest that a single source must have. Otherwise it fails with the code `incomplete` or
   * `digest-mismatch`, and the receiver does not store it under a final name. Default: any size and digest.
   */
  expect?: Expectation | undefined
  /** The parts of directories that are not sent: patterns with the syntax of `.gitignore`. Default: none. */
  exclude?: readonly string[] | undefined
  /** If true, the `.gitignore` files in a directory decide what of it is sent. Default false. */
  gitignore?: boolean | undefined
  /** If true, a symlink in a directory is replaced by what it leads to. If false, it stays a symlink. Default false. */
  follow?: boolean | undefined
  /**
   * Aborting it ends all transfers at once and tells the receivers. `send` then rejects with the reason of the signal
   * if that is a TransferError, otherwise with the code `interrupted`. Default: none.
   */
  signal?: AbortSignal | undefined
  /** Called for every event, in order. If it throws, `send` rejects. Default: none. */
  onEvent?: OnEvent | undefined
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
    const sources = await Promise.all(
      options.sources.map((source) =>
        createSource(source, { asStream: asStream(options), tree: treeOptions(options) }),
      ),
    )
    if (options.plain && sources.length !== 1) {
      throw new TransferError('usage', 'without the protocol nothing tells where one file ends: give a single source')
    }
    try {
      const { ready, failure } = await inspect(sources, options)
      const later = ready.length > 0 ? await sendReady(ready, options, totals, failure) : null
      return failure ?? later
    } finally {
      for (const source of sources) source.release()
    }
  })
}

/** Without the protocol, a directory cannot be sent. */
function treeOptions({ plain = false, exclude = [], gitignore = false, follow = false }: SendOptions) {
  return plain ? null : { exclude, gitignore, follow }
}

/** Returns the sources that can be sent, and the first failure of the others. Called before the connection is made. */
async function inspect(
  sources: readonly Source[],
  { expect = {}, onEvent = () => {} }: SendOptions,
): Promise<{ ready: Source[]; failure: TransferError | null }> {
  const ready: Source[] = []
  let failure: TransferError | null = null
  for (const source of sources) {
    try {
      checkOfferable(source)
      const size = await source.inspect()
      if (size !== null) checkSize(source.label, size, expect)
      ready.push(source)
    } catch (error) {
      failure ??= asTransferError(error)
      onEvent(failedEvent(asTransferError(error), { name: source.name }))
    }
  }
  return { ready, failure }
}

/** The longest name on the wire, in bytes. A receiver refuses every name of more than 255 bytes by itself. */
const MAX_OFFERED = 4096

function checkOfferable({ name, label }: Source): void {
  const problem = !name.isWellFormed() ? 'is not Unicode' : Buffer.byteLength(name) > MAX_OFFERED ? 'is too long' : null
  if (problem === null) return
  const text = `${label}: its name ${problem} and cannot be sent; give it another with --name`
  throw new TransferError('local-file', text, { reason: 'name' })
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
  const { host, port, wait, signal, timeout = defaults.timeout, oneAttempt = false, onEvent = () => {} } = options
  const { count = defaults.sendCount, maxConnections = defaults.maxConnections } = options
  const isOnce = oneAttempt || sources.some((source) => source.isOnce)
  const listener = new Listener(
    { host, port, wait, signal, timeout, maxConnections, onEvent, count: isOnce ? 1 : count },
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
  const report = new TransferReport({ onEvent, transfer, peer })
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
