/**
 * Counts the files of each transfer, so that the lines for people stay few.
 *
 * The first ten files of a transfer have a line each. Further files are only counted: `status` says how many so far,
 * and `total` sums up the transfer at its end. A directory has one line, as a file has; the files in it have none.
 * Stdout and JSON list every file. Failures and refusals are listed (problem-lines.ts).
 */
import type { ListedEvent, TransferEvent } from '../events.js'
import { formatBytes, formatCount, formatFiles, formatThroughput } from './format.js'

/** How many finished files of one transfer have a line each. */
export const MAX_LISTED = 10

/** What one transfer has done so far. */
interface Totals {
  /** Finished files and directories: stored, or sent and confirmed. */
  entries: number
  /** Finished files, those in directories too. */
  files: number
  /** Bytes of the finished files. */
  bytes: number
  /** Those of them that the receiver had from an earlier transfer. */
  resumed: number
  /** How much of the others has been saved by compressing. */
  saved: number
  /** Entries that failed. What fails in a directory is not counted: the whole directory fails with it. */
  failed: number
  refused: number
  /** Parts of directories that were left out, or refused. They have no part in whether there is a total. */
  leftOut: number
  refusedInside: number
  /** True if a failure ended the transfer itself. */
  isBroken: boolean
}

export class TransferTotals {
  readonly #verb: 'stored' | 'sent'
  readonly #isVerbose: boolean
  readonly #maxListed: number
  /** The running transfers, by number. */
  readonly #transfers = new Map<number, Totals>()
  /** Files that failed before there was a connection. They count for the next transfer. */
  #failedBefore = 0
  readonly #all = { transfers: 0, files: 0, bytes: 0 }
  /** What a dry run has found. Null in any other run. */
  #listed: { files: number; bytes: number; unknown: number } | null = null

  /** @param isVerbose true to list every file, however many there are */
  constructor(verb: 'stored' | 'sent', isVerbose: boolean) {
    this.#verb = verb
    this.#isVerbose = isVerbose
    this.#maxListed = isVerbose ? Number.POSITIVE_INFINITY : MAX_LISTED
  }

  /** Counts the event. Returns true if the event has a line of its own. */
  count(event: TransferEvent): boolean {
    if (event.event === 'connected') {
      const failed = this.#failedBefore
      const none = { entries: 0, files: 0, bytes: 0, resumed: 0, saved: 0, refused: 0, leftOut: 0, refusedInside: 0 }
      this.#transfers.set(event.transfer, { ...none, failed, isBroken: false })
      this.#failedBefore = 0
    }
    if (event.event === 'listed') this.#list(event)
    if (!('transfer' in event)) return true
    const totals = this.#transfers.get(event.transfer)
    if (event.event === 'failed' && event.transfer === 0 && isFailedEntry(event)) this.#failedBefore++
    if (!totals) return true
    if (event.event === 'failed') {
      if (isFailedEntry(event)) totals.failed++
      if (event.reason === 'left-out') totals.leftOut++
      if (event.name === undefined) totals.isBroken = true
    }
    if (event.event === 'refused' && event.directory !== undefined) totals.refusedInside++
    else if (event.event === 'refused' && event.name !== undefined) totals.refused++
    if (event.event !== 'stored' && event.event !== 'sent') return true
    if (event.directory !== undefined) return this.#isVerbose
    totals.entries++
    totals.files += event.files ?? 1
    totals.bytes += event.size
    const { size, resumed = 0, wire } = event
    totals.resumed += resumed
    if (wire !== undefined) totals.saved += size - resumed - wire
    return totals.entries <= this.#maxListed
  }

  #list({ kind, size }: ListedEvent): void {
    this.#listed ??= { files: 0, bytes: 0, unknown: 0 }
    if (kind !== 'file' && kind !== 'message') return
    this.#listed.files++
    this.#listed.bytes += size ?? 0
    if (size === null) this.#listed.unknown++
  }

  /** True for the event of the first file without a line. Called after `count`. */
  isFirstUnlisted(event: TransferEvent): boolean {
    if ((event.event !== 'stored' && event.event !== 'sent') || event.directory !== undefined) return false
    return this.#transfers.get(event.transfer)?.entries === this.#maxListed + 1
  }

  /** The state of the running transfers with unlisted files, as one text; null if there is none. */
  status(): string | null {
    let [files, bytes] = [0, 0]
    for (const totals of this.#transfers.values()) {
      if (totals.entries <= this.#maxListed) continue
      files += totals.files
      bytes += totals.bytes
    }
    return files === 0 ? null : `${this.#verb} ${formatFiles(files)} so far, ${formatBytes(bytes)}`
  }

  /**
   * The sum of a transfer of several files or directories for its `ended` event, of several transfers for `done`; null
   * otherwise.
   */
  total(event: TransferEvent): string | null {
    if (event.event === 'done' && this.#listed) {
      const { files, bytes, unknown } = this.#listed
      const more = unknown === 0 ? '' : `; ${formatCount(unknown)} of unknown size`
      return `would send ${formatFiles(files)}, ${formatBytes(bytes)}${more}`
    }
    if (event.event === 'done') {
      const { transfers, files, bytes } = this.#all
      if (transfers < 2 || files < 2) return null
      return `${this.#verb} ${formatFiles(files)} in all, ${formatBytes(bytes)} in ${transfers} transfers`
    }
    if (event.event !== 'ended') return null
    const totals = this.#transfers.get(event.transfer)
    this.#transfers.delete(event.transfer)
    if (!totals) return null
    const { entries, files, bytes, resumed, saved, failed, refused, leftOut, refusedInside, isBroken } = totals
    this.#all.transfers++
    this.#all.files += files
    this.#all.bytes += bytes
    if (entries + failed + refused < 2) return null
    const problems = [
      ...(failed === 0 ? [] : [`${formatCount(failed)} failed`]),
      ...(refused + refusedInside === 0 ? [] : [`${formatCount(refused + refusedInside)} refused`]),
      ...(leftOut === 0 ? [] : [`${formatCount(leftOut)} left out`]),
      ...(isBroken ? ['not complete'] : []),
    ]
    const what = `${formatFiles(files)}, ${formatThroughput(bytes, event.seconds, resumed, saved === 0 ? undefined : bytes - resumed - saved)}`
    return `${this.#verb} ${what}${problems.length === 0 ? '' : `; ${problems.join(', ')}`}`
  }
}

/** A file is stored even if its --exec command failed. What fails in a directory fails with it. */
function isFailedEntry({ name, directory, code }: { name?: string; directory?: string; code: string }): boolean {
  return name !== undefined && directory === undefined && code !== 'hook'
}
