import { withCodeDefaults } from './access/code-options.js'
import { type Entrance, entranceFor } from './access/entrance.js'
import { defaults } from './defaults.js'
import { TransferError } from './errors.js'
import type { OnEvent, TransferEvent } from './events.js'
import { Hooks } from './hooks.js'
import { ownerOf } from './keys.js'
import { FramedReceiverLink } from './links/framed-receiver-link.js'
import type { ReceiverLink } from './links/link.js'
import { PlainReceiverLink } from './links/plain-receiver-link.js'
import { LARGEST_WINDOW, SMALLEST_WINDOW } from './links/window.js'
import { checkOptions, onEventOf } from './option-checks.js'
import { peerLimits, stallOf } from './peers.js'
import { BUNDLE, type Heartbeat } from './protocol/messages.js'
import type { ReceiveOptions } from './receive-options.js'
import { type Course, type Receiving, receivingOf } from './receiving.js'
import { createDestination } from './stores/create-destination.js'
import { KeyFolders } from './stores/key-folders.js'
import type { Destination } from './stores/store.js'
import { runToSummary, type Summary } from './summary.js'
import { Bundles } from './transfer/bundles.js'
import { call } from './transfer/call.js'
import { createDigest } from './transfer/digest.js'
import { Listener } from './transfer/listener.js'
import { type NameRules, nameProblem } from './transfer/names.js'
import type { Policy } from './transfer/policy.js'
import { type Rate, rateOf } from './transfer/rate.js'
import { Receiver } from './transfer/receiver.js'
import { ReceiverSession } from './transfer/receiver-session.js'
import { Returns } from './transfer/returns.js'
import type { Connection, Session, TransferResult } from './transfer/session.js'
import { type Streams, streamsOf } from './transfer/streams.js'
import { TransferReport } from './transfer/transfer-report.js'
import { ReceiverTrunk } from './transfer/trunk.js'

/**
 * Receives until `count` transfers have succeeded, or one with `connect`, or `close` is called. Rejects with a
 * TransferError if it cannot listen or connect, if `out` cannot be used, if `wait` has passed, if `signal` is aborted, if
 * the transfer has failed (`connect`, `oneAttempt`), or if no other transfer has followed a failed one within `timeout`
 * (`count`).
 */
export function receive(options: ReceiveOptions): Receiving {
  return receivingOf((course) => run(options, course))
}

async function run(given: ReceiveOptions, course: Course): Promise<Summary> {
  const onEvent = onEventOf(given)
  const options = withCodeDefaults(given)
  const { out, expect, maxSize = Number.MAX_SAFE_INTEGER } = options
  const { ifExists = defaults.ifExists, keepPartial = defaults.keepPartial } = options
  const totals = { files: 0, bytes: 0 }
  return await runToSummary(onEvent, totals, async () => {
    checkOptions('receive', options)
    if ((expect?.size ?? 0) > maxSize)
      throw new TransferError('usage', 'the expected size is beyond the largest allowed')
    const problem = options.name === undefined ? null : nameProblem(options.name, nameRules(options))
    if (problem !== null) throw new TransferError('usage', `no file can be stored under that name: ${problem}`)
    const rate = rateOf(options)
    const streams = streamsOf(options)
    const entrance = await entranceFor({ ...options, listens: !options.connect }, 'receiver')
    const names = entrance?.keys().map(({ name }) => name)
    const folders = options.perKeyFolder ? KeyFolders.below({ path: out, ifExists, keepPartial }, names) : undefined
    // Loads the digest before the first connection. Later, connections may have taken the descriptors that this needs.
    await createDigest()
    const destination = createDestination(out, { ifExists, keepPartial })
    for (const warning of await destination.prepare()) onEvent({ event: 'warning', ...warning })
    const hooks = new Hooks({ ...options, onEvent })
    const observe = (event: TransferEvent) => {
      const drained = onEvent(event)
      if (event.event === 'listening') course.listening({ address: event.address, port: event.port })
      if (event.event !== 'stored' || event.directory !== undefined) return drained
      hooks.add(event)
      course.files.add(event)
      return drained
    }
    const held = () => hooks.held ?? course.files.held
    const { closing } = course
    const returns = new Returns()
    const bundles = new Bundles(LARGEST_WINDOW, SMALLEST_WINDOW)
    const observed = { ...options, onEvent: observe, held, closing, entrance, rate, folders, returns, bundles, streams }
    try {
      const failure = await (options.connect ? dial : listen)(destination, observed, totals)
      await hooks.settled
      await bundles.settled()
      return failure ?? hooks.failure
    } finally {
      await hooks.settled
      await folders?.close()
      await destination.close()
    }
  })
}

/** The options, with an `onEvent` that is always set. */
interface Observed extends ReceiveOptions {
  onEvent: OnEvent
  held: () => Promise<void> | undefined
  closing: AbortSignal
  entrance: Entrance | undefined
  rate: Rate | undefined
  folders: KeyFolders | undefined
  returns: Returns
  bundles: Bundles
  streams: Streams
}

type Totals = Pick<TransferResult, 'files' | 'bytes'>

async function listen(destination: Destination, options: Observed, totals: Totals): Promise<TransferError | null> {
  const { host, port, sockets, wait, signal, timeout = defaults.timeout, oneAttempt = false, onEvent } = options
  const { count = Number.POSITIVE_INFINITY, closing } = options
  const isOnce = destination.isOnce || oneAttempt
  const listener = new Listener(
    {
      ...peerLimits(options),
      entrance: options.entrance,
      host,
      port,
      sockets,
      wait,
      signal,
      closing,
      timeout,
      onEvent,
      count: isOnce ? 1 : count,
    },
    {
      partner: 'sender',
      cannotRetry: () => oneAttempt || (destination.isOnce && destination.isUsed),
      start: (connection) => start(receiverOf(destination, options, connection), options, connection),
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
  const retry = options.plain || destination.isOnce ? 0 : (options.retry ?? defaults.retry)
  let receiver: Receiver | undefined
  const closed = new AbortController()
  // As long as there is no transfer, nothing is to be ended.
  const close = () => receiver || closed.abort()
  options.closing.addEventListener('abort', close)
  if (options.closing.aborted) close()
  const signal = AbortSignal.any([closed.signal, ...(options.signal ? [options.signal] : [])])
  const called = call(
    {
      host,
      port,
      wait,
      timeout,
      stall: stallOf(options),
      signal,
      onEvent,
      partner: 'sender',
      entrance: options.entrance,
      retry,
    },
    (connection) => {
      receiver ??= receiverOf(destination, options, connection, retry > 0)
      return start(receiver, options, connection)
    },
  )
  const result = await called.catch((error) => {
    if (!closed.signal.aborted || options.signal?.aborted) throw error
  })
  if (!result) return null
  const { admitted, files, bytes, failure, lastReported } = result
  Object.assign(totals, { files, bytes })
  if (failure && !lastReported) throw failure
  if (!failure && !admitted) {
    throw new TransferError('incomplete', 'the sender had nothing to send', { reason: 'broken' })
  }
  return failure
}

/** One transfer into the destination. `connection` is its first one. */
function receiverOf(destination: Destination, options: Observed, connection: Connection, retries = false): Receiver {
  const { admit, transfer, peer, refusals } = connection
  const { onEvent, held, fileEvents, folders, rate, returns, compress } = options
  const key = connection.key?.name ?? undefined
  const owner = ownerOf(connection.key)
  const place = folders && key !== undefined ? folders.of(key) : destination
  const report = new TransferReport({ onEvent, held, transfer, peer, key, fileEvents, refusals })
  const policy = policyOf(place, options)
  return new Receiver({ policy, destination: place, owner, returns, retries, report, rate, compress, admit })
}

/** The transfer over one connection. */
function start(receiver: Receiver, options: Observed, { socket, key, more }: Connection): Session {
  const { rate, bundles, streams, timeout = defaults.timeout } = options
  rate?.limitReads(socket)
  // With a limit, what a bundle holds out of order would come faster.
  const isOne = !more || streams === 1 || rate !== undefined
  const trunk = isOne ? undefined : new ReceiverTrunk({ bundles, streams, owner: ownerOf(key), more, timeout })
  const rtt = isOne ? undefined : more.dialling?.rtt
  const create = (progress: () => Heartbeat) => createLink(socket, receiver, options, { progress, isOne, rtt })
  return new ReceiverSession(receiver, create, trunk)
}

function createLink(
  socket: Connection['socket'],
  receiver: Receiver,
  options: Observed,
  { progress, isOne, rtt }: { progress: () => Heartbeat; isOne: boolean; rtt: number | undefined },
): ReceiverLink {
  const { plain = false, name, expect, timeout = defaults.timeout } = options
  return plain
    ? new PlainReceiverLink(socket, { name, size: expect?.size, timeout })
    : new FramedReceiverLink(socket, {
        timeout,
        features: async () => [...(await receiver.features()), ...(isOne ? [] : [BUNDLE])],
        progress,
        dialled: rtt === undefined ? {} : { rtt: Math.ceil(rtt) },
      })
}

function policyOf({ hasNames }: Destination, options: Observed): Policy {
  const { accept = [], maxSize = Number.MAX_SAFE_INTEGER, maxFiles = defaults.maxFiles } = options
  const { maxDepth = defaults.maxDepth, textOnly = false } = options
  const { plain = false, expect = {}, allowUnverified = false } = options
  return {
    accept,
    maxSize,
    maxFiles,
    maxDepth,
    takesFiles: !textOnly,
    takesMessages: hasNames || textOnly,
    hasNames,
    names: nameRules(options),
    allowUnverified: plain || allowUnverified,
    expect: plain ? expect : {},
  }
}

function nameRules({ allowHidden = false }: ReceiveOptions): NameRules {
  return { allowHidden, platform: process.platform }
}
