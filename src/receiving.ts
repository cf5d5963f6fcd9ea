/** What `receive` returns: a promise of the summary, with more to do than to wait. */
import { TransferError } from './errors.js'
import type { ListeningEvent, StoredEvent } from './events.js'
import { StoredFiles } from './stored-files.js'
import type { Summary } from './summary.js'

/** Where a receiver listens. `::` means all interfaces. */
export type Address = Pick<ListeningEvent, 'address' | 'port'>

/** The result of a successful call of `receive`. */
export interface Received extends Summary {
  /** The event of each stored file and directory (not of those in a directory), of the first 1,000: name, path, size, digest. */
  stored: readonly StoredEvent[]
}

/**
 * A receiver at work: a promise of its summary, as `await` takes it. Whoever uses one of the properties need not take
 * care of the promise, too: its rejection is then no unhandled one.
 *
 * It is also an async iterable of what is stored: the event of each file and directory, not of those in a directory.
 * A loop begins with the first one that was stored, and ends with the receiver; it throws what `receive` rejects with.
 * Leaving it closes the receiver, and waits until that has ended. If the body of the loop is slow, 100 files wait for it,
 * then the senders do. Code `usage` if the loop begins after more than 1,000 files.
 */
export interface Receiving extends Promise<Received>, AsyncIterable<StoredEvent> {
  /** Where it listens, as soon as it does. Rejects if it cannot, and with the code `usage` at the end if it never did. */
  readonly address: Promise<Address>
  /** The promise itself. */
  readonly finished: Promise<Received>
  /**
   * Ends it politely: no other transfer begins, those under way go on to their end, and `afterStored` is waited for.
   * Returns the promise, which then resolves. Only what would have ended the receiver anyway rejects it: an error of
   * `afterStored`, `signal`, or a failed transfer with `connect` or `oneAttempt`.
   */
  close(): Promise<Received>
}

/** What a call of `receive` uses to tell how it goes. */
export interface Course {
  files: StoredFiles
  /** Aborted by `close`. */
  closing: AbortSignal
  listening(address: Address): void
}

/** Runs a receiver. */
export function receivingOf(run: (course: Course) => Promise<Summary>): Receiving {
  const files = new StoredFiles()
  const closing = new AbortController()
  let listening!: (address: Address) => void
  let silent!: (error: unknown) => void
  const address = new Promise<Address>((resolve, reject) => {
    listening = resolve
    silent = reject
  })
  const running = run({ files, closing: closing.signal, listening })
  running.then(
    () => silent(new TransferError('usage', 'it never listened: it connected, or was closed before')),
    silent,
  )
  // Nobody need ask for it.
  address.catch(() => {})
  // Nothing waits for this one yet: if nobody ever does, a rejection must be an unhandled one.
  const finished: Promise<Received> = running.then((summary) => ({ ...summary, stored: files.listed }))
  /** Whoever hears of a rejection in another way must not have to handle it twice. */
  const heard = <T>(value: T): T => {
    finished.catch(() => {})
    return value
  }
  const close = () => {
    closing.abort()
    return heard(finished)
  }
  return Object.defineProperties(finished as Receiving, {
    address: { get: () => heard(address) },
    finished: { value: finished },
    close: { value: close },
    [Symbol.asyncIterator]: { value: () => heard(files.read(finished, close)) },
  })
}
