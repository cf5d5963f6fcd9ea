/** Sending, from paths and streams to a summary: what `tcp-send` does, for a program. */
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
import type { Connection, Transfer, TransferResult } from './transfer/transfer.js'
import { TransferReport } from './transfer/transfer-report.js'

export interface SendOptions {
  /** What to send, in this order, over one connection. */
  sources: readonly Sendable[]
  /** The receiver to connect to; or, with `listen`, the address to listen on (default: every interface). */
  host?: string | undefined
  port: number
  /** Listen, and send to every receiver that connects, instead of connecting. Default false. */
  listen?: boolean | undefined
  /** When listening: how many successful transfers to make; Infinity for no end. Default 1. A stream can be sent only once. */
  count?: number | undefined
  /** When listening: end with the outcome of the first transfer, even if it failed. Default false. */
  oneAttempt?: boolean | undefined
  /**
   * Send the bytes of a single source without the protocol, up to the end of the stream: for peers such as `nc`. Nothing
   * is confirmed. Success means that everything was handed over and the connection was not reset. Default false.
   */
  plain?: boolean | undefined
  /** How many milliseconds to keep trying to connect, or to wait for a receiver. Default: one attempt; no end. */
  wait?: number | undefined
  /** Milliseconds without progress, or for one attempt to connect, after which the transfer fails. Default 30,000. */
  timeout?: number | undefined
  /** When listening: the most connections at once. Default 256. */
  maxConnections?: number | undefined
  /** Accept a receiver that answers without a digest. The file then counts as not verified. Default false. */
  allowUnverified?: boolean | undefined
  /** What a single source must turn out to have. Otherwise it is not stored under a final name. */
  expect?: Expectation | undefined
  /** Aborting it ends the transfer at once. The receiver is told. */
  signal?: AbortSignal | undefined
  onEvent?: OnEvent | undefined
}

/**
 * Sends every source. Resolves only when the receiver has confirmed each of them: complete, verified, durable, under its
 * final name. Otherwise it rejects with the TransferError of the first failure. The other sources of the call were sent
 * all the same, as the events say.
 */
export async function send(options: SendOptions): Promise<Summary> {
  const { onEvent = () => {} } = options
  const totals = { files: 0, bytes: 0 }
  return await runToSummary(onEvent, totals, async () => {
    const sources = await Promise.all(options.sources.map((source) => createSource(source, asStream(options))))
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

/** Returns the sources that can be sent, and the first failure of the others. It is better known before the connection. */
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

/** The most bytes of a name on the wire. No receiver stores a name of more than 255, and it says so itself. */
const MAX_OFFERED = 4096

function checkOfferable({ name, label }: Source): void {
  const problem = !name.isWellFormed() ? 'is not Unicode' : Buffer.byteLength(name) > MAX_OFFERED ? 'is too long' : null
  if (problem === null) return
  const text = `${label}: its name ${problem} and cannot be sent; give it another with --name`
  throw new TransferError('local-file', text, { reason: 'name' })
}

/** Sends what can be sent. If something has failed before, that failure counts, and what fails now is reported here. */
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
function start(sources: readonly Source[], options: SendOptions, connection: Connection): Transfer {
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

/** The command that sends its standard input under a name to the same receiver, for hints. */
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
