/**
 * Listens, for a sender and a receiver alike. Connections come and go, some of them become transfers, and a condition
 * ends the listener. The caller decides what a connection does. The listener counts and limits connections, waits for
 * them and stops them at the end.
 */
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Entered } from '../access/entrance.js'
import { Gate } from '../access/gate.js'
import { enter } from '../access/handshake.js'
import { Places } from '../access/places.js'
import { type Peer, Proxies } from '../access/proxies.js'
import { Refusals } from '../access/refusals.js'
import { asTransferError, interruption, refusal, TransferError } from '../errors.js'
import { failedEvent, keyFacts, keysFacts } from '../event-values.js'
import { peerAddress } from '../net/address.js'
import { peerNetwork } from '../net/ip.js'
import { listen, listenOnAll } from '../net/listen.js'
import { idleEnd } from './idle.js'
import type { ListenerOptions, Role } from './listener-options.js'
import { endedEvent, runWatched, type Session, type TransferResult } from './session.js'

export class Listener {
  readonly #options: ListenerOptions
  readonly #role: Role
  /** The number of successful transfers still wanted. */
  #wanted: number
  /** The number of transfers under way, that is, of admitted connections. */
  #admitted = 0
  #connections = 0
  readonly #places: Places
  /** The places of peers that have not proved a key yet. They must not take one from a transfer at rest. */
  readonly #doors: Places
  /** The transfers over bundles. */
  readonly #bundled = new Set<Session>()
  readonly #gate: Gate
  readonly #proxies: Proxies
  readonly #refusals: Refusals
  readonly #running = new Set<Promise<void>>()
  /** The failure of the last transfer, as long as its partner may try again. */
  #failure: TransferError | null = null
  /** The failure that ended the listener. */
  #ending: TransferError | null = null
  /** The failure that a transfer has reported, of those that can end the listener. */
  #reported: TransferError | null = null
  #idle: NodeJS.Timeout | undefined
  #hadPartner = false
  #isOver = false
  readonly #ended: Promise<TransferError | null>
  #settle!: (failure: TransferError | null) => void
  files = 0
  bytes = 0

  constructor(options: ListenerOptions, role: Role) {
    this.#options = options
    this.#role = role
    this.#places = new Places(options)
    this.#doors = new Places(options)
    this.#gate = new Gate(options.allowFrom)
    this.#proxies = new Proxies(options.proxyFrom)
    this.#refusals = new Refusals(options.onEvent, (thrown) => this.#settle(asTransferError(thrown)))
    this.#wanted = options.count
    this.#ended = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  /**
   * Listens until enough transfers have succeeded, or a failure ends the listener. Returns that failure if a transfer
   * has reported it, and throws it otherwise.
   */
  async run(): Promise<TransferError | null> {
    const { signal, closing, onEvent, entrance } = this.#options
    const servers = await this.#listen()
    const interrupt = () => this.#settle(interruption(signal as AbortSignal))
    const close = () => this.#close(servers)
    signal?.addEventListener('abort', interrupt)
    closing?.addEventListener('abort', close)
    // The signal may have been aborted before, or while the server was starting.
    if (signal?.aborted) interrupt()
    let failure: TransferError | null = null
    try {
      for (const server of servers) {
        const { address, port } = server.address() as AddressInfo
        onEvent({ event: 'listening', address, port, ...keysFacts(entrance) })
      }
      this.#watchIdle()
      if (closing?.aborted) close()
      failure = await this.#ended
    } catch (error) {
      failure = asTransferError(error)
    }
    signal?.removeEventListener('abort', interrupt)
    await this.#stop(servers, failure)
    this.#refusals.end()
    if (failure && failure !== this.#reported) throw failure
    return failure
  }

  async #listen(): Promise<Server[]> {
    const { host, port, sockets } = this.#options
    const onConnection = (socket: Socket) => this.#onConnection(socket)
    return sockets ? await listenOnAll(sockets, onConnection) : [await listen({ host, port, onConnection })]
  }

  /** Takes no other transfer. Those under way end as they would, and with the last one the listener. */
  #close(servers: readonly Server[]): void {
    for (const server of servers) server.close()
    clearTimeout(this.#idle)
    this.#failure = null
    this.#wanted = this.#admitted
    if (this.#wanted === 0) this.#settle(null)
  }

  /** Ends all connections, and waits until they have closed their files. */
  async #stop(servers: readonly Server[], failure: TransferError | null): Promise<void> {
    this.#isOver = true
    this.#ending = failure
    clearTimeout(this.#idle)
    for (const server of servers) server.close()
    this.#proxies.close()
    const farewell = failure ?? refusal('busy', 'it has done what it waited for')
    for (const { holders } of [this.#doors, this.#places])
      for (const holder of holders) if (!holder.isLane) holder.fail(farewell)
    for (const session of this.#bundled) session.fail(farewell)
    await Promise.allSettled(this.#running)
  }

  #onConnection(socket: Socket): void {
    // A check of a proxy may be over already. Then it has no address any more.
    if (socket.remoteAddress === undefined && this.#proxies.areExpected) return void socket.destroy()
    this.#track(this.#proxies.has(socket) ? this.#forwarded(socket) : this.#serve(socket, ++this.#connections, socket))
  }

  #track(running: Promise<void>): void {
    this.#running.add(running)
    running.catch((error) => this.#settle(asTransferError(error))).finally(() => this.#running.delete(running))
  }

  #onOutsider(transfer: number, peer: string, error: TransferError): void {
    const { code, reason, message } = error
    if (this.#role.partner === 'sender') this.#refusals.add({ event: 'refused', transfer, peer, code, reason, message })
    else this.#refusals.add(failedEvent(error.withMessage(`${peer}: ${message}`), { transfer }))
  }

  /** A connection that a proxy has made. Only if it has a peer, it counts. */
  async #forwarded(socket: Socket): Promise<void> {
    const proxy = peerAddress(socket)
    const peer = await this.#proxies.peerOf(socket).catch(asTransferError)
    if (peer === null || this.#isOver) return void socket.destroy()
    const number = ++this.#connections
    if (peer instanceof TransferError) this.#onOutsider(number, proxy, peer)
    else await this.#serve(socket, number, peer)
  }

  /** @param from the peer, which a proxy may have named */
  async #serve(accepted: Socket, number: number, from: Peer): Promise<void> {
    const [peer, network] = [peerAddress(from), peerNetwork(from)]
    const refused = this.#gate.refuses(accepted, from)
    if (refused) return this.#onOutsider(number, peer, refused)
    const entered = await enter(accepted, network, this.#options.entrance, this.#doors, (error) => {
      if (!this.#isOver) this.#onOutsider(number, peer, error)
    })
    if (!entered) return this.#endIfBurnt()
    if (this.#isOver) return void entered.socket.destroy()
    await this.#run(entered, number, peer, network)
  }

  /** Runs a transfer over a connection, or over a bundle, whose connections have their places. */
  async #run(entered: Entered, number: number, peer: string, network: string | null): Promise<void> {
    let isReturn = false
    let start = 0
    const admit = () => {
      if (this.#admitted >= this.#wanted) throw refusal('busy', 'it has all the transfers that it waited for')
      // Counted only afterwards: a connection whose event throws is not admitted, and must not keep the place.
      this.#options.onEvent({ event: 'connected', transfer: number, peer, ...keyFacts(entered.key) })
      this.#onAdmitted()
      // After a failure, the next partner counts as the failed one that tries again. A partner from before does not.
      isReturn = this.#failure !== null
      start = performance.now()
    }
    const refusals = this.#refusals
    const enter = (bundle: Duplex) => this.#track(this.#run({ ...entered, socket: bundle }, number, peer, null))
    const more = network === null ? undefined : { enter }
    const transfer = this.#role.start({ ...entered, transfer: number, peer, admit, refusals, more })
    const noPlace = network === null ? this.#bundled.add(transfer) && null : this.#places.take(transfer, network)
    if (noPlace) transfer.fail(noPlace)
    try {
      const result = await runWatched(transfer, this.#options.stall, this.#role.partner)
      this.files += result.files
      this.bytes += result.bytes
      if (result.admitted) {
        this.#options.onEvent(endedEvent(number, start, result, entered.socket))
        // The place is free at once: a refused partner may come again before the old connection is closed.
        this.#onTransferEnd(result, isReturn)
      }
    } finally {
      this.#places.leave(transfer)
      this.#bundled.delete(transfer)
      await transfer.closed
    }
  }

  /** Ends the listener after too many guesses at its code, unless a transfer is under way, or may come back. */
  #endIfBurnt(): void {
    const { burnt } = this.#options.entrance ?? {}
    if (burnt && this.#admitted === 0 && this.#failure === null) this.#settle(burnt)
  }

  #onAdmitted(): void {
    this.#admitted++
    this.#hadPartner = true
    clearTimeout(this.#idle)
  }

  #onTransferEnd({ failure, lastReported }: TransferResult, isReturn: boolean): void {
    this.#admitted--
    if (this.#ending && lastReported === this.#ending) this.#reported = lastReported
    if (failure && this.#role.cannotRetry()) {
      if (lastReported) this.#reported ??= failure
      this.#settle(failure)
    } else if (failure && !this.#options.closing?.aborted) {
      this.#failure = failure
    } else {
      this.#wanted--
      if (isReturn) this.#failure = null
      if (this.#wanted === 0) this.#settle(null)
    }
    this.#endIfBurnt()
    this.#watchIdle()
  }

  /**
   * Limits the time without a transfer under way. After a failed transfer that is still wanted, another try must come
   * within `timeout`. The first partner, and each later one that is wanted, must come within `wait`.
   */
  #watchIdle(): void {
    if (this.#admitted > 0 || this.#isOver) return
    const { wait, timeout, onEvent } = this.#options
    const { partner } = this.#role
    const isCounting = this.#wanted !== Number.POSITIVE_INFINITY
    const patience = { failure: isCounting ? this.#failure : null, hadPartner: this.#hadPartner, partner, timeout }
    const end = idleEnd({ ...patience, wait: isCounting || !this.#hadPartner ? wait : undefined })
    if (!end) return
    this.#idle = setTimeout(() => this.#settle(end.failure), end.time)
    if (end.message) onEvent({ event: 'waiting', for: partner, seconds: end.time / 1000, message: end.message })
  }
}
