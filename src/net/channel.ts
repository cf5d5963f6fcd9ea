/**
 * A connection as a link uses it: bytes in, bytes out, and one clock that notices when nothing moves.
 *
 * - `receive` feeds the peer's bytes to a consumer. While the consumer is busy, the socket pauses and TCP pushes back.
 * - `write` resolves when the kernel has taken the bytes. A caller that awaits it may then use its buffer again.
 * - While this side waits for the peer, something must happen within `timeout`: a byte arrives or written bytes leave
 *   (patience.ts). The time that this side takes itself (an fsync, a slow pipe) does not count.
 * - A side that has written nothing for a second sends a heartbeat, so that its own slowness never counts as silence.
 * - All waiting calls reject with the first error. `fail` sends a farewell and then lingers: closing with unread bytes
 *   makes TCP reset the connection and destroy the farewell on its way (RFC 1122, 4.2.2.13).
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { asTransferError, TransferError } from '../errors.js'
import { HEARTBEAT_INTERVAL } from '../protocol/limits.js'
import { brokenError } from './broken-error.js'
import { type Consumer, dropUntil, feed } from './feed.js'
import { Patience } from './patience.js'
import { Turn } from './turn.js'

/** How long a failed connection may take to deliver its farewell, in milliseconds. */
const LINGER = 1_000

export interface ChannelOptions {
  /** Milliseconds without progress after which the channel fails with a `timeout` error. */
  timeout: number
  /** The last bytes to send to the peer when the channel fails. Without them the connection is reset instead. */
  farewell?: (error: TransferError) => Uint8Array | null
  /** Returns a heartbeat. Without it, none is sent, and the end of the stream is read with care (feed.ts). */
  heartbeat?: () => Uint8Array
}

/** The consumer before the call of `receive`, and after its end. */
const drop: Consumer = () => {}

const always = () => true

export class Channel {
  readonly #socket: Duplex
  readonly #timeout: number
  readonly #farewell: ChannelOptions['farewell']
  readonly #heartbeat: ChannelOptions['heartbeat']
  readonly #clock: NodeJS.Timeout
  #consume = drop
  #receiving: { resolve(): void; reject(error: Error): void } | null = null
  /** True while the consumer works behind a promise. */
  #busy = false
  readonly #writers = new Set<(error: Error) => void>()
  #isAwaited = always
  #ended = false
  #finished = false
  #error: TransferError | null = null
  readonly #patience: Patience
  /** For a consumer that works in steps, or behind a promise. */
  readonly turn = new Turn()
  #lastWrite = performance.now()
  #hasSpoken = false
  readonly #failed = new AbortController()
  /** Aborted with the channel's error as soon as the channel fails, for code that waits for something else. */
  readonly signal: AbortSignal = this.#failed.signal
  /** Resolves when the socket is closed. Never rejects. */
  readonly closed: Promise<void>

  constructor(socket: Duplex, { timeout, farewell, heartbeat }: ChannelOptions) {
    this.#socket = socket
    this.#timeout = timeout
    this.#patience = new Patience(socket, timeout)
    this.#farewell = farewell
    this.#heartbeat = heartbeat
    this.closed = new Promise((resolve) => socket.once('close', resolve))
    socket.once('end', () => this.#onEnd())
    socket.on('error', (error) => this.fail(brokenError(error)))
    socket.once('close', () => this.#onClose())
    this.#clock = setInterval(() => this.#tick(), Math.min(HEARTBEAT_INTERVAL / 2, timeout / 4))
  }

  /**
   * Feeds every piece that comes to `consume`, the next one only after the last was consumed. Resolves when the peer
   * has ended its direction or `stopReceiving` was called. Rejects with the error of the channel or the consumer once
   * the consumer has finished its work, so that its files can be closed. Called once.
   *
   * @param isAwaited returns false if nothing need come, so that silence is no stall
   */
  receive(consume: Consumer, isAwaited = always): Promise<void> {
    return new Promise((resolve, reject) => {
      // A failed channel still reads, and drops everything: `close` waits for the end of the peer's direction.
      if (this.#error) reject(this.#error)
      else {
        this.#receiving = { resolve, reject }
        this.#consume = consume
        this.#isAwaited = isAwaited
        this.#patience.moved()
      }
      feed(this.#socket, (bytes) => this.#onBytes(bytes), this.turn, !this.#heartbeat)
    })
  }

  /** Ends `receive` as if the peer had ended its direction. Later bytes are dropped. */
  stopReceiving(): void {
    this.#consume = drop
    this.#stopWaiting()
  }

  /** Hands `bytes` to the kernel. Resolves when it has taken all of them. Rejects with the channel's error. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#error) return Promise.reject(this.#error)
    if (!this.#isWaiting()) this.#patience.moved()
    this.#hasSpoken = true
    this.#lastWrite = performance.now()
    this.#patience.wrote(bytes.length, true)
    return new Promise((resolve, reject) => {
      this.#writers.add(reject)
      this.#socket.write(bytes, (error) => {
        // The event `error` rejects this promise, with the proper text.
        if (error) return
        this.#writers.delete(reject)
        this.#patience.moved()
        resolve()
      })
    })
  }

  /** Milliseconds since the last call of `write`, if the kernel has not taken everything yet. 0 otherwise. */
  get blocked(): number {
    return this.#writers.size > 0 ? performance.now() - this.#lastWrite : 0
  }

  /** Ends this side's direction. The peer's direction stays open. Resolves when the kernel has taken everything. */
  finish(): Promise<void> {
    if (this.#error) return Promise.reject(this.#error)
    this.#finished = true
    return new Promise((resolve, reject) => {
      this.#writers.add(reject)
      // Node.js calls the callback of `end` even after an error.
      this.#socket.once('finish', () => {
        this.#writers.delete(reject)
        resolve()
      })
      this.#socket.end()
    })
  }

  /** Fails the channel. Only the first error counts. The peer gets the farewell if it can still arrive. */
  fail(error: TransferError): void {
    if (this.#error) return
    this.#error = error
    if (!this.#busy) this.#receiving?.reject(error)
    for (const reject of this.#writers) reject(error)
    this.#writers.clear()
    this.#failed.abort(error)
    const farewell = this.#farewell?.(error)
    if (farewell) void this.close(farewell)
    else this.#reset()
  }

  /** Ends this side's direction after `farewell`. Drops what comes until the peer ends, too, for at most a second. */
  async close(farewell?: Uint8Array): Promise<void> {
    clearInterval(this.#clock)
    this.#consume = dropUntil(this.closed)
    const socket = this.#socket
    const deadline = setTimeout(() => socket.destroy(), LINGER)
    if (socket.writable) socket.end(farewell)
    // `receive` may never have been called.
    socket.resume()
    // The socket destroys itself when both directions have ended.
    await this.closed
    clearTimeout(deadline)
  }

  /** Ends both directions at once. The peer may not get what was written last. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Without a farewell, a close would look like the end of a file. A reset does not. */
  #reset(): void {
    clearInterval(this.#clock)
    // After the end of this side's direction there is nothing to reset, and Node.js would leave the handle open.
    const socket = this.#socket as Duplex & Partial<Pick<Socket, 'resetAndDestroy'>>
    if (socket.resetAndDestroy && !this.#finished) socket.resetAndDestroy()
    else socket.destroy()
  }

  #isWaiting(): boolean {
    return (this.#receiving !== null && this.#isAwaited() && !this.#busy) || this.#writers.size > 0
  }

  #onBytes(bytes: Buffer): void | Promise<void> {
    this.#patience.moved()
    try {
      const working = this.#consume(bytes)
      if (!working) return
      this.#busy = true
      return working
        .catch((error) => {
          this.fail(asTransferError(error))
          throw error
        })
        .finally(() => this.#onConsumed())
    } catch (error) {
      this.fail(asTransferError(error))
    }
  }

  #onConsumed(): void {
    this.#busy = false
    if (this.#error) this.#receiving?.reject(this.#error)
    else if (this.#ended) this.#stopWaiting()
    this.#patience.moved()
  }

  #onEnd(): void {
    this.#ended = true
    // A socket with the `data` event ends while it is paused. The consumer may still be at the last bytes.
    if (!this.#busy) this.#stopWaiting()
  }

  /** Resolves `receive`, unless the channel has failed: `receive` then rejects after the consumer's work. */
  #stopWaiting(): void {
    if (this.#error) return
    this.#receiving?.resolve()
    this.#receiving = null
  }

  #onClose(): void {
    clearInterval(this.#clock)
    if (!this.#ended) this.fail(new TransferError('incomplete', 'the connection was closed', { reason: 'broken' }))
  }

  #tick(): void {
    const now = performance.now()
    if (this.#isWaiting() && this.#patience.isOver()) {
      const text = `no progress for ${this.#timeout / 1000} seconds`
      const message = `${text}: the other side, or the network between, is stuck`
      this.fail(new TransferError('timeout', message, { reason: 'timeout', peerMessage: text }))
      return
    }
    // Heartbeats begin after the opening. They need an empty queue, so the queue never grows.
    const isQuiet = now - this.#lastWrite >= HEARTBEAT_INTERVAL && this.#socket.writableLength === 0
    if (this.#heartbeat && isQuiet && this.#hasSpoken && !this.#finished) {
      const heartbeat = this.#heartbeat()
      this.#lastWrite = now
      this.#patience.wrote(heartbeat.length, false)
      this.#socket.write(heartbeat)
    }
  }
}
