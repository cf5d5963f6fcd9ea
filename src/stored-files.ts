/** What a receiver has stored, for its summary and for the loops that take one file after the other. */
import { TransferError } from './errors.js'
import type { StoredEvent } from './events.js'

/** The summary has so many files and directories, the first ones. */
export const MAX_LISTED = 1_000

/** So many may wait for a loop. Then no transfer begins another file. */
export const MAX_WAITING = 100

/** The files and directories that one loop has not taken yet. */
class Waiting {
  readonly files: StoredEvent[]
  /** Settles when fewer wait. Undefined if there is room. */
  held: Promise<void> | undefined
  #release: () => void = nothing
  #wake: () => void = nothing

  constructor(files: readonly StoredEvent[]) {
    this.files = [...files]
  }

  add(file: StoredEvent): void {
    this.files.push(file)
    this.#wake()
    if (this.files.length < MAX_WAITING) return
    this.held ??= new Promise((resolve) => {
      this.#release = resolve
    })
  }

  take(): StoredEvent | undefined {
    const file = this.files.shift()
    if (this.files.length < MAX_WAITING) this.release()
    return file
  }

  release(): void {
    this.held = undefined
    this.#release()
  }

  /** Resolves with the next file, or when `ended` does. */
  async more(ended: Promise<unknown>): Promise<void> {
    const added = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    await Promise.race([added, ended])
  }
}

const nothing = () => {}

export class StoredFiles {
  /** The first ones, for the summary. */
  readonly listed: StoredEvent[] = []
  #count = 0
  readonly #loops = new Set<Waiting>()

  /** Called for each stored file and directory, not for those in a directory. */
  add(file: StoredEvent): void {
    this.#count++
    if (this.listed.length < MAX_LISTED) this.listed.push(file)
    for (const waiting of this.#loops) waiting.add(file)
  }

  /** A promise as long as a loop has enough to do. */
  get held(): Promise<void> | undefined {
    for (const { held } of this.#loops) if (held) return held
    return undefined
  }

  /**
   * Yields each file, from the first one on, until `ended` settles. At its end, also if the loop is left before, it waits
   * for `close`.
   */
  async *read(ended: Promise<unknown>, close: () => Promise<unknown>): AsyncGenerator<StoredEvent, void, undefined> {
    if (this.#count > this.listed.length) {
      const text = `the loop has begun too late: ${this.#count} files were stored before, and only ${MAX_LISTED} are kept`
      throw new TransferError('usage', text)
    }
    const waiting = new Waiting(this.listed)
    this.#loops.add(waiting)
    let isOver = false
    const end = ended.then(
      () => (isOver = true),
      () => (isOver = true),
    )
    try {
      for (;;) {
        const file = waiting.take()
        if (file) yield file
        else if (isOver) return
        else await waiting.more(end)
      }
    } finally {
      this.#loops.delete(waiting)
      waiting.release()
      await close()
    }
  }
}
