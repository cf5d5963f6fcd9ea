/**
 * One connection's worth of sending: every source as an entry, without waiting between them, while the receiver's
 * answers are read beside it. It makes no difference here who dialled.
 */
import { asTransferError, interruption, TransferError } from './errors.js'
import { failedEvent, type OnEvent, ProgressReport, secondsSince } from './events.js'
import { createDigest } from './files/digest.js'
import type { OpenSource, Source } from './files/source.js'
import { Channel } from './net/channel.js'
import { ReceiverDecoder } from './protocol/decoder.js'
import { encode, writeFrameHeader } from './protocol/encode.js'
import { FRAME_HEADER, MAX_DATA } from './protocol/limits.js'
import type { Header, ReceiverMessage } from './protocol/messages.js'
import { ProtocolError } from './protocol/messages.js'
import { printable } from './text.js'

/** Buffers that may be on their way to the kernel at once. Two would do; four even out a slow read. */
const BUFFERS = 4

export interface OutgoingOptions {
  onEvent: OnEvent
  signal: AbortSignal
  transfer: number
  /** Milliseconds without progress after which the connection is given up. */
  timeout: number
  /** What the (single) source must turn out to have; anything else is an abort instead of an end. */
  expect: { size?: number | undefined; blake3?: string | undefined }
}

export interface OutgoingResult {
  files: number
  bytes: number
  /** The first thing that went wrong with a single file; the others were sent all the same. */
  failure: TransferError | null
}

/** An entry whose answer is still to come. */
interface Pending {
  source: Source
  header: Header
  start: number
  /** Stops reading the source when the receiver has refused it, or the connection has failed. */
  stop: AbortController
  /** Set once the end frame is sent. */
  sent: { bytes: number; blake3: string } | null
}

export class Outgoing {
  readonly #channel: Channel
  readonly #options: OutgoingOptions
  readonly #pending = new Map<number, Pending>()
  readonly #slots: { frame: Buffer; written: Promise<void> }[] = []
  #nextSlot = 0
  #entries = 0
  #current: Pending | null = null
  #isFinished = false
  #result: OutgoingResult = { files: 0, bytes: 0, failure: null }

  constructor(socket: ConstructorParameters<typeof Channel>[0], options: OutgoingOptions) {
    this.#options = options
    const farewell = (error: TransferError) => encode.abort({ entry: null, code: error.reason, reason: error.tell })
    this.#channel = new Channel(socket, { timeout: options.timeout, farewell })
  }

  /** Sends them all, and settles when every entry has its answer or the connection has ended. Never rejects. */
  async run(sources: readonly Source[]): Promise<OutgoingResult> {
    const { signal } = this.#options
    const interrupt = () => this.#channel.fail(interruption(signal))
    signal.addEventListener('abort', interrupt)
    this.#channel.signal.addEventListener('abort', () => this.#current?.stop.abort(this.#channel.signal.reason))
    if (signal.aborted) interrupt()
    const directions = [this.#send(sources), this.#readAnswers()]
    try {
      await Promise.all(directions)
      await this.#channel.close()
    } catch (error) {
      this.#channel.fail(asTransferError(error))
      await Promise.allSettled(directions)
      await this.#channel.closed
      this.#failed(undefined, asTransferError(error))
    } finally {
      signal.removeEventListener('abort', interrupt)
    }
    return this.#result
  }

  async #send(sources: readonly Source[]): Promise<void> {
    await this.#channel.write(encode.senderOpening())
    for (const source of sources) await this.#sendSource(source)
    await this.#channel.write(encode.finished({ entries: this.#entries }))
    this.#isFinished = true
    this.#channel.finish()
  }

  /** One entry. What is wrong with the source alone costs this entry and no other. */
  async #sendSource(source: Source): Promise<void> {
    const stop = new AbortController()
    let opened: OpenSource
    try {
      opened = await source.open(stop.signal)
    } catch (error) {
      this.#failed(source.name, asTransferError(error))
      return
    }
    const entry = this.#entries++
    const pending: Pending = { source, header: opened.header, start: performance.now(), stop, sent: null }
    this.#pending.set(entry, pending)
    this.#current = pending
    try {
      await this.#channel.write(encode.header(opened.header))
      const sent = await this.#sendData(opened, pending)
      await opened.check()
      this.#checkExpected(source, sent)
      // The answer may come before the write settles, so it must find what it is compared with.
      pending.sent = sent
      await this.#channel.write(encode.end(sent))
    } catch (error) {
      this.#channel.signal.throwIfAborted()
      const { reason, tell } = asTransferError(error)
      await this.#channel.write(encode.abort({ entry, code: reason, reason: tell }))
      // An entry that the receiver refused has had its answer, and its failure was counted then.
      if (this.#pending.delete(entry)) this.#failed(source.name, asTransferError(error))
    } finally {
      await opened.close()
    }
  }

  async #sendData(opened: OpenSource, { header, stop }: Pending): Promise<{ bytes: number; blake3: string }> {
    const { transfer, onEvent } = this.#options
    const digest = await createDigest()
    const progress = new ProgressReport(onEvent, { transfer, name: header.name, size: header.size })
    let bytes = 0
    while (header.size === null || bytes < header.size) {
      stop.signal.throwIfAborted()
      const slot = await this.#takeSlot()
      const count = await opened.read(slot.frame, FRAME_HEADER, MAX_DATA)
      if (count === 0) break
      writeFrameHeader(slot.frame, 'data', count)
      digest.update(slot.frame.subarray(FRAME_HEADER, FRAME_HEADER + count))
      slot.written = this.#channel.write(slot.frame.subarray(0, FRAME_HEADER + count))
      // A rejection is the channel's error, which the next slot, or the next frame, meets as well.
      slot.written.catch(() => {})
      bytes += count
      progress.update(bytes)
    }
    return { bytes, blake3: digest.hex() }
  }

  /** The next buffer in turn, once the kernel has taken what was in it. */
  async #takeSlot(): Promise<{ frame: Buffer; written: Promise<void> }> {
    const index = this.#nextSlot++ % BUFFERS
    const slot = this.#slots[index] ?? {
      frame: Buffer.allocUnsafeSlow(FRAME_HEADER + MAX_DATA),
      written: Promise.resolve(),
    }
    this.#slots[index] = slot
    await slot.written
    return slot
  }

  #checkExpected(source: Source, sent: { bytes: number; blake3: string }): void {
    const { size, blake3 } = this.#options.expect
    if (size !== undefined && sent.bytes !== size) {
      const text = `${source.label} gave ${sent.bytes} bytes, and ${size} were expected`
      throw new TransferError('incomplete', text, { reason: 'size', tell: 'the input did not have the expected size' })
    }
    if (blake3 !== undefined && sent.blake3 !== blake3) {
      const text = `${source.label} has the BLAKE3 ${sent.blake3}, and ${blake3} was expected`
      throw new TransferError('digest-mismatch', text, {
        reason: 'digest',
        tell: 'the input did not have the expected digest',
      })
    }
  }

  /** Counts and reports the failure of one entry, or, without a name, of the connection. */
  #failed(name: string | undefined, error: TransferError): void {
    this.#result.failure ??= error
    this.#options.onEvent(failedEvent(this.#options.transfer, name, error))
  }

  async #readAnswers(): Promise<void> {
    const decoder = new ReceiverDecoder()
    await this.#channel.receive((bytes) => {
      for (const message of decoder.push(bytes)) this.#onAnswer(message)
      if (this.#isFinished && this.#pending.size === 0) this.#channel.stopReceiving()
    })
    if (!this.#isFinished || this.#pending.size > 0) {
      const text = 'the receiver closed the connection before it confirmed everything'
      throw new TransferError('incomplete', text, { reason: 'broken' })
    }
  }

  #onAnswer(message: ReceiverMessage): void {
    if (message.kind === 'stored') this.#onStored(message)
    if (message.kind === 'refused') this.#onRefused(message)
  }

  #onStored(answer: ReceiverMessage & { kind: 'stored' }): void {
    const pending = this.#pending.get(answer.entry)
    if (!pending?.sent) throw new ProtocolError(`the receiver confirmed entry ${answer.entry}, which it was not sent`)
    const { source, header, start, sent } = pending
    this.#pending.delete(answer.entry)
    if (answer.bytes !== sent.bytes || answer.blake3 !== sent.blake3) {
      const text = `${source.label}: the receiver stored ${answer.bytes} bytes with the BLAKE3 ${answer.blake3}, sent were ${sent.bytes} with ${sent.blake3}`
      this.#failed(header.name, new TransferError('digest-mismatch', text, { reason: 'digest' }))
      return
    }
    this.#result.files++
    this.#result.bytes += sent.bytes
    this.#options.onEvent({
      event: 'sent',
      transfer: this.#options.transfer,
      path: source.path,
      name: header.name,
      storedAs: answer.name,
      size: sent.bytes,
      blake3: sent.blake3,
      type: header.type,
      seconds: secondsSince(start),
    })
  }

  #onRefused({ entry, code, reason }: ReceiverMessage & { kind: 'refused' }): void {
    const said = printable(reason)
    if (entry === null) throw remoteError(code, `the receiver refused the transfer: ${said}`)
    const pending = this.#pending.get(entry)
    // An entry that we aborted may have been refused at the same moment.
    if (!pending) return
    this.#pending.delete(entry)
    const error = remoteError(code, `${pending.source.label}: the receiver refused it: ${said}`)
    this.#failed(pending.header.name, error)
    pending.stop.abort(error)
  }
}

/** What a receiver's refusal means here. A refusal is exit 5 unless the transfer broke in a way that has its own code. */
function remoteError(code: string, message: string): TransferError {
  const known = {
    digest: 'digest-mismatch',
    size: 'incomplete',
    interrupted: 'incomplete',
    timeout: 'timeout',
  } as const
  const ours = Object.hasOwn(known, code) ? known[code as keyof typeof known] : 'refused'
  return new TransferError(ours, message, { reason: printable(code, 40), tell: 'refused' })
}
