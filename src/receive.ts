/** Receiving, from a port to a summary: what `tcp-recv` does, for a program. */
import type { Writable } from 'node:stream'
import { defaults } from './defaults.js'
import { Blocking } from './disk/blocking.js'
import { asTransferError, TransferError } from './errors.js'
import { type OnEvent, report, type StoredEvent } from './events.js'
import type { IfExists } from './stores/final-name.js'
import { FolderStore } from './stores/folder-store.js'
import { leaveFolder, prepareFolder } from './stores/out-folder.js'
import { OutputStore } from './stores/output-store.js'
import { newOwner } from './stores/staging.js'
import type { Store } from './stores/store.js'
import { conclude, type Summary } from './summary.js'
import { dialled } from './transfer/call.js'
import { createDigest } from './transfer/digest.js'
import type { Expectation } from './transfer/expectation.js'
import { Incoming } from './transfer/incoming.js'
import { Service } from './transfer/listener.js'
import { PlainIncoming } from './transfer/plain-incoming.js'
import type { Connection, Transfer } from './transfer/transfer.js'

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
 * what kept it from listening, the interruption, the time that ran out, or, with `count`, the failure of a transfer that
 * was not made good within `timeout`.
 */
export async function receive(options: ReceiveOptions): Promise<Summary> {
  const { onEvent = () => {}, out, expect, maxSize = Number.MAX_SAFE_INTEGER } = options
  const tally = { files: 0, bytes: 0 }
  return await conclude(onEvent, tally, async () => {
    if ((expect?.size ?? 0) > maxSize)
      throw new TransferError('usage', 'the expected size is beyond the largest allowed')
    // Loaded now, and not at the first file: by then other connections may have taken the descriptors that loading needs.
    await createDigest()
    const owner = await newOwner()
    const warnings = typeof out === 'string' ? await prepareFolder(out, owner) : []
    for (const warning of warnings) onEvent({ event: 'warning', ...warning })
    const hooks = new Hooks(onEvent, options.afterStored)
    const observed = { ...options, onEvent: hooks.onEvent }
    try {
      await (options.connect ? dial : serve)(observed, new Transfers(observed, owner), tally)
    } finally {
      await hooks.settled
      if (typeof out === 'string') await leaveFolder(out, owner)
    }
    if (hooks.failure) throw hooks.failure
  })
}

/** The options with what listens to the events. */
type Observed = ReceiveOptions & { onEvent: OnEvent }

/** Runs `afterStored` for one file after the other, beside the transfers. */
class Hooks {
  readonly onEvent: OnEvent
  settled: Promise<void> = Promise.resolve()
  failure: TransferError | null = null

  constructor(onEvent: OnEvent, afterStored: ReceiveOptions['afterStored']) {
    this.onEvent = (event) => {
      onEvent(event)
      if (event.event !== 'stored' || !afterStored) return
      const run = () => afterStored(event)
      this.settled = this.settled.then(run).catch((error) => {
        const failure = asTransferError(error)
        this.failure ??= failure
        report(onEvent, { transfer: event.transfer, name: event.name }, failure)
      })
    }
  }
}

async function serve(options: Observed, transfers: Transfers, tally: Omit<Summary, 'seconds'>): Promise<void> {
  const { out, timeout = defaults.timeout, count, oneAttempt = false } = options
  const isStream = typeof out !== 'string'
  const service = new Service(
    { ...options, timeout, count: isStream || oneAttempt ? 1 : count },
    {
      partner: 'sender',
      isSpoiled: () => oneAttempt || transfers.isOutputUsed,
      start: (connection) => transfers.start(connection),
    },
  )
  try {
    await service.run()
  } finally {
    Object.assign(tally, { files: service.files, bytes: service.bytes })
  }
}

async function dial(options: Observed, transfers: Transfers, tally: Omit<Summary, 'seconds'>): Promise<void> {
  const { host = defaults.host, port, wait = defaults.wait, timeout = defaults.timeout, onEvent } = options
  const signal = options.signal ?? new AbortController().signal
  const { admitted, files, bytes, failure } = await dialled(
    { host, port, wait, timeout, signal, onEvent, partner: 'sender' },
    (connection) => transfers.start(connection),
  )
  Object.assign(tally, { files, bytes })
  if (failure) throw failure
  if (!admitted) throw new TransferError('incomplete', 'the sender had nothing to send', { reason: 'broken' })
}

/** Makes the transfer for each connection, and the store for each transfer. */
class Transfers {
  readonly #options: Observed
  readonly #owner: string
  readonly #blocking = new Blocking()
  /** True once the output stream has been given to a transfer: it cannot take back what that wrote. */
  isOutputUsed = false

  constructor(options: Observed, owner: string) {
    this.#options = options
    this.#owner = owner
  }

  start({
    socket,
    transfer,
    peer,
    admit,
  }: Pick<Connection, 'socket' | 'transfer' | 'peer'> & Partial<Connection>): Transfer {
    const { out, plain, name, expect = {}, timeout = defaults.timeout } = this.#options
    const {
      accept = [],
      maxSize = Number.MAX_SAFE_INTEGER,
      maxFiles = defaults.maxFiles,
      textOnly,
      onEvent,
    } = this.#options
    const { allowUnverified = false } = this.#options
    const openStore = (signal: AbortSignal) => this.#openStore(signal)
    const common = { onEvent, transfer, peer, timeout, openStore, admit }
    if (plain) return new PlainIncoming(socket, { ...common, name, maxSize, expect })
    const take = textOnly ? 'messages' : typeof out === 'string' ? 'both' : 'files'
    return new Incoming(socket, { ...common, policy: { accept, maxSize, maxFiles, take, allowUnverified } })
  }

  async #openStore(signal: AbortSignal): Promise<Store> {
    const { out, ifExists = defaults.ifExists, allowHidden = false } = this.#options
    if (typeof out !== 'string') {
      this.isOutputUsed = true
      return new OutputStore(out, signal)
    }
    const [owner, umask, blocking] = [this.#owner, process.umask(), this.#blocking]
    return await FolderStore.open({ path: out, owner, ifExists, allowHidden, umask, blocking })
  }
}
