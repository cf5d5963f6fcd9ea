/**
 * A chat over UDP: each message is a datagram, without a greeting, a heartbeat or a farewell. What is sent may be lost,
 * come twice or in another order, and nobody is told. A listener never answers by itself, so nobody can use it to
 * send more than he has sent himself to an address that he has forged.
 */
import type { RemoteInfo, Socket } from 'node:dgram'
import { TransferError } from '../errors.js'
import { formatAddress, peerAddress } from '../net/address.js'
import { isWithin, type Network, parseAddress, parseNetwork } from '../net/ip.js'
import { bindUdp, connectUdp } from '../net/udp.js'
import { codeOf, describe } from '../system-errors.js'
import { DatagramPeer, DatagramPeers, datagramLimits } from './datagram-peers.js'
import { type Datagrams, type OnDatagramEvent, Side } from './datagram-side.js'

export type { DatagramEvent, Datagrams, OnDatagramEvent } from './datagram-side.js'

/** The options of a listener. */
export interface DatagramListenOptions {
  /** The address to listen on. Default: all interfaces, IPv6 and IPv4. */
  host?: string | undefined
  /** The port to listen on. 0 lets the system pick one. */
  port: number | undefined
  /** Sends each line to all peers, and not only to the one that was heard last. Default: false. */
  room?: boolean | undefined
  /** The addresses and networks that may write. Default: all. Others are not heard. */
  allowFrom?: readonly string[] | undefined
  onEvent: OnDatagramEvent
}

/** Listens for datagrams. Throws a `connect` or a `usage` error. */
export async function listenForDatagrams(options: DatagramListenOptions): Promise<Datagrams> {
  const networks = options.allowFrom?.map((text) => parseNetwork(text))
  const listener = new Listener(await bindUdp(options.host, options.port), options, networks)
  const { address, port } = listener
  options.onEvent({ event: 'listening', address, port })
  return listener
}

/** Talks to a listener. Throws a `connect` or a `usage` error. Nobody can know yet whether there is one. */
export async function dialDatagrams(options: {
  host: string
  port: number | undefined
  onEvent: OnDatagramEvent
}): Promise<Datagrams> {
  return new Dialler(await connectUdp(options.host, options.port), options.onEvent)
}

class Listener extends Side {
  readonly #isRoom: boolean
  readonly #networks: readonly Network[] | undefined
  readonly #peers = new DatagramPeers((peer) => this.#onForgotten(peer))
  /** What was said once of those who are not heard. */
  readonly #said = new Set<string>()

  constructor(socket: Socket, options: DatagramListenOptions, networks: readonly Network[] | undefined) {
    super(socket, options.onEvent)
    this.#isRoom = options.room ?? false
    this.#networks = networks
    socket.once('close', () => {
      for (const peer of this.#peers.all) this.reportDropped(peer)
      this.#peers.end()
    })
  }

  who(): string[] {
    return this.#peers.all.map(({ name }) => name)
  }

  protected get hearers(): readonly DatagramPeer[] {
    return this.#isRoom ? this.#peers.all : this.#peers.all.slice(-1)
  }

  protected send(bytes: Buffer, { address, port }: DatagramPeer, done: (error: Error | null) => void): void {
    this.socket.send(bytes, port, address, done)
  }

  protected failed(error: NodeJS.ErrnoException): void {
    this.report({ event: 'notice', message: `a line could not be sent: ${describe(error)}` })
  }

  protected onDatagram(bytes: Buffer, { address, port }: RemoteInfo): void {
    const from = parseAddress(address)
    if (this.#networks && !(from && isWithin(from, this.#networks))) {
      this.#sayOnce('an address that may not write is not heard (--allow-from)')
      return
    }
    const heard = this.#peers.hear(address, port)
    if (!heard) {
      this.#sayOnce(`there are ${datagramLimits.peers.toLocaleString('en')} peers already: no others are heard`)
      return
    }
    const { peer, isNew } = heard
    const where = peerAddress({ remoteAddress: address, remotePort: port })
    if (isNew) this.report({ event: 'joined', name: peer.name, peer: where })
    this.reportLines(peer, bytes)
  }

  #onForgotten(peer: DatagramPeer): void {
    this.reportDropped(peer)
    this.report({ event: 'left', name: peer.name, reason: 'silent for 2 minutes' })
  }

  /** Anybody can cause it as fast as the network carries it. */
  #sayOnce(message: string): void {
    if (!this.#said.has(message)) this.report({ event: 'notice', message })
    this.#said.add(message)
  }
}

class Dialler extends Side {
  readonly #partner: DatagramPeer

  constructor(socket: Socket, onEvent: OnDatagramEvent) {
    super(socket, onEvent)
    const { address, port } = socket.remoteAddress()
    this.#partner = new DatagramPeer(formatAddress(address, port), address, port)
    socket.once('close', () => this.reportDropped(this.#partner))
  }

  who(): string[] {
    return [this.#partner.name]
  }

  protected get hearers(): readonly DatagramPeer[] {
    return [this.#partner]
  }

  protected send(bytes: Buffer, _to: DatagramPeer, done: (error: Error | null) => void): void {
    this.socket.send(bytes, done)
  }

  /** A network that is down says the same about each datagram, and even without one. */
  protected failed(error: NodeJS.ErrnoException): void {
    if (this.problem) return
    const what = codeOf(error) === 'ECONNREFUSED' ? 'nothing listens there (ECONNREFUSED)' : describe(error)
    this.problem = new TransferError('connect', `${this.#partner.name} did not hear the last line: ${what}`, {
      cause: error,
    })
    this.report({ event: 'notice', message: this.problem.message })
  }

  protected onDatagram(bytes: Buffer): void {
    this.problem = null
    this.#partner.onHeard()
    this.reportLines(this.#partner, bytes)
  }
}
