/** What both sides of a chat over UDP have in common. */
import type { RemoteInfo, Socket } from 'node:dgram'
import { setImmediate as turn } from 'node:timers/promises'
import { TransferError } from '../errors.js'
import { codeOf } from '../system-errors.js'
import { type DatagramPeer, datagramLimits } from './datagram-peers.js'

/** What happens in a chat over UDP. No text is escaped. */
export type DatagramEvent =
  /** The socket is open. */
  | { event: 'listening'; address: string; port: number }
  /** A peer has written for the first time, from `peer`: `address:port`. */
  | { event: 'joined'; name: string; peer: string }
  /** A line has come. */
  | { event: 'line'; from: string; text: string }
  /** So many lines of `from` were not taken: there were too many, or nobody read them. */
  | { event: 'dropped'; from: string; lines: number }
  /** A peer was forgotten. */
  | { event: 'left'; name: string; reason: string }
  /** Something that a person should know. */
  | { event: 'notice'; message: string }

/** Called for each event. As long as a promise that it has returned is pending, lines are dropped. */
export type OnDatagramEvent = (event: DatagramEvent) => unknown

/** A chat over UDP. */
export interface Datagrams {
  /** The address of its own socket. */
  readonly address: string
  readonly port: number
  /**
   * Sends a line. Resolves when the system has taken it. Rejects with a `usage` error if it has more than 1,200 bytes.
   * Any other failure is a notice, and the chat goes on.
   */
  say(text: string): Promise<void>
  /** The names of those who are there. */
  who(): string[]
  /** Ends this side, after everything that was said is sent. The other side is not told. */
  leave(): Promise<void>
  /** Settles after `leave`. Rejects with a `connect` error if nobody can have heard the last line. */
  readonly finished: Promise<void>
}

/** One side. */
export abstract class Side implements Datagrams {
  readonly address: string
  readonly port: number
  readonly finished: Promise<void>
  readonly #onEvent: OnDatagramEvent
  protected readonly socket: Socket
  /** Why the last line was lost, if it is known. */
  protected problem: TransferError | null = null
  readonly #finish: (problem: TransferError | null) => void
  readonly #sending = new Set<Promise<void>>()
  #isHeldUp = false
  #leaving: Promise<void> | undefined

  constructor(socket: Socket, onEvent: OnDatagramEvent) {
    const { address, port } = socket.address()
    this.address = address
    this.port = port
    this.socket = socket
    this.#onEvent = onEvent
    let finish!: (problem: TransferError | null) => void
    this.finished = new Promise((resolve, reject) => {
      finish = (problem) => (problem ? reject(problem) : resolve())
    })
    this.#finish = finish
    // Nobody need wait for it.
    this.finished.catch(() => {})
    socket.on('error', (error) => this.failed(error))
    socket.on('message', (bytes, from) => this.onDatagram(bytes, from))
  }

  abstract who(): string[]
  /** Those who hear the next line. */
  protected abstract get hearers(): readonly DatagramPeer[]
  protected abstract onDatagram(bytes: Buffer, from: RemoteInfo): void
  /** Called with what the system has said about a datagram. */
  protected abstract failed(error: NodeJS.ErrnoException): void
  protected abstract send(bytes: Buffer, to: DatagramPeer, done: (error: Error | null) => void): void

  async say(text: string): Promise<void> {
    const bytes = Buffer.from(text)
    if (bytes.length > datagramLimits.bytes) {
      const most = `${datagramLimits.bytes.toLocaleString('en')} bytes`
      throw new TransferError('usage', `a line has at most ${most} over UDP, and this one has ${bytes.length}`)
    }
    this.problem = null
    const { hearers } = this
    if (hearers.length === 0) this.report({ event: 'notice', message: 'nobody is there who could hear that' })
    await Promise.all(hearers.map((peer) => this.#sendTo(peer, bytes)))
  }

  leave(): Promise<void> {
    this.#leaving ??= this.#leave()
    return this.#leaving
  }

  async #leave(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending)
    // What the system has to say about the last datagram comes when the event loop asks for it.
    await turn()
    await turn()
    await new Promise<void>((resolve) => this.socket.close(resolve))
    this.#finish(this.problem)
  }

  #sendTo(peer: DatagramPeer, bytes: Buffer): Promise<void> {
    const sent = new Promise<void>((resolve) => {
      const onFirst = (error: Error | null) => {
        // That was about an earlier datagram, and this one was not sent for it.
        if (codeOf(error) === 'ECONNREFUSED') this.send(bytes, peer, onLast)
        else onLast(error)
      }
      const onLast = (error: Error | null) => {
        if (error) this.failed(error)
        resolve()
      }
      this.send(bytes, peer, onFirst)
    })
    this.#sending.add(sent)
    return sent.finally(() => this.#sending.delete(sent))
  }

  /** Passes an event on, and notes whether nobody reads any more. */
  protected report(event: DatagramEvent): void {
    const drained = this.#onEvent(event)
    if (!(drained instanceof Promise)) return
    this.#isHeldUp = true
    const goOn = () => {
      this.#isHeldUp = false
    }
    drained.then(goOn, goOn)
  }

  /** Reports the lines in a datagram of `peer`. Programs that send a file line by line put several into one. */
  protected reportLines(peer: DatagramPeer, bytes: Buffer): void {
    for (const line of bytes
      .toString()
      .replace(/\r?\n$/, '')
      .split(/\r?\n/)) {
      if (this.#isHeldUp || !peer.mayWrite()) {
        peer.dropped++
        continue
      }
      this.reportDropped(peer)
      this.report({
        event: 'line',
        from: peer.name,
        text: Array.from(line).slice(0, datagramLimits.characters).join(''),
      })
    }
  }

  protected reportDropped(peer: DatagramPeer): void {
    if (peer.dropped > 0) this.report({ event: 'dropped', from: peer.name, lines: peer.dropped })
    peer.dropped = 0
  }
}
