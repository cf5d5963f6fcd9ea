/**
 * Many files in one transfer: people want to know how far they are and what came of them, not a line about each. A script
 * reads stdout or JSON, which leave nothing out.
 */
import type { TransferEvent } from '../events.js'
import { amount, formatBytes } from './format.js'

/** The files of one transfer that have a line each; of more, only what went wrong has one. */
export const MOST_LINES = 10

interface Tally {
  files: number
  bytes: number
  failed: number
  refused: number
  /** True if something ended the transfer itself. */
  isBroken: boolean
}

export class Tallies {
  readonly #did: 'stored' | 'sent'
  readonly #limit: number
  /** The transfers under way, by their number. */
  readonly #transfers = new Map<number, Tally>()
  /** What failed before there was a connection. */
  #before = 0
  readonly #all = { transfers: 0, files: 0, bytes: 0 }

  /** @param isListing whether each file has its line, however many there are */
  constructor(did: 'stored' | 'sent', isListing: boolean) {
    this.#did = did
    this.#limit = isListing ? Number.POSITIVE_INFINITY : MOST_LINES
  }

  /** Counts what the event tells, and returns whether it is to have a line of its own. */
  count(event: TransferEvent): boolean {
    if (event.event === 'connected') {
      this.#transfers.set(event.transfer, { files: 0, bytes: 0, failed: this.#before, refused: 0, isBroken: false })
      this.#before = 0
    }
    if (!('transfer' in event)) return true
    const tally = this.#transfers.get(event.transfer)
    // A file whose --exec command failed is stored all the same.
    const isFailed = event.event === 'failed' && event.name !== undefined && event.code !== 'hook'
    if (isFailed && event.transfer === 0) this.#before++
    if (!tally) return true
    if (isFailed) tally.failed++
    if (event.event === 'failed' && event.name === undefined) tally.isBroken = true
    if (event.event === 'refused' && event.name !== undefined) tally.refused++
    if (event.event !== 'stored' && event.event !== 'sent') return true
    tally.files++
    tally.bytes += event.size
    return tally.files <= this.#limit
  }

  /** True at the first file without a line. */
  isFirstUnlisted(event: TransferEvent): boolean {
    if (event.event !== 'stored' && event.event !== 'sent') return false
    return this.#transfers.get(event.transfer)?.files === this.#limit + 1
  }

  /** How far the transfers are whose files have no lines any more; null if there is none. */
  status(): string | null {
    let [files, bytes] = [0, 0]
    for (const tally of this.#transfers.values()) {
      if (tally.files <= this.#limit) continue
      files += tally.files
      bytes += tally.bytes
    }
    return files === 0 ? null : `${this.#did} ${files} files so far, ${formatBytes(bytes)}`
  }

  /** The sum at the end of a transfer of several files, and, at the end of several transfers, of all; null if there is none. */
  total(event: TransferEvent): string | null {
    if (event.event === 'done') {
      const { transfers, files, bytes } = this.#all
      if (transfers < 2 || files < 2) return null
      return `${this.#did} ${files} files in all, ${formatBytes(bytes)} in ${transfers} transfers`
    }
    if (event.event !== 'ended') return null
    const tally = this.#transfers.get(event.transfer)
    this.#transfers.delete(event.transfer)
    if (!tally) return null
    const { files, bytes, failed, refused, isBroken } = tally
    this.#all.transfers++
    this.#all.files += files
    this.#all.bytes += bytes
    if (files + failed + refused < 2) return null
    const what = `${files} ${files === 1 ? 'file' : 'files'}, ${amount(bytes, event.seconds)}`
    const wrong = [...counted(failed, 'failed'), ...counted(refused, 'refused'), ...(isBroken ? ['not complete'] : [])]
    return `${this.#did} ${what}${wrong.length === 0 ? '' : `; ${wrong.join(', ')}`}`
  }
}

function counted(number: number, what: string): string[] {
  return number === 0 ? [] : [`${number} ${what}`]
}
