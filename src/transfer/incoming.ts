/**
 * One connection's worth of receiving: each entry is checked, stored and answered in its turn. It makes no difference
 * here who dialled. The peer is not trusted: what it may do is decided by the decoder (order, sizes) and here (policy).
 */
import type { Duplex } from 'node:stream'
import { asTransferError, refusal, TransferError } from '../errors.js'
import { type OnEvent, ProgressReport, report, reportRefusal, secondsSince } from '../events.js'
import { Channel } from '../net/channel.js'
import { keep } from '../net/memory.js'
import { SenderDecoder } from '../protocol/decoder.js'
import { encode } from '../protocol/encode.js'
import { HEADER_DEADLINE } from '../protocol/limits.js'
import type { End, Header, ReceivedHeader, SenderMessage } from '../protocol/messages.js'
import { STRANGER_LINE } from '../protocol/strangers.js'
import { typeMatches } from '../sources/media-type.js'
import { receiveMessage } from '../sources/message-source.js'
import type { Incoming as Entry, Store } from '../stores/store.js'
import { printable } from '../text.js'
import { type Algorithm, EntryDigest } from './digest.js'
import type { Transfer, TransferResult } from './transfer.js'
import { unverifiable, verifyEnd } from './verification.js'

/** What a receiver lets in. */
export interface Policy {
  /** MIME types and patterns such as `image/*`; empty means all. */
  accept: readonly string[]
  /** The most bytes of one file. */
  maxSize: number
  /** The most files of one transfer. */
  maxFiles: number
  /** What it takes: with an output stream a message would have no place. */
  take: 'files' | 'messages' | 'both'
  /** Whether it takes an entry whose sender sends no digest. */
  allowUnverified: boolean
}

export interface IncomingOptions {
  policy: Policy
  onEvent: OnEvent
  /** The number of this connection, and the `address:port` at its other end. */
  transfer: number
  peer: string
  /** Milliseconds without progress after which the connection is given up. */
  timeout: number
  /** Opens the place to store in; called at the first header. `signal` is aborted when the connection fails. */
  openStore(signal: AbortSignal): Promise<Store>
  /** For a receiver that listens: called at the first header. Throws a refusal if no more are wanted. */
  admit?: (() => void) | undefined
}

/** The entry that is being received. */
interface Current {
  index: number
  header: Header
  /** The payload of the header frame, which the sender's digest of the header covers. */
  headerPayload: Buffer
  entry: Entry
  digest: EntryDigest
  /** Null until its first report, which the user's listener may fail. */
  progress: ProgressReport | null
  start: number
  bytes: number
}

export class Incoming implements Transfer {
  readonly #channel: Channel
  readonly #options: IncomingOptions
  readonly #decoder = new SenderDecoder()
  closed: Promise<void> = Promise.resolve()
  #store: Store | null = null
  /** Null between entries, and inside one that was refused: what still comes of it is dropped. */
  #current: Current | null = null
  #entries = 0
  /** The digest that the sender computes. */
  #algorithm: Algorithm = 'blake3'
  #heard = false
  /** What ended it from outside. */
  #stopped: TransferError | null = null
  #greeted = false
  #finished = false
  readonly #result: TransferResult = { admitted: false, files: 0, bytes: 0, failure: null }

  constructor(socket: Duplex, options: IncomingOptions) {
    this.#options = options
    this.#channel = new Channel(socket, {
      timeout: options.timeout,
      farewell: (error) => this.#farewell(error),
      heartbeat: () => this.#heartbeat(),
    })
  }

  /** Ends the connection at once for `error`, telling the sender. */
  fail(error: TransferError): void {
    this.#stopped = error
    this.#channel.fail(error)
  }

  /** Receives until the sender has finished or the connection has failed. */
  async run(): Promise<TransferResult> {
    const deadline = setTimeout(() => this.#tooSlow(), HEADER_DEADLINE)
    try {
      await this.#receive(deadline)
      void this.#channel.close()
    } catch (error) {
      this.#channel.fail(asTransferError(error))
      const name = this.#current?.header.name
      await this.#drop()
      this.#report(name, asTransferError(error))
    } finally {
      clearTimeout(deadline)
      this.closed = this.#close()
    }
    return this.#result
  }

  async #close(): Promise<void> {
    await this.#channel.closed
    await this.#store?.close()
  }

  #tooSlow(): void {
    const text = `no complete header within ${HEADER_DEADLINE / 1000} seconds`
    this.#channel.fail(new TransferError('timeout', text, { reason: 'timeout', peerMessage: text }))
  }

  /** The last words to a peer: a frame for a sender, a line of text for whatever else it is. */
  #farewell(error: TransferError): Buffer {
    if (error.reason === 'magic') return Buffer.from(STRANGER_LINE)
    const refused = encode.refused({ entry: null, reason: error.reason, message: error.peerMessage })
    return this.#greeted ? refused : Buffer.concat([encode.receiverOpening(), refused])
  }

  /** Tells a sender how much has come of what it sends: the kernels between hold megabytes that it cannot see. */
  #heartbeat(): Buffer {
    return encode.heartbeat(this.#current ? { entry: this.#current.index, bytes: this.#current.bytes } : {})
  }

  async #receive(deadline: NodeJS.Timeout): Promise<void> {
    await this.#channel.receive((bytes) => {
      this.#heard = true
      return this.#consume(this.#decoder.push(bytes), deadline)
    })
    if (!this.#finished) {
      throw new TransferError('incomplete', 'the sender closed the connection before the end', { reason: 'broken' })
    }
  }

  /**
   * Handles messages without leaving the stack for as long as none has to wait: data, mostly, is digested and written
   * while it is still in the processor's cache. From the first that waits on, the rest is handled behind its promise.
   */
  #consume(messages: Iterator<SenderMessage>, deadline: NodeJS.Timeout): void | Promise<void> {
    for (let next = messages.next(); !next.done; next = messages.next()) {
      if (next.value.frame === 'header') clearTimeout(deadline)
      const working = this.#onMessage(next.value)
      if (working) {
        this.#decoder.detach(keep)
        return working.then(() => {
          this.#channel.signal.throwIfAborted()
          return this.#consume(messages, deadline)
        })
      }
    }
  }

  #onMessage(message: SenderMessage): void | Promise<void> {
    switch (message.frame) {
      case 'data':
        return this.#onData(message.bytes)
      case 'greeting':
        return this.#onGreeting(message)
      case 'header':
        return this.#onHeader(message)
      case 'end':
        return this.#onEnd(message)
      case 'abort':
        return this.#onAbort(message)
      case 'finished':
        this.#finished = true
        this.#channel.stopReceiving()
    }
  }

  async #onGreeting({ digest }: SenderMessage & { frame: 'greeting' }): Promise<void> {
    this.#greeted = true
    if (digest === 'sha256') this.#algorithm = digest
    await this.#channel.write(encode.receiverOpening())
  }

  async #onHeader({ frame: _, ...header }: SenderMessage & { frame: 'header' }): Promise<void> {
    const index = this.#entries++
    const { headerPayload } = this.#decoder
    const { transfer, onEvent, policy } = this.#options
    // Not an answer for each: who sends a million headers shall not get, and log, a million refusals.
    if (index >= policy.maxFiles) throw refusal('files', `it takes at most ${policy.maxFiles} files in one transfer`)
    try {
      // Before anything is refused: a sender with a file that is not wanted is a sender.
      if (!this.#result.admitted) this.#options.admit?.()
      this.#result.admitted = true
      this.#checkPolicy(header)
      const entry = header.kind === 'message' ? receiveMessage(header) : await this.#beginFile(header)
      const digest = await EntryDigest.create(this.#algorithm)
      const start = performance.now()
      const current: Current = { index, header, headerPayload, entry, digest, progress: null, start, bytes: 0 }
      this.#current = current
      current.progress = new ProgressReport(onEvent, { transfer, name: header.name, size: header.size })
    } catch (error) {
      await this.#giveUp({ index, header }, error)
    }
  }

  async #beginFile(header: Header): Promise<Entry> {
    this.#store ??= await this.#options.openStore(this.#channel.signal)
    return await this.#store.begin(header)
  }

  #checkPolicy({ size, type, kind, unsupported }: ReceivedHeader): void {
    const { accept, take } = this.#options.policy
    if (unsupported !== undefined) throw refusal('field', unsupported)
    const message = kind === 'message'
    if (message && take === 'files') throw refusal('policy', 'it takes no messages')
    if (!message && take === 'messages') throw refusal('policy', 'it takes only messages')
    if (message) return
    if (accept.length > 0 && !typeMatches(type, accept)) {
      throw refusal('type', `it takes only ${accept.join(', ')}, and this is ${type}`)
    }
    this.#checkSize(size ?? 0)
  }

  #checkSize(size: number): void {
    const { maxSize } = this.#options.policy
    if (size > maxSize) throw refusal('too-large', `the file has ${size} bytes or more, and the limit is ${maxSize}`)
  }

  #onData(bytes: Buffer): void | Promise<void> {
    const current = this.#current
    if (!current) return
    try {
      current.bytes += bytes.length
      // A message has a limit of its own, which its header was held against.
      if (current.header.kind !== 'message') this.#checkSize(current.bytes)
      current.digest.update(bytes)
      const writing = current.entry.write(bytes)
      if (writing)
        return writing
          .then(() => current.progress?.update(current.bytes))
          .catch((error) => this.#giveUp(current, error))
      current.progress?.update(current.bytes)
    } catch (error) {
      return this.#giveUp(current, error)
    }
  }

  async #onEnd(end: End): Promise<void> {
    const current = this.#current
    if (!current) return
    const { index, header, entry, digest, start, bytes } = current
    try {
      const { blake3, sha256 } = digest.hex()
      const verified = await verifyEnd(end, { ...current, blake3, sha256 })
      if (!verified && !this.#options.policy.allowUnverified) throw unverifiable('the sender sent')
      const { name, path, text } = await entry.commit()
      this.#current = null
      const { onEvent, transfer, peer } = this.#options
      if (text === undefined) {
        this.#result.files++
        this.#result.bytes += bytes
        const facts = { name: header.name, path, size: bytes, blake3, type: header.type, verified }
        onEvent({ event: 'stored', transfer, peer, ...facts, seconds: secondsSince(start) })
      } else {
        onEvent({ event: 'message', transfer, peer, text })
      }
      const stored = { entry: index, name, bytes, blake3, ...(sha256 === null ? {} : { sha256 }) }
      await this.#channel.write(encode.stored(stored))
    } catch (error) {
      await this.#giveUp(current, error)
    }
  }

  async #onAbort({ entry, reason, message }: SenderMessage & { frame: 'abort' }): Promise<void> {
    // The sender's own reason is part of the text only: as the error's it could pass for one of ours.
    const text = `the sender gave up: ${printable(message)} (${printable(reason, 40)})`
    const error = new TransferError('incomplete', text, { reason: 'aborted', peerMessage: 'given up' })
    if (entry === null) throw error
    const current = this.#current
    if (!current) return
    await this.#drop()
    this.#failed(current.header.name, error)
  }

  /** An entry cannot be stored: leaves no trace of it and says so. */
  async #giveUp({ index, header }: Pick<Current, 'index' | 'header'>, error: unknown): Promise<void> {
    // What ended the connection ends the entry, too, and is told with its name.
    this.#channel.signal.throwIfAborted()
    await this.#drop()
    await this.#refuse(index, header.name, asTransferError(error))
  }

  /** Answers that the entry is not taken. A connection that has failed itself needs no answer, and has its own report. */
  async #refuse(index: number, name: string, error: TransferError): Promise<void> {
    this.#channel.signal.throwIfAborted()
    this.#failed(name, error)
    await this.#channel.write(encode.refused({ entry: index, reason: error.reason, message: error.peerMessage }))
  }

  async #drop(): Promise<void> {
    const current = this.#current
    this.#current = null
    await current?.entry.discard()
  }

  /** Reports what ended the connection. One that came and went without a word (a port scan, a health check) is not news. */
  #report(name: string | undefined, error: TransferError): void {
    const isStray = !this.#heard && error.reason === 'broken'
    // Why this side ends is told once, by whoever ends it; it is not about a connection that was none of ours yet.
    const isEnding = error === this.#stopped && !this.#result.admitted && error.code !== 'refused'
    if (!isStray && !isEnding) this.#failed(name, error)
    this.#result.failure ??= error
  }

  #failed(name: string | undefined, error: TransferError): void {
    const { onEvent, transfer, peer } = this.#options
    // What was skipped is there already: for the receiver, that is as it should be.
    if (error.reason !== 'skipped') this.#result.failure ??= error
    const isRefusal = error.code === 'refused' || !this.#result.admitted
    if (isRefusal) reportRefusal(onEvent, { transfer, peer, name }, error)
    else report(onEvent, { transfer, name }, error)
  }
}
