/**
 * Counts the files of each transfer, so that the lines for people stay few.
 *
 * The first ten files of a transfer have a line each. Further files are only counted: `status` says how many so far,
 * and `total` sums up the transfer at its end. Failures and refusals are always listed. Stdout and JSON list every
 * file.
 */
import type { TransferEvent } from '../events.js'
import { formatBytes, formatThroughput } from './format.js'

/** How many finished files of one transfer have a line each. */
export const MAX_LISTED = 10

/** What one transfer has done so far. */
interface Totals {
  /** Finished files: stored, or sent and confirmed. */
  files: number
  /** Bytes of the finished files. */
  bytes: number
  failed: number
  refused: number
  /** True if a failure ended the transfer itself. */
  isBroken: boolean
}

export class TransferTotals {
  readonly #verb: 'stored' | 'sent'
  readonly #maxListed: number
  /** The running transfers, by number. */
  readonly #transfers = new Map<number, Totals>()
  /** Files that failed before there was a connection. They count for the next transfer. */
  #failedBefore = 0
  readonly #all = { transfers: 0, files: 0, bytes: 0 }

  /** @param isVerbose true to list every file, however many there are */
  constructor(verb: 'stored' | 'sent', isVerbose: boolean) {
    this.#verb = verb
    this.#maxListed = isVerbose ? Number.POSITIVE_INFINITY : MAX_LISTED
  }

  /** Counts the event. Returns true if the event has a line of its own. */
  count(event: TransferEvent): boolean {
    if (event.event === 'connected') {
      const failed = this.#failedBefore
      this.#transfers.set(event.transfer, { files: 0, bytes: 0, failed, refused: 0, isBroken: false })
      this.#failedBefore = 0
    }
    if (!('transfer' in event)) return true
    const totals = this.#transfers.get(event.transfer)
    // A file is stored even if its --exec command failed.
    const isFailedFile = event.event === 'failed' && event.name !== undefined && event.code !== 'hook'
    if (isFailedFile && event.transfer === 0) this.#failedBefore++
    if (!totals) return true
    if (isFailedFile) totals.failed++
    if (event.event === 'failed' && event.name === undefined) totals.isBroken = true
    if (event.event === 'refused' && event.name !== undefined) totals.refused++
    if (event.event !== 'stored' && event.event !== 'sent') return true
    totals.files++
    totals.bytes += event.size
    return totals.files <= this.#maxListed
  }

  /** True for the event of the first file without a line. Called after `count`. */
  isFirstUnlisted(event: TransferEvent): boolean {
    if (event.event !== 'stored' && event.event !== 'sent') return false
    return this.#transfers.get(event.transfer)?.files === this.#maxListed + 1
  }

  /** The state of the running transfers with unlisted files, as one text; null if there is none. */
  status(): string | null {
    let [files, bytes] = [0, 0]
    for (const totals of this.#transfers.values()) {
      if (totals.files <= this.#maxListed) continue
      files += totals.files
      bytes += totals.bytes
    }
    return files === 0 ? null : `${this.#verb} ${files} files so far, ${formatBytes(bytes)}`
  }

  /** The sum of a transfer of several files for its `ended` event, of several transfers for `done`; null otherwise. */
  total(event: TransferEvent): string | null {
    if (event.event === 'done') {
      const { transfers, files, bytes } = this.#all
      if (transfers < 2 || files < 2) return null
      return `${this.#verb} ${files} files in all, ${formatBytes(bytes)} in ${transfers} transfers`
    }
    if (event.event !== 'ended') return null
    const totals = this.#transfers.get(event.transfer)
    this.#transfers.delete(event.transfer)
    if (!totals) return null
    const { files, bytes, failed, refused, isBroken } = totals
    this.#all.transfers++
    this.#all.files += files
    this.#all.bytes += bytes
    if (files + failed + refused < 2) return null
    const what = `${files} ${files === 1 ? 'file' : 'files'}, ${formatThroughput(bytes, event.seconds)}`
    const problems = [
      ...(failed === 0 ? [] : [`${failed} failed`]),
      ...(refused === 0 ? [] : [`${refused} refused`]),
      ...(isBroken ? ['not complete'] : []),
    ]
    return `${this.#verb} ${what}${problems.length === 0 ? '' : `; ${problems.join(', ')}`}`
  }
}
