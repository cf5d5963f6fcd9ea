/** A stream to store in, such as standard output: one entry, passed on as it comes. Its end is verified, not its durability. */
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { disk, errno } from '../disk/disk.js'
import { refusal, TransferError } from '../errors.js'
import type { Header } from '../protocol/messages.js'
import { describe } from '../system-errors.js'
import type { Destination, Sink, Store, StoredAs, Warning } from './store.js'

export class OutputDestination implements Destination {
  readonly hasNames = false
  readonly isOnce = true
  isUsed = false
  readonly #output: Writable

  constructor(output: Writable) {
    this.#output = output
  }

  async prepare(): Promise<Warning[]> {
    return []
  }

  async open(signal: AbortSignal): Promise<Store> {
    this.isUsed = true
    return new OutputStore(this.#output, signal)
  }

  /** The stream is left open: it is its owner's. */
  async close(): Promise<void> {}
}

export class OutputStore implements Store {
  readonly #output: Writable
  readonly #signal: AbortSignal
  #isTaken = false

  /** @param signal when aborted, a write that waits for a slow reader gives up with the signal's reason */
  constructor(output: Writable, signal: AbortSignal) {
    this.#output = output
    this.#signal = signal
    // The write that fails reports it. Without a listener the event would end the process as well.
    output.on('error', () => {})
  }

  async begin(_header: Header): Promise<Sink> {
    if (this.#isTaken) throw refusal('policy', 'it writes to its standard output and takes one file')
    if (!this.#output.writable) throw outputError(this.#output.errored)
    this.#isTaken = true
    return new OutputSink(this.#output, this.#signal)
  }

  async close(): Promise<void> {}
}

class OutputSink implements Sink {
  readonly #output: Writable
  readonly #signal: AbortSignal
  #giveUp = (_reason: unknown) => {}

  constructor(output: Writable, signal: AbortSignal) {
    this.#output = output
    this.#signal = signal
    signal.addEventListener('abort', () => this.#giveUp(signal.reason))
  }

  /** A stream takes nothing at once. */
  write(): boolean {
    return false
  }

  async writeLater(bytes: Buffer): Promise<void> {
    const output = this.#output
    this.#signal.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      this.#giveUp = reject
      output.write(isDoneWhenItSaysSo(output) ? bytes : Buffer.from(bytes), (error) => {
        if (error) reject(outputError(error))
        else resolve()
      })
    })
  }

  /** A shell may have made the output a file: then it is made durable, too. A pipe has nothing to sync (EINVAL). */
  async commit(): Promise<StoredAs> {
    const fd = descriptorOf(this.#output)
    if (fd !== null) {
      await disk.fsync(fd).catch((error) => {
        if (!['EINVAL', 'ENOTSUP', 'EROFS'].includes(errno(error) ?? '')) throw outputError(error)
      })
    }
    return { name: '-', path: '-' }
  }

  /** What was passed on cannot be kept or taken back. */
  async suspend(): Promise<void> {}

  async discard(): Promise<void> {}
}

/** A stream that writes to a descriptor is done with the bytes when it says so. Any other may have passed them on. */
function isDoneWhenItSaysSo(output: Writable): boolean {
  return output instanceof Socket || descriptorOf(output) !== null
}

/** The descriptor of a stream that writes to a file; null for any other. */
function descriptorOf(output: Writable & { fd?: unknown }): number | null {
  return typeof output.fd === 'number' ? output.fd : null
}

function outputError(error: Error | null): TransferError {
  const closed = error === null || ['EPIPE', 'ERR_STREAM_DESTROYED'].includes(errno(error) ?? '')
  const what = closed ? 'its reader has closed it' : describe(error)
  return new TransferError('local-file', `cannot write to the output: ${what}`, {
    reason: 'output',
    peerMessage: closed ? 'the reader of its output has gone' : 'it cannot write to its output',
    cause: error,
  })
}
