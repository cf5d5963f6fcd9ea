/** What a sender offers: the sources that the options give, and which of them can be sent. No connection is needed. */
import { asTransferError, TransferError } from './errors.js'
import { failedEvent } from './event-values.js'
import type { OnEvent } from './events.js'
import { createSource, type Sendable } from './sources/create-source.js'
import type { AsStream } from './sources/file-source.js'
import { FolderSource } from './sources/folder-source.js'
import { MessageSource } from './sources/message-source.js'
import type { SingleSource } from './sources/source.js'
import { printable } from './text.js'
import { checkSize, type Expectation, isExpecting } from './transfer/expectation.js'

/** The options that decide what is sent, of `send` and `list`. */
export interface OfferOptions {
  /**
   * The sources to send, in this order, over one connection. A source that cannot be sent fails with the code
   * `local-file`. The others are sent all the same.
   */
  sources: readonly Sendable[]
  /**
   * If true, sends the bytes of one source without the protocol and then ends the stream, for peers such as `nc`.
   * Nothing is confirmed: success means that all bytes were handed over and the connection was not reset. Code `usage`
   * if there is not exactly one source. Default false.
   */
  plain?: boolean | undefined
  /**
   * The size and digest that a single source must have. Otherwise it fails with the code `incomplete` or
   * `digest-mismatch`, and the receiver does not store it under a final name. Default: any size and digest.
   */
  expect?: Expectation | undefined
  /** The parts of directories that are not sent: patterns with the syntax of `.gitignore`. Default: none. */
  exclude?: readonly string[] | undefined
  /** If true, the `.gitignore` files in a directory decide what of it is sent. Default false. */
  gitignore?: boolean | undefined
  /** If true, a symlink in a directory is replaced by what it leads to. If false, it stays a symlink. Default false. */
  follow?: boolean | undefined
  /**
   * Aborting it ends all transfers at once and tells the receivers. `send` then rejects with the reason of the signal
   * if that is a TransferError, otherwise with the code `interrupted`. Default: none.
   */
  signal?: AbortSignal | undefined
  /** Called for every event, in order. If it throws, `send` rejects. Default: none. */
  onEvent?: OnEvent | undefined
}

/** A source that can be sent. */
export interface Offered {
  source: SingleSource
  /** In bytes. Null if unknown. */
  size: number | null
}

export interface Offer {
  offered: Offered[]
  /** The first failure of a source that cannot be sent. All failures have been reported. */
  failure: TransferError | null
}

/**
 * Calls `work` with what can be sent, and releases the sources when it has ended. `asStream` is for hints in error
 * messages.
 */
export async function withOffer<T>(
  options: OfferOptions,
  asStream: AsStream,
  work: (offer: Offer) => Promise<T>,
): Promise<T> {
  const asked = { asStream, tree: treeOptions(options) }
  const sources = await Promise.all(options.sources.map((source) => createSource(source, asked)))
  if (options.plain && sources.length !== 1) {
    throw new TransferError('usage', 'without the protocol nothing tells where one file ends: give a single source')
  }
  try {
    const offer = await inspect(sources, options)
    warnOfSameNames(offer.offered, options)
    return await work(offer)
  } finally {
    for (const source of sources) source.release()
  }
}

/** Without the protocol, a directory cannot be sent. */
function treeOptions({ plain = false, exclude = [], gitignore = false, follow = false }: OfferOptions) {
  return plain ? null : { exclude, gitignore, follow }
}

/** Called before the connection is made. */
async function inspect(
  sources: readonly SingleSource[],
  { expect = {}, onEvent = () => {} }: OfferOptions,
): Promise<Offer> {
  const offered: Offered[] = []
  let failure: TransferError | null = null
  for (const source of sources) {
    try {
      checkOfferable(source)
      if (source instanceof FolderSource && isExpecting(expect)) throw noExpectation(source)
      const size = await source.inspect()
      if (size !== null) checkSize(source.label, size, expect)
      offered.push({ source, size })
    } catch (error) {
      failure ??= asTransferError(error)
      onEvent(failedEvent(asTransferError(error), { name: source.name }))
    }
  }
  return { offered, failure }
}

/** The longest name on the wire, in bytes. A receiver refuses every name of more than 255 bytes by itself. */
const MAX_OFFERED = 4096

function checkOfferable({ name, label }: SingleSource): void {
  const problem = !name.isWellFormed() ? 'is not Unicode' : Buffer.byteLength(name) > MAX_OFFERED ? 'is too long' : null
  if (problem === null) return
  const text = `${label}: its name ${problem} and cannot be sent; give it another with --name`
  throw new TransferError('local-file', text, { reason: 'name' })
}

function noExpectation({ label }: SingleSource): TransferError {
  const text = `${label} is a directory; an expected size or digest (--expect-size, --expect-blake3) is for a single file`
  return new TransferError('local-file', text, { reason: 'disk' })
}

/** Says which sources have the same name: the receiver stores one of them under another name, or not at all. */
function warnOfSameNames(offered: readonly Offered[], { onEvent = () => {} }: OfferOptions): void {
  const byName = new Map<string, string[]>()
  for (const { source } of offered) {
    // A message is not stored.
    if (source instanceof MessageSource) continue
    const labels = byName.get(source.name)
    if (labels) labels.push(source.label)
    else byName.set(source.name, [source.label])
  }
  for (const [name, [first, second, ...others]] of byName) {
    if (second === undefined) continue
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`
    const shown = printable(name, 80)
    const text = `${first} and ${second}${more} are both offered as "${shown}"; the receiver decides by its --if-exists`
    onEvent({ event: 'warning', reason: 'same-name', message: text })
  }
}
