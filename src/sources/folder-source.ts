/** A directory as a source. It is one entry, and everything in it is read while it is sent. */
import { constants } from 'node:fs'
import { basename } from 'node:path'
import { Directory } from '../disk/directory.js'
import { disk } from '../disk/disk.js'
import { localError, shown } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { DIRECTORIES } from '../protocol/messages.js'
import { attributesOf } from './attributes.js'
import { type OpenDirectory, SingleSource } from './source.js'
import { type TreeOptions, TreeWalk } from './tree-walk.js'

/** The media type of a directory (shared-mime-info). */
const DIRECTORY_TYPE = 'inode/directory'

export class FolderSource extends SingleSource {
  readonly label: string
  readonly path: string
  readonly isOnce = false
  readonly feature = DIRECTORIES
  readonly name: string
  readonly #options: TreeOptions

  /** @param name the name to offer to the receiver; see `nameOfDirectory` */
  constructor(path: string, name: string, options: TreeOptions) {
    super()
    this.path = path
    this.label = shown(path)
    this.name = name
    this.#options = options
  }

  async inspect(): Promise<null> {
    if (this.name === '') {
      const text = `${this.label} has no name of its own; give it one with --name`
      throw new TransferError('local-file', text, { reason: 'name' })
    }
    try {
      await disk.access(this.path, constants.R_OK | constants.X_OK)
      return null
    } catch (error) {
      throw localError('cannot read', this.path, error)
    }
  }

  async open(): Promise<OpenDirectory> {
    try {
      const { tree, stats } = await this.#walk()
      const { mode, mtime } = attributesOf(stats)
      const header = { kind: 'directory', name: this.name, size: null, type: DIRECTORY_TYPE, mtime, mode } as const
      return { header, tree, walkAgain: async () => (await this.#walk()).tree, close: () => tree.close() }
    } catch (error) {
      throw localError('cannot read', this.path, error)
    }
  }

  async #walk(): ReturnType<typeof TreeWalk.start> {
    return await TreeWalk.start(await Directory.open(this.path), this.path, this.#options)
  }
}

/**
 * The name of a directory: the last part of its path, or of the directory that `.` or `..` stands for. Empty for `/`,
 * and for a working directory that was removed.
 */
export async function nameOfDirectory(path: string): Promise<string> {
  const last = basename(path)
  return last === '.' || last === '..' ? basename(await disk.realpath(path).catch(() => '/')) : last
}

/** So many parts of a directory that cannot be read, in words. */
export function partsOf(count: number): string {
  return count === 1 ? 'a file or directory in it' : `${count} files or directories in it`
}
