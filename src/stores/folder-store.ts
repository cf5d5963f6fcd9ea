/** A folder, opened for one transfer. */
import { Directory } from '../disk/directory.js'
import { disk, ifSupported } from '../disk/disk.js'
import { localError } from '../disk/local-error.js'
import { refusal } from '../errors.js'
import type { Header } from '../protocol/messages.js'
import { printable } from '../text.js'
import { checkExisting } from './final-name.js'
import { checkExistingTree } from './final-tree-name.js'
import { FolderSink } from './folder-sink.js'
import { FolderTree } from './folder-tree.js'
import { KeptFile, keepableFile } from './kept-file.js'
import { makeRoom } from './kept-list.js'
import { StagedFile } from './staged-file.js'
import type { FolderTreeOptions } from './staged-tree.js'
import { canHold, openStaging } from './staging.js'
import type { Sink, Store, TreeSink } from './store.js'

export interface FolderOptions extends FolderTreeOptions {
  /** The name of this receiver in the staging folder. */
  receiverId: string
}

export class FolderStore implements Store {
  readonly #options: FolderOptions
  readonly #root: Directory
  readonly #staging: Directory

  private constructor(options: FolderOptions, root: Directory, staging: Directory) {
    this.#options = options
    this.#root = root
    this.#staging = staging
  }

  /** Each transfer opens the folder anew, and so notices that it was moved or removed. */
  static async open(options: FolderOptions): Promise<FolderStore> {
    try {
      const root = await Directory.open(options.path)
      try {
        return new FolderStore(options, root, await openStaging(root, options.receiverId, options.path))
      } catch (error) {
        await root.close()
        throw error
      }
    } catch (error) {
      throw localError('cannot store in', options.path, error)
    }
  }

  async begin(header: Header): Promise<Sink> {
    try {
      await this.#checkName(header.name)
      await checkExisting(this.#root, header.name, this.#options.ifExists)
      const staged = await this.#stage(header)
      const sink = new FolderSink(this.#options, this.#root, staged, header)
      try {
        // After the staged one was opened: what is there of this file must not give way.
        if (header.size !== null) await this.#checkSpace(header.size - sink.have)
      } catch (error) {
        await sink.keep()
        throw error
      }
      return sink
    } catch (error) {
      throw localError('cannot store in', this.#options.path, error)
    }
  }

  async #stage(header: Header): Promise<StagedFile | KeptFile> {
    const { owner, blocking, keepPartial } = this.#options
    const about = keepPartial > 0 ? keepableFile(header, owner) : null
    return about
      ? await KeptFile.open(this.#staging, about, { blocking, age: keepPartial })
      : await StagedFile.create(this.#staging, blocking)
  }

  async beginTree(header: Header): Promise<TreeSink> {
    try {
      await this.#checkName(header.name)
      await checkExistingTree(this.#root, header.name, this.#options.ifExists)
      return await FolderTree.begin(this.#options, { root: this.#root, staging: this.#staging }, header)
    } catch (error) {
      throw localError('cannot store in', this.#options.path, error)
    }
  }

  /** Refuses a name that this file system cannot hold, before the bytes of the file come. */
  async #checkName(name: string): Promise<void> {
    if (isPortable(name) || (await canHold(this.#staging, name))) return
    throw refusal('name', `the name "${printable(name, 80)}" is refused: the file system there cannot hold it`)
  }

  /** What is kept gives way to a file that comes now, if that makes enough room. */
  async #checkSpace(size: number): Promise<void> {
    const free = await this.#free()
    if (size <= free || (await makeRoom(this.#root, size - free))) return
    throw refusal('no-space', `the file has ${size} bytes, and only ${free} are free there`)
  }

  async #free(): Promise<number> {
    const space = await ifSupported(() => disk.statfs(this.#root.path()))
    // Some file systems (some FUSE ones, for instance) do not know their size and report zero blocks.
    return !space || space.blocks === 0 ? Number.POSITIVE_INFINITY : space.bavail * space.bsize
  }

  async close(): Promise<void> {
    await this.#staging.close()
    await this.#root.close()
  }
}

/** True for a name that every file system can hold. Any other name is tried before the bytes of the file come. */
export function isPortable(name: string): boolean {
  return /^[\w.+-]{1,100}$/.test(name)
}
