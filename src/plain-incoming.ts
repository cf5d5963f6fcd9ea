/**
 * Receiving without the protocol: all that comes until the end of the stream is one file. A stream that was cut looks
 * like one that ended, so what is stored is called verified only if somebody knew beforehand what to expect. It is
 * staged, fsynced and named like any other file.
 */
import type { Duplex } from 'node:stream'
import { asTransferError, refusal, type TransferError } from './errors.js'
import { type OnEvent, ProgressReport, report, reportRefusal, secondsSince } from './events.js'
import { checkExpected, type Expectation, isExpecting } from './expect.js'
import { EntryDigest } from './files/digest.js'
import { mediaType } from './files/media-type.js'
import { guessExtension } from './files/signature.js'
import type { Incoming as Entry, Store } from './files/store.js'
import { keep } from './memory.js'
import { Channel } from './net/channel.js'
import type { Transfer, TransferResult } from './transfer.js'

/** The name of what nobody named; an extension is added where the content shows one. */
const UNNAMED = 'received'

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
  #name = UNNAMED
  #store: Store | null = null
  /** What must not stay if it fails. */
  #entry: Entry | null = null
  #open: Open | null = null
  #bytes = 0

  constructor(socket: Duplex, options: PlainIncomingOptions) {
    this.#options = options
    this.#channel = new Channel(socket, { timeout: options.timeout, plain: true })
  }

  fail(error: TransferError): void {
    this.#channel.fail(error)
  }

  async run(): Promise<TransferResult> {
    try {
      this.#options.admit?.()
      this.#result.admitted = true
      await this.#channel.receive((bytes) => this.#onBytes(bytes))
      await this.#onEnd()
      await this.#channel.close()
    } catch (error) {
      await this.#failed(asTransferError(error))
    } finally {
      await this.#store?.close()
    }
    return this.#result
  }

  #onBytes(bytes: Buffer): void | Promise<void> {
    const { maxSize } = this.#options
    this.#bytes += bytes.length
    if (this.#bytes > maxSize) throw refusal('too-large', `more than ${maxSize} bytes came, which is the limit`)
    if (this.#open) return this.#write(this.#open, bytes)
    const first = keep(bytes)
    return this.#begin(first).then((open) => this.#write(open, first))
  }

  #write({ entry, digest, progress }: Open, bytes: Buffer): void | Promise<void> {
    digest.update(bytes)
    progress.update(this.#bytes)
    return entry.write(bytes)
  }

  /** Before the first bytes are written: only now can an unnamed file be named by its content. */
  async #begin(first: Buffer): Promise<Open> {
    const { name = UNNAMED + guessExtension(first), onEvent, transfer } = this.#options
    this.#name = name
    this.#store = await this.#options.openStore(this.#channel.signal)
    const digest = await EntryDigest.create()
    const entry = await this.#store.begin({ name, size: null, type: mediaType(name), mtime: null, mode: null })
    this.#entry = entry
    this.#open = { entry, digest, progress: new ProgressReport(onEvent, { transfer, name, size: null }) }
    return this.#open
  }

  async #onEnd(): Promise<void> {
    const { entry, digest } = this.#open ?? (await this.#begin(Buffer.alloc(0)))
    const { expect, onEvent, transfer, peer } = this.#options
    const [name, size, { blake3 }] = [this.#name, this.#bytes, digest.hex()]
    checkExpected(name, { bytes: size, blake3 }, expect)
    this.#entry = null
    const { path } = await entry.commit()
    const facts = { name, path, size, blake3, type: mediaType(name), verified: isExpecting(expect) }
    onEvent({ event: 'stored', transfer, peer, ...facts, seconds: secondsSince(this.#start) })
    Object.assign(this.#result, { files: 1, bytes: size })
  }

  async #failed(error: TransferError): Promise<void> {
    const { onEvent, transfer, peer } = this.#options
    this.#channel.fail(error)
    await this.#entry?.discard()
    await this.#channel.closed
    // What was skipped is there already, and that is as it should be.
    if (error.reason !== 'skipped') this.#result.failure = error
    const name = this.#result.admitted ? this.#name : undefined
    if (error.code === 'refused') reportRefusal(onEvent, { transfer, peer, name }, error)
    else report(onEvent, { transfer, name }, error)
  }
}
