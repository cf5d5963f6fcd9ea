/** The files of a directory that need not come, because a receiver has them. They are read again, and compared. */
import { closeQuietly } from '../disk/disk.js'
import { refusal } from '../errors.js'
import type { KeptItem } from '../protocol/tree-messages.js'
import type { TreeSink } from '../stores/store.js'
import { printable } from '../text.js'
import { LateFiles, UNREADABLE } from './late-files.js'

export class AdoptedFiles {
  /** The digests of all files, in their order. Known after `check`. */
  digests: readonly string[] = []
  readonly #sink: TreeSink
  readonly #late: LateFiles
  /** The digests as the sender says. */
  readonly #announced: string[] = []

  private constructor(sink: TreeSink, late: LateFiles) {
    this.#sink = sink
    this.#late = late
  }

  static async create(sink: TreeSink): Promise<AdoptedFiles> {
    const late = await LateFiles.create(async (path, digest) => {
      try {
        const fd = await sink.open(path)
        return await digest(fd).finally(() => closeQuietly(fd))
      } catch {
        return UNREADABLE
      }
    })
    return new AdoptedFiles(sink, late)
  }

  /** Throws a refusal unless the file is there. */
  async adopt(item: KeptItem, path: string): Promise<void> {
    if (!(await this.#sink.adopt(item)))
      throw refusal('protocol', `${printable(path, 160)} is not there as the sender says`)
    this.#late.add(path)
  }

  /** Takes the next digests of the sender. */
  announce(digests: readonly string[]): undefined {
    this.#announced.push(...digests)
  }

  /** Compares the digests. Returns false if files are damaged. Those are removed, so that they come again. */
  async check(): Promise<boolean> {
    this.digests = await this.#late.finish()
    const damaged = this.#late.paths.filter((_, index) => this.digests[index] !== this.#announced[index])
    await this.#sink.drop(damaged)
    return damaged.length === 0
  }

  async stop(): Promise<void> {
    await this.#late.stop()
  }
}
