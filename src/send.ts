/** `send`, from options to summary: does for a program what `tcp-send` does for a user. */
import { withCodeDefaults } from './access/code-options.js'
import { type Entrance, entranceFor } from './access/entrance.js'
import { defaults } from './defaults.js'
import { asTransferError, type TransferError } from './errors.js'
import { failedEvent } from './event-values.js'
import { ownerOf } from './keys.js'
import { FramedSenderLink } from './links/framed-sender-link.js'
import { PlainSenderLink } from './links/plain-sender-link.js'
import { LARGEST_WINDOW, SMALLEST_WINDOW } from './links/window.js'
import { withOffer } from './offer.js'
import { checkOptions, onEventOf } from './option-checks.js'
import { peerLimits, stallOf } from './peers.js'
import type { SendOptions } from './send-options.js'
import type { Entry, Source } from './sources/source.js'
import { runToSummary, type Summary } from './summary.js'
import { shellWord } from './text.js'
import { Bundles } from './transfer/bundles.js'
import { call } from './transfer/call.js'
import { type CompressMode, compressModeOf } from './transfer/compression.js'
import { Listener } from './transfer/listener.js'
import { type Rate, rateOf } from './transfer/rate.js'
import { newTransferName, Sender, type SenderOptions } from './transfer/sender.js'
import { SenderSession } from './transfer/sender-session.js'
import type { Connection, Session, TransferResult } from './transfer/session.js'
import { firstStreams, LITTLE, type Streams, streamsOf } from './transfer/streams.js'
import { TransferReport } from './transfer/transfer-report.js'
import { SenderTrunk } from './transfer/trunk.js'

/**
 * Sends every source. Resolves only when the receiver has confirmed every source: it is complete, verified, durable,
 * and has its final name (`plain` and `allowUnverified` promise less). Otherwise rejects with the TransferError of the
 * first failure. The events show which of the other sources were sent.
 */
export async function send(given: SendOptions): Promise<Summary> {
  const onEvent = onEventOf(given)
  const options = withCodeDefaults(given)
  const { listen: listens } = options
  const totals = { files: 0, bytes: 0 }
  return await runToSummary(onEvent, totals, async () => {
    checkOptions('send', options)
    const rate = rateOf(options)
    const compress = compressModeOf(options)
    const streams = streamsOf(options)
    return await withOffer(options, asStream(options), async ({ offered, failure }) => {
      const ready = offered.map(({ source }) => source)
      const entrance = await entranceFor({ ...options, listens }, 'sender')
      const bundles = new Bundles(SMALLEST_WINDOW, LARGEST_WINDOW)
      const isMuch = offered.reduce((sum, { size }) => sum + (size ?? Number.POSITIVE_INFINITY), 0) > LITTLE
      const known = { entrance, rate, compress, bundles, streams: streams === 'auto' && !isMuch ? 1 : streams }
      const later = ready.length > 0 ? await sendReady(ready, { ...options, ...known }, totals, failure) : null
      await bundles.settled()
      return failure ?? later
    })
  })
}

/**
 * Sends the sources. If there is an earlier failure, returns that one, and only reports a failure of the connection.
 */
async function sendReady(
  sources: readonly Source[],
  options: Ready,
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

type Ready = SendOptions & {
  entrance: Entrance | undefined
  rate: Rate | undefined
  bundles: Bundles
  streams: Streams
  compress: CompressMode
}

async function dial(sources: readonly Source[], options: Ready, totals: Totals): Promise<TransferError | null> {
  const { host = defaults.host, port, wait = defaults.wait, timeout = defaults.timeout, onEvent = () => {} } = options
  const { retry = options.plain ? 0 : defaults.retry } = options
  const goingOn = { transfer: newTransferName(), retries: true, insists: options.retry !== undefined }
  const signal = options.signal ?? new AbortController().signal
  let sender: Sender | undefined
  const { files, bytes, failure } = await call(
    {
      host,
      port,
      wait,
      timeout,
      stall: stallOf(options),
      signal,
      onEvent,
      partner: 'receiver',
      entrance: options.entrance,
      retry,
    },
    (connection) => {
      sender ??= senderOf(sources, options, connection, retry > 0 ? goingOn : {})
      return start(sender, options, connection)
    },
  )
  Object.assign(totals, { files, bytes })
  return failure
}

async function listen(sources: readonly Source[], options: Ready, totals: Totals): Promise<TransferError | null> {
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
  const { count = defaults.sendCount } = options
  const isOnce = oneAttempt || sources.some((source) => source.isOnce)
  // A receiver that comes back knows what it has stored.
  const names = options.plain ? {} : { transfer: newTransferName() }
  const listener = new Listener(
    {
      ...peerLimits(options),
      entrance: options.entrance,
      host,
      port,
      sockets,
      wait,
      signal,
      timeout,
      onEvent,
      count: isOnce ? 1 : count,
    },
    {
      partner: 'receiver',
      cannotRetry: () => isOnce,
      start: (connection) => start(senderOf(sources, options, connection, names), options, connection),
    },
  )
  try {
    return await listener.run()
  } finally {
    Object.assign(totals, { files: listener.files, bytes: listener.bytes })
  }
}

/** One transfer of all sources. `connection` is its first one. */
function senderOf(
  sources: readonly Source[],
  options: Ready,
  connection: Connection,
  goingOn: Pick<SenderOptions, 'transfer' | 'retries' | 'insists'>,
): Sender {
  const { plain = false, expect = {}, onEvent = () => {}, fileEvents, rate, compress, delta } = options
  const { admit, transfer, peer, refusals } = connection
  const report = new TransferReport({ onEvent, transfer, peer, fileEvents, refusals })
  const allowUnverified = plain || options.allowUnverified === true
  const entries = entriesOf(sources)
  return new Sender({ entries, report, expect, allowUnverified, ...goingOn, rate, compress, delta, admit })
}

/** The transfer over one connection. */
function start(sender: Sender, options: Ready, { socket, admit, key, more }: Connection): Session {
  const { plain = false, timeout = defaults.timeout, bundles, streams } = options
  const link = plain
    ? new PlainSenderLink(socket, timeout)
    : new FramedSenderLink(socket, { timeout, isAccepted: admit !== undefined, isProved: key !== undefined })
  // A path that is short for one connection is short for all.
  const isOne = !more || streams === 1 || (more.dialling && firstStreams(streams, more.dialling.rtt) === 1)
  if (isOne) return new SenderSession(sender, link)
  const trunk = { bundles, streams, owner: ownerOf(key), more, timeout }
  return new SenderSession(sender, link, new SenderTrunk(newTransferName(), trunk))
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
