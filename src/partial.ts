/** `listPartial` and `cleanPartial`: what receivers keep because it was not completed. No connection is made. */
import type { OnEvent, PartialEvent } from './events.js'
import { checkOptions, onEventOf } from './option-checks.js'
import { cleanFolder, listFolder, pathOf } from './stores/kept-folder.js'
import type { Kept } from './stores/kept-list.js'
import { runToSummary, type Summary } from './summary.js'

/** The options of `listPartial` and `cleanPartial`. */
export interface PartialOptions {
  /** The folder that was the `out` of a receiver. Code `local-file` if it cannot be used. */
  out: string
  /** Called for every event, in order. If it throws, the call rejects. Default: none. */
  onEvent?: OnEvent | undefined
}

/**
 * Reports with an event `partial` each file and directory that receivers keep in the folder `out` until its sender goes on
 * with it, the newest first. What a receiver has left behind that no longer runs is kept from then on, as it would be
 * when the next receiver starts. Resolves with the number of what is kept, and the bytes that are there.
 */
export async function listPartial(options: PartialOptions): Promise<Summary> {
  return await report(options, listFolder)
}

/**
 * Removes what `listPartial` lists, and reports with an event `partial` what it has removed. What a running receiver is
 * just receiving stays. Resolves with the number of what was removed, and its bytes.
 */
export async function cleanPartial(options: PartialOptions): Promise<Summary> {
  return await report(options, cleanFolder)
}

async function report(options: PartialOptions, work: typeof listFolder): Promise<Summary> {
  const onEvent = onEventOf(options)
  const totals = { files: 0, bytes: 0 }
  return await runToSummary(onEvent, totals, async () => {
    checkOptions('partial', options)
    const { out } = options
    for (const kept of await work(out)) {
      totals.files++
      totals.bytes += kept.bytes
      onEvent(eventOf(kept, pathOf(out, kept)))
    }
    return null
  })
}

function eventOf({ name, kind, bytes, size, time, owner }: Kept, path: string): PartialEvent {
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000))
  return { event: 'partial', name, kind, bytes, size, path, seconds, ...(owner === '' ? {} : { key: owner }) }
}
