/** `list`: what `send` would send with the same options. Nothing is sent, and no connection is made. */
import { setImmediate } from 'node:timers/promises'
import { asTransferError, interruption, TransferError } from './errors.js'
import { failedEvent } from './event-values.js'
import type { ListedEvent, OnEvent } from './events.js'
import { type OfferOptions, withOffer } from './offer.js'
import { checkOptions, onEventOf } from './option-checks.js'
import { sendStream } from './sources/file-source.js'
import { FolderSource, partsOf } from './sources/folder-source.js'
import { MessageSource } from './sources/message-source.js'
import { type ListedItem, listTree } from './sources/tree-list.js'
import { runToSummary, type Summary } from './summary.js'
import { below } from './text.js'

/** The options of `list`: those of `send`, without what is about a connection. */
export interface ListOptions extends OfferOptions {}

/** After this many items of a directory, the event loop gets its turn: everything else may be synchronous. */
const ITEMS_PER_TURN = 256

interface Totals {
  files: number
  bytes: number
}

/**
 * Reports with an event `listed` each file, message, directory and symlink that `send` would send with these options.
 * The event `failed` reports what could not be sent. Rejects with the first such failure, as `send` does. A directory is
 * read while it is reported, so memory does not depend on the number of files.
 */
export async function list(options: ListOptions): Promise<Summary> {
  const onEvent = onEventOf(options)
  const totals: Totals = { files: 0, bytes: 0 }
  return await runToSummary(onEvent, totals, async () => {
    checkOptions('list', options)
    return await withOffer(options, sendStream, async ({ offered, failure }) => {
      let first = failure
      for (const { source, size } of offered) {
        if (source instanceof FolderSource) {
          const listing = new FolderListing(source, totals, options)
          await listing.run()
          first ??= listing.failure
        } else {
          const kind = source instanceof MessageSource ? 'message' : 'file'
          report({ event: 'listed', path: source.path, name: source.name, kind, size }, totals, onEvent)
        }
      }
      return first
    })
  })
}

/** Lists one directory. */
class FolderListing {
  /** The first failure. All failures have been reported. */
  failure: TransferError | null = null
  readonly #source: FolderSource
  readonly #totals: Totals
  readonly #onEvent: OnEvent
  readonly #signal: AbortSignal | undefined
  /** The number of items that make `send` fail for the whole directory. */
  #unreadable = 0

  constructor(source: FolderSource, totals: Totals, { onEvent = () => {}, signal }: ListOptions) {
    this.#source = source
    this.#totals = totals
    this.#onEvent = onEvent
    this.#signal = signal
  }

  async run(): Promise<void> {
    const { path, name } = this.#source
    const opened = await this.#source.open().catch((error) => this.#failed(name, asTransferError(error)))
    if (!opened) return
    this.#onEvent({ event: 'listed', path, name, kind: 'directory', size: null })
    let count = 0
    for await (const item of listTree(opened.tree)) {
      if (++count % ITEMS_PER_TURN === 0) await setImmediate()
      if (this.#signal?.aborted) throw interruption(this.#signal)
      this.#item(item)
    }
    if (this.#unreadable === 0) return
    const text = `${this.#source.label} is not sent: ${partsOf(this.#unreadable)} cannot be read`
    this.#failed(name, new TransferError('local-file', text))
  }

  #item(item: ListedItem): void {
    const { name: directory, path: root } = this.#source
    const name = `${directory}/${item.path}`
    if (item.kind === 'problem') {
      if (!item.isLeftOut) this.#unreadable++
      this.#failed(name, item.error, directory)
    } else {
      const { kind, size } = item
      const path = below(root, item.path)
      report({ event: 'listed', directory, path, name, kind, size }, this.#totals, this.#onEvent)
    }
  }

  #failed(name: string, error: TransferError, directory?: string): void {
    this.failure ??= error
    this.#onEvent(failedEvent(error, { name, directory }))
  }
}

function report(event: ListedEvent, totals: Totals, onEvent: OnEvent): void {
  if (event.kind === 'file' || event.kind === 'message') {
    totals.files++
    totals.bytes += event.size ?? 0
  }
  onEvent(event)
}
