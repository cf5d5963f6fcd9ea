/** Receiving, from a listening port to a summary: what `tcp-recv` does, for a program. */
import { constants } from 'node:fs'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { asTransferError, interruption, refusal, TransferError } from './errors.js'
import { failedEvent, type OnEvent, secondsSince } from './events.js'
import { Blocking } from './files/blocking.js'
import { Directory } from './files/directory.js'
import { disk } from './files/disk.js'
import { FolderStore, type IfExists } from './files/folder-store.js'
import { OutputStore } from './files/output-store.js'
import { cleanStaging, newOwner, removeOwner } from './files/staging.js'
import type { Store } from './files/store.js'
import { localTrouble } from './files/trouble.js'
import { Incoming, type IncomingResult, type Policy } from './incoming.js'
import { peerAddress } from './net/address.js'
import { listen } from './net/listen.js'
import type { Summary } from './send.js'

export interface ReceiveOptions {
  /** The port to listen on; 0 picks one, which the `listening` event tells. */
  port: number
  /** The address to listen on. Default: every interface, IPv6 and IPv4. */
  host?: string | undefined
  /** The folder to store in, created if missing; or a stream, which takes one file and is left open. */
  out: string | Writable
  /** How many successful transfers to receive before resolving. Default: no end; with a stream always 1. */
  count?: number | undefined
  /** Give up when no sender has come for so many milliseconds. Default: never. */
  wait?: number | undefined
  /** Milliseconds without progress after which a transfer fails. Default 30,000. */
  timeout?: number | undefined
  /** What to do when the name is taken. Default `backup`: `file.txt` becomes `file_bak.txt`, then `file_bak2.txt`. */
  ifExists?: IfExists | undefined
  /** Take names that begin with a dot. Default false: such files change what programs do. */
  allowHidden?: boolean | undefined
  /** The MIME types to take, patterns such as `image/*` included. Default: all. */
  accept?: readonly string[] | undefined
  /** The most bytes of one file. Default: no limit but the free space. */
  maxSize?: number | undefined
  /** The most files of one transfer. Default 100,000. */
  maxFiles?: number | undefined
  /** The most connections at once; more are refused. Default 256. */
  maxConnections?: number | undefined
  /** Aborting ends every transfer at once; their senders are told. */
  signal?: AbortSignal | undefined
  onEvent?: OnEvent | undefined
}

/**
 * Receives transfers until `count` of them have succeeded, or until `signal` is aborted. Rejects with a TransferError:
 * what kept it from listening, the interruption, the time that ran out, or the failure of a transfer that was not made
 * good within `timeout`.
 */
export async function receive(options: ReceiveOptions): Promise<Summary> {
  const start = performance.now()
  const receiver = new Receiver(options)
  let failure: TransferError | null = null
  try {
    await receiver.run()
  } catch (error) {
    failure = asTransferError(error)
    if (failure !== receiver.reported) options.onEvent?.(failedEvent(0, undefined, failure))
  }
  const { files, bytes } = receiver
  const seconds = secondsSince(start)
  options.onEvent?.({ event: 'done', files, bytes, seconds, exitCode: failure?.exitCode ?? 0 })
  if (failure) throw failure
  return { files, bytes, seconds }
}

class Receiver {
  readonly #options: ReceiveOptions
  readonly #onEvent: OnEvent
  readonly #timeout: number
  readonly #policy: Policy
  /** Successful transfers still wanted. */
  #wanted: number
  /** Transfers under way: connections that have sent a header. */
  #admitted = 0
  #connections = 0
  readonly #blocking = new Blocking()
  readonly #active = new Set<Incoming>()
  readonly #running = new Set<Promise<void>>()
  /** The failure of the last transfer, while its sender may still come back. */
  #broken: TransferError | null = null
  #idle: NodeJS.Timeout | undefined
  #hadSender = false
  /** Set once it ends: what the connections that are still open are told. */
  #stopping: TransferError | null = null
  #owner = ''
  #settle: (failure: TransferError | null) => void = () => {}
  files = 0
  bytes = 0
  /** A failure that had its event already, when its transfer ended. */
  reported: TransferError | null = null

  constructor(options: ReceiveOptions) {
    this.#options = options
    this.#onEvent = options.onEvent ?? (() => {})
    this.#timeout = options.timeout ?? 30_000
    this.#wanted = typeof options.out === 'string' ? (options.count ?? Number.POSITIVE_INFINITY) : 1
    this.#policy = {
      accept: options.accept ?? [],
      maxSize: options.maxSize ?? Number.MAX_SAFE_INTEGER,
      maxFiles: options.maxFiles ?? 100_000,
    }
  }

  async run(): Promise<void> {
    const { signal, out } = this.#options
    if (signal?.aborted) throw interruption(signal)
    if (typeof out === 'string') await this.#prepareFolder(out)
    const ended = new Promise<TransferError | null>((resolve) => {
      this.#settle = resolve
    })
    const { host, port } = this.#options
    const server = await listen({ host, port, onConnection: (socket) => this.#onConnection(socket) })
    const interrupt = () => this.#settle(interruption(signal as AbortSignal))
    signal?.addEventListener('abort', interrupt)
    // The signal may have been aborted while the server was starting.
    if (signal?.aborted) interrupt()
    const address = server.address() as AddressInfo
    this.#onEvent({ event: 'listening', address: address.address, port: address.port })
    this.#watchIdle()
    const failure = await ended
    signal?.removeEventListener('abort', interrupt)
    await this.#stop(server, failure)
    if (failure) throw failure
  }

  async #prepareFolder(out: string): Promise<void> {
    try {
      await disk.mkdir(out, { recursive: true })
      await disk.access(out, constants.W_OK | constants.X_OK)
      this.#owner = await newOwner()
      await this.#inFolder(out, cleanStaging)
    } catch (error) {
      throw localTrouble('cannot store in', out, error)
    }
  }

  async #inFolder(out: string, work: (root: Directory) => Promise<void>): Promise<void> {
    const root = await Directory.open(out)
    try {
      await work(root)
    } finally {
      await root.close()
    }
  }

  /** Ends what is still under way, waits until it has let go of its files, and leaves the folder clean. */
  async #stop(server: Server, failure: TransferError | null): Promise<void> {
    clearTimeout(this.#idle)
    server.close()
    this.#stopping = failure ?? refusal('busy', 'it has received what it waited for')
    for (const incoming of this.#active) incoming.fail(this.#stopping)
    await Promise.allSettled(this.#running)
    const { out } = this.#options
    // A folder that has gone in the meantime needs no cleaning.
    if (typeof out === 'string') await this.#inFolder(out, (root) => removeOwner(root, this.#owner)).catch(() => {})
  }

  #onConnection(socket: Socket): void {
    const running = this.#receive(socket)
    this.#running.add(running)
    // It rejects only for an `onEvent` that throws.
    running.catch((error) => this.#settle(asTransferError(error))).finally(() => this.#running.delete(running))
  }

  async #receive(socket: Socket): Promise<void> {
    const { out, maxConnections = 256 } = this.#options
    const transfer = ++this.#connections
    const peer = peerAddress(socket)
    const incoming: Incoming = new Incoming(socket, {
      policy: this.#policy,
      onEvent: this.#onEvent,
      transfer,
      peer,
      timeout: this.#timeout,
      openStore: (signal) => this.#openStore(out, signal),
      admit: () => this.#admit(),
    })
    if (this.#active.size >= maxConnections) {
      incoming.fail(refusal('busy', `it has ${maxConnections} connections already (--max-connections)`))
    }
    this.#active.add(incoming)
    const result = await incoming.run()
    this.#active.delete(incoming)
    this.files += result.files
    this.bytes += result.bytes
    if (result.failure === this.#stopping) this.reported = result.failure
    if (result.admitted) this.#onTransferEnd(result)
  }

  async #openStore(out: string | Writable, signal: AbortSignal): Promise<Store> {
    if (typeof out !== 'string') return new OutputStore(out, signal)
    const { ifExists = 'backup', allowHidden = false } = this.#options
    return await FolderStore.open({
      path: out,
      owner: this.#owner,
      ifExists,
      allowHidden,
      umask: process.umask(),
      blocking: this.#blocking,
    })
  }

  #admit(): void {
    if (this.#admitted >= this.#wanted) throw refusal('busy', 'it has all the transfers that it waited for')
    this.#admitted++
    this.#hadSender = true
    clearTimeout(this.#idle)
  }

  #onTransferEnd({ failure }: IncomingResult): void {
    this.#admitted--
    if (failure === null) {
      this.#wanted--
      this.#broken = null
      if (this.#wanted === 0) this.#settle(null)
    } else if (failure.code !== 'refused') {
      this.#broken = failure
      // A stream cannot take back what it has been given, so there is no second try.
      if (typeof this.#options.out !== 'string') {
        this.reported = failure
        this.#settle(failure)
      }
    }
    this.#watchIdle()
  }

  /**
   * Nobody is sending: how long may that last? A transfer that broke, and is still wanted, must come back within
   * `timeout`; a sender that never came, or the next one that is wanted, must come within `wait`.
   */
  #watchIdle(): void {
    if (this.#admitted > 0) return
    clearTimeout(this.#idle)
    const { wait } = this.#options
    const isCounting = this.#wanted !== Number.POSITIVE_INFINITY
    if (this.#broken && isCounting) {
      const { code, message, reason } = this.#broken
      const text = `${message}; the sender did not come back within ${this.#timeout / 1000} seconds`
      const failure = new TransferError(code, text, { reason, cause: this.#broken })
      this.#idle = setTimeout(() => this.#settle(failure), this.#timeout)
    } else if (wait !== undefined && (isCounting || !this.#hadSender)) {
      const text = `no sender came within ${wait / 1000} seconds`
      this.#idle = setTimeout(
        () => this.#settle(new TransferError('timeout', text, { tell: 'it has stopped waiting' })),
        wait,
      )
    }
  }
}
