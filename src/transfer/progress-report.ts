/** The progress of one entry, reported at most every 200 ms. */
import type { OnEvent, ProgressEvent } from '../events.js'
import type { TreeCount } from '../sources/tree-count.js'

/** The shortest time between two progress events of one entry, in milliseconds. */
const PROGRESS_INTERVAL = 200

interface TreeProgress {
  resumed: number
  files: number
  bytes: number
  current: string
}

type TreeCounted = Pick<TreeCount, 'files' | 'bytes' | 'isComplete'>

export class ProgressReport {
  readonly #report: () => void
  #bytes = 0
  /** The bytes that were there from an earlier transfer. */
  resumed = 0
  /** The bytes that the data have taken on the wire. Undefined if nothing was compressed. */
  wire: number | undefined
  /** The number of bytes that the receiver has reported. Null before its first report. */
  #received: number | null = null
  #next: number
  /** For a directory: what was noted of it so far, and for its sender also what was counted. */
  #tree: TreeProgress | null = null
  #count: TreeCounted | undefined

  constructor(onEvent: OnEvent, file: { transfer: number; name: string; size: number | null; resumed?: number }) {
    const { transfer, name, size, resumed: before = 0 } = file
    this.resume(before)
    this.#report = () => {
      const received = this.#received === null ? {} : { received: this.#received }
      const tree = this.#tree && { files: this.#tree.files, current: this.#tree.current, ...this.#known(this.#tree) }
      const resumed = this.resumed === 0 ? {} : { resumed: this.resumed }
      const moved = { ...resumed, ...wireField(this.wire), ...received }
      onEvent({ event: 'progress', transfer, name, bytes: this.#bytes, size, ...moved, ...tree })
    }
    this.#report()
    this.#next = performance.now() + PROGRESS_INTERVAL
  }

  /** So many bytes were there before. */
  resume(bytes: number): void {
    this.#bytes = bytes
    this.resumed = bytes
  }

  update(bytes: number): void {
    this.#bytes = bytes
    const now = performance.now()
    if (now < this.#next) return
    this.#next = now + PROGRESS_INTERVAL
    this.#report()
  }

  /** The same for a directory. `count` is what its sender has counted of it. */
  updateTree(record: TreeProgress, count?: TreeCounted): void {
    this.resumed = record.resumed
    this.#tree = record
    this.#count = count
    this.update(record.bytes)
  }

  /** A count that is behind the transfer tells nothing. Files that have come since the count was complete are added. */
  #known({ files, bytes }: TreeProgress): Pick<ProgressEvent, 'filesKnown' | 'bytesKnown' | 'allKnown'> {
    const count = this.#count
    if (!count || (!count.isComplete && (count.files < files || count.bytes < bytes))) return {}
    return {
      filesKnown: Math.max(count.files, files),
      bytesKnown: Math.max(count.bytes, bytes),
      allKnown: count.isComplete,
    }
  }

  /** Called when the receiver reports `bytes`. The count never exceeds the bytes sent and never goes back. */
  received(bytes: number): void {
    this.#received = Math.max(this.#received ?? 0, Math.min(bytes, this.#bytes))
    this.update(this.#bytes)
  }
}

/** The field `wire` of an event. */
export function wireField(wire: number | undefined): { wire?: number } {
  return wire === undefined ? {} : { wire }
}
