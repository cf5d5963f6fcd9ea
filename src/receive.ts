/** Receiving, from a port to a summary: what `tcp-recv` does, for a program. */
import type { Writable } from 'node:stream'
import { defaults } from './defaults.js'
import { asTransferError, TransferError } from './errors.js'
import { failedEvent, type OnEvent, type StoredEvent } from './events.js'
import { FramedReceiverLink } from './links/framed-receiver-link.js'
import type { ReceiverLink } from './links/link.js'
import { PlainReceiverLink } from './links/plain-receiver-link.js'
import type { Heartbeat } from './protocol/messages.js'
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
import type { Connection, Transfer, TransferResult } from './transfer/transfer.js'
import { TransferReport } from './transfer/transfer-report.js'

export interface ReceiveOptions {
  /** The port to listen on, 0 for any free one, which the `listening` event tells; or, with `connect`, to connect to. */
  port: number
  /** The address to listen on (default: every interface, IPv6 and IPv4); or, with `connect`, the sender. */
  host?: string | undefined
  /** Connect to a sender that listens, for one transfer, instead of listening. Default false. */
  connect?: boolean | undefined
  /** The folder to store in, created if missing; or a stream, which takes one file and is left open. */
  out: string | Writable
  /**
   * Without the protocol: each connection's bytes are one file, until the end of the stream, as peers such as `nc` send
   * it. Nothing then tells a whole file from a part, unless `expect` does. Default false.
   */
  plain?: boolean | undefined
  /** With `plain`: the name to store under. Default `received`, with an extension where the content shows one. */
  name?: string | undefined
  /** With `plain`: what must have come; anything else is not stored. */
  expect?: Expectation | undefined
  /** Take only messages, and no files. Default false. */
  textOnly?: boolean | undefined
  /** When listening: how many successful transfers to receive before resolving. Default: no end; with a stream always 1. */
  count?: number | undefined
  /** Take one transfer, and end with its outcome at once: after a failure there is no waiting for another try. Default false. */
  oneAttempt?: boolean | undefined
  /** Give up when no sender has come, or could be connected to, for so many milliseconds. Default: never; one try. */
  wait?: number | undefined
  /** Milliseconds without progress after which a transfer fails. Default 30,000. */
  timeout?: number | undefined
  /** What to do when the name is taken. Default `backup`: `file.txt` becomes `file_bak.txt`, then `file_bak2.txt`. */
  ifExists?: IfExists | undefined
  /** Take names that begin with a dot. Default false: such files change what programs do. */
  allowHidden?: boolean | undefined
  /** The MIME types to take, patterns such as `image/*` included. Default: all. */
  accept?: readonly string[] | undefined
  /** Take files whose sender sends no digest, which then count as not verified. Default false. */
  allowUnverified?: boolean | undefined
  /** The most bytes of one file. Default: no limit but the free space. */
  maxSize?: number | undefined
  /** The most files of one transfer. Default 100,000. */
  maxFiles?: number | undefined
  /** The most connections at once; more are refused. Default 256. */
  maxConnections?: number | undefined
  /**
   * Called after each file was stored and its sender told, one at a time. `receive` waits for the last before it
   * settles, and a rejection decides how; the stored file stays.
   */
  afterStored?: ((event: StoredEvent) => Promise<void>) | undefined
  /** Aborting ends every transfer at once; their senders are told. */
  signal?: AbortSignal | undefined
  onEvent?: OnEvent | undefined
}

/**
 * Receives transfers until `count` of them have succeeded, or until `signal` is aborted. Rejects with a TransferError:
 * what kept it from listening, the interruption, the time that ran out, or, with `count`, the failure of a transfer after
 * which no other came within `timeout`.
 */
export async function receive(options: ReceiveOptions): Promise<Summary> {
  const { onEvent = () => {}, out, ifExists = defaults.ifExists, expect, maxSize = Number.MAX_SAFE_INTEGER } = options
  const totals = { files: 0, bytes: 0 }
  return await runToSummary(onEvent, totals, async () => {
    if ((expect?.size ?? 0) > maxSize)
      throw new TransferError('usage', 'the expected size is beyond the largest allowed')
    // Loaded now, and not at the first file: by then other connections may have taken the descriptors that loading needs.
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

/** The options with a listener to the events. */
type Observed = ReceiveOptions & { onEvent: OnEvent }

/** Runs `afterStored` for one file after the other, beside the transfers. */
class Hooks {
  readonly onEvent: OnEvent
  settled: Promise<void> = Promise.resolve()
  /** The first failure. Each one has been reported. */
  failure: TransferError | null = null

  constructor(onEvent: OnEvent, afterStored: ReceiveOptions['afterStored']) {
    this.onEvent = (event) => {
      onEvent(event)
      if (event.event !== 'stored' || !afterStored) return
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
  const { host, port, wait, signal, timeout = defaults.timeout, oneAttempt = false, onEvent } = options
  const { count = Number.POSITIVE_INFINITY, maxConnections = defaults.maxConnections } = options
  const isOnce = destination.isOnce || oneAttempt
  const listener = new Listener(
    { host, port, wait, signal, timeout, maxConnections, onEvent, count: isOnce ? 1 : count },
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
  const { admitted, files, bytes, failure, isReported } = await call(
    { host, port, wait, timeout, signal, onEvent, partner: 'sender' },
    (connection) => start(destination, options, connection),
  )
  Object.assign(totals, { files, bytes })
  if (failure && !isReported) throw failure
  if (!failure && !admitted) {
    throw new TransferError('incomplete', 'the sender had nothing to send', { reason: 'broken' })
  }
  return failure
}

/** One transfer into the destination over one connection. */
function start(destination: Destination, options: Observed, connection: Connection): Transfer {
  const { socket, admit, transfer, peer } = connection
  const report = new TransferReport({ onEvent: options.onEvent, transfer, peer })
  const receiver = new Receiver({ policy: policyOf(destination, options), destination, report, admit })
  return new ReceiverSession(receiver, (progress) => createLink(socket, options, progress))
}

function createLink(socket: Connection['socket'], options: Observed, progress: () => Heartbeat): ReceiverLink {
  const { plain = false, name, expect, timeout = defaults.timeout } = options
  return plain
    ? new PlainReceiverLink(socket, { name, size: expect?.size, timeout })
    : new FramedReceiverLink(socket, { timeout, progress })
}

function policyOf({ hasNames }: Destination, options: Observed): Policy {
  const { accept = [], maxSize = Number.MAX_SAFE_INTEGER, maxFiles = defaults.maxFiles, textOnly = false } = options
  const { plain = false, expect = {}, allowHidden = false, allowUnverified = false } = options
  return {
    accept,
    maxSize,
    maxFiles,
    takesFiles: !textOnly,
    takesMessages: hasNames || textOnly,
    names: hasNames ? { allowHidden, platform: process.platform } : null,
    allowUnverified: plain || allowUnverified,
    expect: plain ? expect : {},
  }
}
