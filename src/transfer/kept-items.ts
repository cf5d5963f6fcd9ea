/** The files of a directory that its sender need not send, because the receiver says that it has them. */
import type { Stats } from 'node:fs'
import { closeQuietly, disk } from '../disk/disk.js'
import { MAX_DIGESTS } from '../protocol/limits.js'
import { encodeTree } from '../protocol/tree-messages.js'
import { attributesOf, changeOf } from '../sources/attributes.js'
import type { OpenDirectory } from '../sources/source.js'
import type { TreeItem } from '../sources/tree-walk.js'
import { LateFiles, UNREADABLE } from './late-files.js'
import type { TreeRecord } from './tree-record.js'

type FileFound = TreeItem & { kind: 'file' }

export class KeptItems {
  /** What the receiver has: size and modification time by path. */
  readonly #listed: ReadonlyMap<string, string>
  readonly #late: LateFiles
  /** What each file was when it was found. */
  readonly #found: Map<string, Stats>

  private constructor(listed: ReadonlyMap<string, string>, late: LateFiles, found: Map<string, Stats>) {
    this.#listed = listed
    this.#late = late
    this.#found = found
  }

  static async create(
    listed: ReadonlyMap<string, string>,
    opened: Pick<OpenDirectory, 'openFile'>,
  ): Promise<KeptItems> {
    const found = new Map<string, Stats>()
    const late = await LateFiles.create(async (path, digest) => {
      const before = found.get(path) as Stats
      found.delete(path)
      try {
        const fd = await opened.openFile(path)
        try {
          const blake3 = await digest(fd)
          return changeOf(before, await disk.fstat(fd)) === null ? blake3 : UNREADABLE
        } finally {
          await closeQuietly(fd)
        }
      } catch {
        return UNREADABLE
      }
    })
    return new KeptItems(listed, late, found)
  }

  /** True if the receiver has a file of this path. It may be another one. */
  has({ path }: FileFound): boolean {
    return this.#listed.has(path)
  }

  /** Returns the frame for a file that the receiver has, and notes it. Null if it must be sent. */
  async skip({ name, path, place, follow }: FileFound, record: TreeRecord): Promise<Buffer | null> {
    const stats = await (follow ? disk.stat(place) : disk.lstat(place)).catch(() => null)
    if (!stats?.isFile()) return null
    const { mtime, mode } = attributesOf(stats)
    const { size } = stats
    if (this.#listed.get(path) !== `${size} ${mtime}`) return null
    this.#found.set(path, stats)
    this.#late.add(path)
    record.current = path
    record.addKept(path, size)
    return encodeTree.kept({ name, size, mtime, mode })
  }

  /** Notes the digests of the files that were skipped, and returns their frames. */
  async finish(record: TreeRecord, onUnreadable: (path: string) => void): Promise<Buffer[]> {
    const digests = await this.#late.finish()
    this.#late.paths.forEach((path, index) => {
      if (digests[index] === UNREADABLE) onUnreadable(path)
    })
    record.setLate(digests)
    const frames: Buffer[] = []
    for (let start = 0; start < digests.length; start += MAX_DIGESTS) {
      frames.push(encodeTree.digests({ digests: digests.slice(start, start + MAX_DIGESTS) }))
    }
    return frames
  }

  async stop(): Promise<void> {
    await this.#late.stop()
  }
}
