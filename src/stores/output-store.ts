/** Storing into a stream, such as standard output: one entry, passed on as it comes. Its end is verified, not its durability. */
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { disk, errno } from '../disk/disk.js'
import { refusal, TransferError } from '../errors.js'
import { keep } from '../net/memory.js'
import type { Header } from '../protocol/messages.js'
import { describe } from '../system-errors.js'
import type { Incoming, Store, StoredAs } from './store.js'

export class OutputStore implements Store {
  readonly #output: Writable
  readonly #signal: AbortSignal
  #taken = false
  #giveUp = (_reason: unknown) => {}

  /** @param signal when aborted, a write that waits for a slow reader gives up with the signal's reason */
  constructor(output: Writable, signal: AbortSignal) {
    this.#output = output
    this.#signal = signal
    signal.addEventListener('abort', () => this.#giveUp(signal.reason))
    // The write that fails tells it; without a listener the event would end the process as well.
    output.on('error', () => {})
  }

  async begin(_header: Header): Promise<Incoming> {
    if (this.#taken) throw refusal('policy', 'it writes to its standard output and takes one file')
    if (!this.#output.writable) throw outputTrouble(this.#output.errored)
    this.#taken = true
    return { write: (bytes) => this.#write(this.#keep(bytes)), commit: () => this.#commit(), discard: async () => {} }
  }

  async close(): Promise<void> {}

  /** A stream that writes to a descriptor is done with the bytes when it says so. Any other may have passed them on. */
  #keep(bytes: Buffer): Buffer {
    return this.#output instanceof Socket || descriptorOf(this.#output) !== null ? keep(bytes) : Buffer.from(bytes)
  }

  async #write(bytes: Buffer): Promise<void> {
    const output = this.#output
    this.#signal.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      this.#giveUp = reject
      output.write(bytes, (error) => {
        if (error) reject(outputTrouble(error))
        else resolve()
      })
    })
  }

  /** A shell may have made the output a file: then it is made durable too. A pipe has nothing to sync (EINVAL). */
  async #commit(): Promise<StoredAs> {
    const fd = descriptorOf(this.#output)
    if (fd !== null) {
      await disk.fsync(fd).catch((error) => {
        if (!['EINVAL', 'ENOTSUP', 'EROFS'].includes(errno(error) ?? '')) throw outputTrouble(error)
      })
    }
    return { name: '-', path: '-' }
  }
}

/** The descriptor of a stream that writes to a file; null for any other. */
function descriptorOf(output: Writable & { fd?: unknown }): number | null {
  return typeof output.fd === 'number' ? output.fd : null
}

function outputTrouble(error: Error | null): TransferError {
  const closed = error === null || ['EPIPE', 'ERR_STREAM_DESTROYED'].includes(errno(error) ?? '')
  const what = closed ? 'its reader has closed it' : describe(error)
  return new TransferError('local-file', `cannot write to the output: ${what}`, {
    reason: 'output',
    peerMessage: closed ? 'the reader of its output has gone' : 'it cannot write to its output',
    cause: error,
  })
}
