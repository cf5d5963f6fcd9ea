/**
 * Counts the files of a directory while it is sent, by a second walk, so that progress can say how much is left. The
 * walk begins late, because most directories are sent before anyone wants to know, and it lets the event loop have its
 * turns.
 */
import { setImmediate } from 'node:timers/promises'
import { disk } from '../disk/disk.js'
import type { TreeWalk } from './tree-walk.js'

/** How long a directory is under way before it is counted, in milliseconds. */
export const COUNT_DELAY = 1000

/** After this many items, the event loop has its turn: the calls of the disk may all block. */
const ITEMS_PER_TURN = 64

export class TreeCount {
  /** The number of files found so far, and their size in bytes. */
  files = 0
  bytes = 0
  /** True if these are all. */
  isComplete = false
  readonly #walk: () => Promise<TreeWalk>
  readonly #start = performance.now() + COUNT_DELAY
  #counting: Promise<void> | null = null
  #isStopped = false

  /** @param walk starts the second walk */
  constructor(walk: () => Promise<TreeWalk>) {
    this.#walk = walk
  }

  /** Called while the directory is under way. Starts to count when it is time. */
  tick(): void {
    if (this.#counting || performance.now() < this.#start) return
    // What cannot be read is reported by the walk that is sent. The count just stays incomplete.
    this.#counting = this.#count().catch(() => {})
  }

  async #count(): Promise<void> {
    const tree = await this.#walk()
    try {
      for (let items = 1; !this.#isStopped; items++) {
        if (items % ITEMS_PER_TURN === 0) await setImmediate()
        const item = await tree.next()
        if (item === null) {
          this.isComplete = true
          return
        }
        if (item.kind !== 'file') continue
        const { size } = await (item.follow ? disk.stat : disk.lstat)(item.place)
        this.files++
        this.bytes += size
      }
    } finally {
      await tree.close()
    }
  }

  /** Ends the count, because the directory has been read to its end: now its files are known. */
  async finish({ files, bytes }: { files: number; bytes: number }): Promise<void> {
    await this.stop()
    Object.assign(this, { files, bytes, isComplete: true })
  }

  /** Ends the count. Nothing of it is open afterwards. Never throws. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#counting
  }
}
