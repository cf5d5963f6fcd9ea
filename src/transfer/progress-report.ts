/** The progress of one entry, reported at most every 200 ms. */
import type { OnEvent } from '../events.js'

/** The shortest time between two progress events of one entry, in milliseconds. */
const PROGRESS_INTERVAL = 200

export class ProgressReport {
  readonly #report: () => void
  #bytes = 0
  /** The number of bytes that the receiver has reported. Null before its first report. */
  #received: number | null = null
  #next: number
  /** For a directory: what was noted of it so far. */
  #tree: { files: number; current: string } | null = null

  constructor(onEvent: OnEvent, file: { transfer: number; name: string; size: number | null }) {
    const { transfer, name, size } = file
    this.#report = () => {
      const received = this.#received === null ? {} : { received: this.#received }
      const tree = this.#tree && { files: this.#tree.files, current: this.#tree.current }
      onEvent({ event: 'progress', transfer, name, bytes: this.#bytes, size, ...received, ...tree })
    }
    this.#report()
    this.#next = performance.now() + PROGRESS_INTERVAL
  }

  update(bytes: number): void {
    this.#bytes = bytes
    const now = performance.now()
    if (now < this.#next) return
    this.#next = now + PROGRESS_INTERVAL
    this.#report()
  }

  /** The same for a directory. */
  updateTree(record: { files: number; bytes: number; current: string }): void {
    this.#tree = record
    this.update(record.bytes)
  }

  /** Called when the receiver reports `bytes`. The count never exceeds the bytes sent and never goes back. */
  received(bytes: number): void {
    this.#received = Math.max(this.#received ?? 0, Math.min(bytes, this.#bytes))
    this.update(this.#bytes)
  }
}
