/**
 * Receiving without the protocol: all that comes until the end of the stream is one file. A stream that was cut looks
 * like one that ended, so what is stored is called verified only if somebody knew beforehand what to expect. It is
 * staged, fsynced and named like any other file.
 *
 * Who knows the size need not wait for the end, which some programs never send: once all is there the stream has a moment
 * to end, or to prove that something is wrong (more bytes, a reset), and then the file is stored.
 */
import type { Duplex } from 'node:stream'
import { defaults } from '../defaults.js'
import { asTransferError, refusal, TransferError } from '../errors.js'
import { type OnEvent, ProgressReport, report, reportRefusal, secondsSince } from '../events.js'
import { guessExtension } from '../links/signature.js'
import { Channel } from '../net/channel.js'
import { keep } from '../net/memory.js'
import { encode } from '../protocol/encode.js'
import { openingSide, type Side } from '../protocol/strangers.js'
import { mediaType } from '../sources/media-type.js'
import type { Incoming as Entry, Store } from '../stores/store.js'
import { EntryDigest } from './digest.js'
import { checkExpected, checkGrowing, type Expectation, isExpecting } from './expectation.js'
import type { Transfer, TransferResult } from './transfer.js'

/** How long the stream may take to end once all that is expected is there, in milliseconds. */
const END_GRACE = 1_000

export interface PlainIncomingOptions {
  /** The name to store under. Default: `received`, with an extension where the content shows one. */
  name: string | undefined
  maxSize: number
  expect: Expectation
  onEvent: OnEvent
  transfer: number
  peer: string
  timeout: number
  openStore(signal: AbortSignal): Promise<Store>
  /** For a receiver that listens: whoever connects is a sender. Throws a refusal if no more are wanted. */
  admit?: (() => void) | undefined
}

/** The file that is being received. */
interface Open {
  entry: Entry
  digest: EntryDigest
  progress: ProgressReport
}

export class PlainIncoming implements Transfer {
  readonly #channel: Channel
  readonly #options: PlainIncomingOptions
  readonly #start = performance.now()
  readonly #result: TransferResult = { admitted: false, files: 0, bytes: 0, failure: null }
  #name: string
  #store: Store | null = null
  /** What must not stay if it fails. */
  #entry: Entry | null = null
  #open: Open | null = null
  #bytes = 0
  /** The first few bytes, while they may still turn out to be the opening of the protocol. */
  #held: Buffer = Buffer.alloc(0)
  /** Set where the other side turned out to speak the protocol. */
  #peer: Side | null = null
  #ending: NodeJS.Timeout | undefined

  constructor(socket: Duplex, options: PlainIncomingOptions) {
    this.#options = options
    this.#name = options.name ?? defaults.plainName
    const farewell = (error: TransferError) => this.#farewell(error)
    this.#channel = new Channel(socket, { timeout: options.timeout, farewell, plain: true })
  }

  fail(error: TransferError): void {
    this.#channel.fail(error)
  }

  async run(): Promise<TransferResult> {
    try {
      this.#options.admit?.()
      this.#result.admitted = true
      this.#watchEnd()
      await this.#channel.receive((bytes) => this.#onBytes(bytes))
      await this.#onEnd()
      await this.#channel.close()
    } catch (error) {
      await this.#failed(asTransferError(error))
    } finally {
      clearTimeout(this.#ending)
      await this.#store?.close()
    }
    return this.#result
  }

  /** A peer that speaks the protocol is answered in it. To any other a reset says that its bytes were not taken. */
  #farewell({ reason, peerMessage }: TransferError): Buffer | null {
    if (this.#peer === null) return null
    return Buffer.concat([encode.receiverOpening(), encode.refused({ entry: null, reason, message: peerMessage })])
  }

  #onBytes(bytes: Buffer): void | Promise<void> {
    const { maxSize, expect } = this.#options
    this.#bytes += bytes.length
    if (this.#bytes > maxSize) throw refusal('too-large', `more than ${maxSize} bytes came, which is the limit`)
    checkGrowing(this.#name, this.#bytes, expect)
    const working = this.#open ? this.#write(this.#open, bytes) : this.#onFirst(bytes)
    if (working) return working.then(() => this.#watchEnd())
    this.#watchEnd()
  }

  /** Until it is known that they are not the opening of the protocol, the first bytes are held back. */
  #onFirst(bytes: Buffer): void | Promise<void> {
    const first = this.#held.length > 0 ? Buffer.concat([this.#held, bytes]) : keep(bytes)
    const side = openingSide(first)
    if (side) {
      this.#peer = side
      throw speaksProtocol(side)
    }
    if (side === null) return this.#begin(first).then((open) => this.#write(open, first))
    this.#held = Buffer.from(first)
  }

  /** Once all that is expected is there, the end is waited for no longer than a moment. */
  #watchEnd(): void {
    const { expect, timeout } = this.#options
    if (this.#bytes !== expect.size) return
    // Waiting for the end shall not be taken for a stall.
    const grace = Math.min(END_GRACE, timeout / 2)
    this.#ending = setTimeout(() => this.#channel.stopReceiving(), grace)
  }

  #write({ entry, digest, progress }: Open, bytes: Buffer): void | Promise<void> {
    digest.update(bytes)
    progress.update(this.#bytes)
    return entry.write(bytes)
  }

  /** Before the first bytes are written: only now can an unnamed file be named by its content. */
  async #begin(first: Buffer): Promise<Open> {
    const { name = defaults.plainName + guessExtension(first), onEvent, transfer, expect } = this.#options
    const size = expect.size ?? null
    this.#name = name
    this.#store = await this.#options.openStore(this.#channel.signal)
    const digest = await EntryDigest.create()
    const entry = await this.#store.begin({ kind: 'file', name, size, type: mediaType(name), mtime: null, mode: null })
    this.#entry = entry
    this.#open = { entry, digest, progress: new ProgressReport(onEvent, { transfer, name, size }) }
    return this.#open
  }

  /** The file is so short that its first bytes are all. */
  async #beginHeld(): Promise<Open> {
    const open = await this.#begin(this.#held)
    if (this.#held.length > 0) await this.#write(open, this.#held)
    return open
  }

  async #onEnd(): Promise<void> {
    const { entry, digest } = this.#open ?? (await this.#beginHeld())
    const { expect, onEvent, transfer, peer } = this.#options
    const [name, size, { blake3 }] = [this.#name, this.#bytes, digest.hex()]
    checkExpected(name, { bytes: size, blake3 }, expect)
    this.#entry = null
    const { path } = await entry.commit()
    const facts = { name, path, size, blake3, type: mediaType(name), verified: isExpecting(expect) }
    onEvent({ event: 'stored', transfer, peer, ...facts, seconds: secondsSince(this.#start) })
    Object.assign(this.#result, { files: 1, bytes: size })
  }

  async #failed(cause: TransferError): Promise<void> {
    const { onEvent, transfer, peer } = this.#options
    this.#channel.fail(cause)
    const error = cause.code === 'timeout' && this.#bytes > 0 ? this.#withoutEnd(cause) : cause
    await this.#entry?.discard()
    await this.#channel.closed
    // What was skipped is there already, and that is as it should be.
    if (error.reason !== 'skipped') this.#result.failure = error
    const name = this.#result.admitted ? this.#name : undefined
    if (error.code === 'refused') reportRefusal(onEvent, { transfer, peer, name }, error)
    else report(onEvent, { transfer, name }, error)
  }

  /** Bytes came, and then neither more nor the end: the commonest cause is a sender that does not send the end. */
  #withoutEnd(cause: TransferError): TransferError {
    const { timeout, expect } = this.#options
    const silence = `no progress for ${timeout / 1000} seconds`
    const text =
      expect.size === undefined
        ? `${silence} after ${this.#bytes} bytes, and no end of the stream, so nothing is stored; nc ends it only with -N (nc -N HOST PORT <FILE), ncat and socat by themselves; --expect-size needs no end`
        : `${silence} after ${this.#bytes} of ${expect.size} bytes, so nothing is stored`
    return new TransferError('timeout', text, { reason: cause.reason, peerMessage: cause.peerMessage, cause })
  }
}

function speaksProtocol(side: Side): TransferError {
  const [text, tell] =
    side === 'sender'
      ? [
          'the other side is tcp-send without --plain, so nothing is stored; give it --plain, or leave it out here',
          'it was started with --plain and takes bytes without the protocol; give --plain to tcp-send, too, or to neither',
        ]
      : ['the other side is tcp-recv, as this side is, so nothing is stored', 'it is a receiver, as this side is']
  return new TransferError('refused', text, { reason: 'policy', peerMessage: tell })
}
