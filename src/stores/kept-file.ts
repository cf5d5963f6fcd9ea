/**
 * A file that can be kept if it breaks off: it grows in a folder of its own, beside its description, from the first byte.
 * So it is found even after this process was killed.
 */
import { constants } from 'node:fs'
import type { Blocking } from '../disk/blocking.js'
import type { Directory } from '../disk/directory.js'
import { closeQuietly, disk } from '../disk/disk.js'
import { CHUNK, SMALLEST_KEPT } from '../protocol/limits.js'
import type { Header } from '../protocol/messages.js'
import { type About, contentOf, makeKeepable, removeKeepable } from './about.js'
import { keep, take } from './kept.js'
import { StagedFile } from './staged-file.js'

const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

/** What a file is known by, if it can be kept. Null if it cannot: the sender could not go on with it. */
export function keepableFile({ kind, name, size, source, edition }: Header, owner: string): About | null {
  if (kind !== 'file' || size === null || size < SMALLEST_KEPT || source === undefined || edition === undefined)
    return null
  return { kind, owner, name, size, source, edition }
}

export interface KeptFileOptions {
  blocking: Blocking
  /** How long it is kept, in milliseconds. */
  age: number
}

export class KeptFile {
  readonly staged: StagedFile
  /** How many bytes are there from an earlier transfer: whole chunks, or all. They have not been verified. */
  readonly have: number
  /** True if something was there that the file has outlived. */
  readonly hasChanged: boolean
  readonly #own: Directory
  readonly #folder: string
  readonly #about: About
  readonly #age: number

  private constructor(
    own: Directory,
    folder: string,
    about: About,
    age: number,
    state: Pick<KeptFile, 'staged' | 'have' | 'hasChanged'>,
  ) {
    this.#age = age
    this.#own = own
    this.#folder = folder
    this.#about = about
    this.staged = state.staged
    this.have = state.have
    this.hasChanged = state.hasChanged
  }

  /** Takes up what is kept of the file, or begins anew. `own` is the folder of this receiver in the staging folder. */
  static async open(own: Directory, about: About, options: KeptFileOptions): Promise<KeptFile> {
    const taken = await take(own, about)
    if (taken) {
      const kept = await KeptFile.#resume(own, taken.staged, about, taken.about, options).catch(() => null)
      if (kept) return kept
      await removeKeepable(own, taken.staged)
    }
    const folder = await makeKeepable(own, about)
    try {
      const path = contentOf(own, folder)
      const fd = await disk.open(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600)
      const hasChanged = taken !== null && taken.about.edition !== about.edition
      return new KeptFile(own, folder, about, options.age, {
        staged: new StagedFile(path, fd, options.blocking),
        have: 0,
        hasChanged,
      })
    } catch (error) {
      await removeKeepable(own, folder)
      throw error
    }
  }

  /** Opens what is kept. Null if it is of no use. */
  static async #resume(
    own: Directory,
    folder: string,
    about: About,
    found: About,
    options: KeptFileOptions,
  ): Promise<KeptFile | null> {
    if (found.kind !== 'file' || found.edition !== about.edition || found.size !== about.size) return null
    const path = contentOf(own, folder)
    const fd = await disk.open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK)
    const have = await usable(fd, about.size as number).catch(() => 0)
    if (have > 0) {
      const staged = new StagedFile(path, fd, options.blocking)
      return new KeptFile(own, folder, about, options.age, { staged, have, hasChanged: false })
    }
    await closeQuietly(fd)
    return null
  }

  /**
   * Keeps the bytes. Returns their path, from the staging folder on. Null if there is nothing to keep, or that fails; then
   * they are removed. Never throws.
   *
   * They need not be durable: the digest of the whole file shows what a power cut has damaged, and the fsync at the end
   * covers them. So nothing waits for the disk here, however many transfers break off at once. Most of the bytes have
   * been flushed on the way (staged-file.ts). But if the disk has reported lost bytes, they are useless.
   */
  async keep(): Promise<string | null> {
    const { staged } = this
    const isWorth = await staged
      .settle()
      .then(async () => (await disk.fstat(staged.fd)).size >= CHUNK)
      .catch(() => false)
    await staged.close()
    if (isWorth) return await keep(this.#own, this.#folder, this.#about, this.#age)
    await this.remove()
    return null
  }

  /** Removes the folder, after the file has got its name or was discarded. Never throws. */
  async remove(): Promise<void> {
    await removeKeepable(this.#own, this.#folder)
  }
}

/** The number of bytes of an open file that can be gone on with. Another name of it could be somebody's file. */
async function usable(fd: number, size: number): Promise<number> {
  const stats = await disk.fstat(fd)
  if (!stats.isFile() || stats.nlink !== 1 || stats.size > size) return 0
  return stats.size === size ? size : stats.size - (stats.size % CHUNK)
}
