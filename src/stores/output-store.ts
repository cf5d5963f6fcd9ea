/**
 * A stream to store in, such as standard output. It takes one entry, whose bytes are passed on as they come. The entry
 * is verified at its end. It is as durable as the reader of the stream makes it; a file there is fsynced.
 */
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { disk, errno } from '../disk/disk.js'
import { refusal, TransferError } from '../errors.js'
import type { Header } from '../protocol/messages.js'
import { describe } from '../system-errors.js'
import type { Destination, Sink, Store, StoredAs, TreeSink, Warning } from './store.js'

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

  async hasKept(): Promise<boolean> {
    return false
  }

  async open(signal: AbortSignal): Promise<Store> {
    this.isUsed = true
    return new OutputStore(this.#output, signal)
  }

  /** The stream stays open: it belongs to the caller of the library. */
  async close(): Promise<void> {}
}

export class OutputStore implements Store {
  readonly #output: Writable
  readonly #signal: AbortSignal
  #isTaken = false

  /** @param signal aborting it ends a write that waits for a slow reader, with the reason of the signal as the error */
  constructor(output: Writable, signal: AbortSignal) {
    this.#output = output
    this.#signal = signal
    // The failed write reports the error. Without a listener, the event would end the process.
    output.on('error', () => {})
  }

  async begin(_header: Header): Promise<Sink> {
    return this.#begin()
  }

  /** A directory becomes a tar archive. The code for that is loaded only then. */
  async beginTree(header: Header): Promise<TreeSink> {
    const sink = this.#begin()
    const { TarTree } = await import('./tar-tree.js')
    return await new TarTree(sink, header).start()
  }

  #begin(): Sink {
    if (this.#isTaken) throw refusal('policy', 'it writes to its standard output and takes one file')
    if (!this.#output.writable) throw outputError(this.#output.errored)
    this.#isTaken = true
    return new OutputSink(this.#output, this.#signal)
  }

  async close(): Promise<void> {}
}

class OutputSink implements Sink {
  readonly have = 0
  readonly hasChanged = false
  readonly #output: Writable
  readonly #signal: AbortSignal
  #giveUp = (_reason: unknown) => {}

  constructor(output: Writable, signal: AbortSignal) {
    this.#output = output
    this.#signal = signal
    signal.addEventListener('abort', () => this.#giveUp(signal.reason))
  }

  async readAt(): Promise<number> {
    return 0
  }

  /** Every write to a stream may have to wait. */
  write(): boolean {
    return false
  }

  async writeLater(bytes: Buffer): Promise<void> {
    const output = this.#output
    this.#signal.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      this.#giveUp = reject
      output.write(releasesBuffer(output) ? bytes : Buffer.from(bytes), (error) => {
        if (error) reject(outputError(error))
        else resolve()
      })
    })
  }

  /** If the shell has redirected the output to a file, the file is fsynced. A pipe cannot be (EINVAL). */
  async commit(): Promise<StoredAs> {
    const fd = descriptorOf(this.#output)
    if (fd !== null) {
      await disk.fsync(fd).catch((error) => {
        if (!['EINVAL', 'ENOTSUP', 'EROFS'].includes(errno(error) ?? '')) throw outputError(error)
      })
    }
    return { name: '-', path: '-' }
  }

  /** Bytes that were passed on can neither be kept nor taken back. */
  async keep(): Promise<null> {
    return null
  }

  async discard(): Promise<void> {}
}

/** True if the stream does not need a buffer after the callback of its write. Other streams may have passed it on. */
function releasesBuffer(output: Writable): boolean {
  return output instanceof Socket || descriptorOf(output) !== null
}

/** The descriptor of a stream that writes to a file. Null for any other stream. */
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
