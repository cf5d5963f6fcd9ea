/** A directory as a source. It is one entry, and everything in it is read while it is sent. */
import { constants } from 'node:fs'
import { basename, join } from 'node:path'
import { Directory } from '../disk/directory.js'
import { disk } from '../disk/disk.js'
import { localError, shown } from '../disk/local-error.js'
import { InsideOpener } from '../disk/open-inside.js'
import { TransferError } from '../errors.js'
import { DIRECTORIES } from '../protocol/messages.js'
import { attributesOf } from './attributes.js'
import { sourceOf } from './identity.js'
import { type OpenDirectory, SingleSource } from './source.js'
import { type TreeOptions, TreeWalk } from './tree-walk.js'

const { O_RDONLY, O_NONBLOCK = 0 } = constants

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
      const known = { kind: 'directory', name: this.name, size: null, type: DIRECTORY_TYPE, mtime, mode } as const
      const header = { ...known, ...(await sourceOf(this.path)) }
      const walkAgain = async () => (await this.#walk()).tree
      const files = new FilesIn(this.path, this.#options.follow)
      const close = async () => {
        await files.close()
        await tree.close()
      }
      return { header, tree, walkAgain, openFile: (path) => files.open(path), close }
    } catch (error) {
      throw localError('cannot read', this.path, error)
    }
  }

  async #walk(): ReturnType<typeof TreeWalk.start> {
    return await TreeWalk.start(await Directory.open(this.path), this.path, this.#options)
  }
}

/** Opens files in a directory by their paths, without following a symlink unless symlinks are followed. */
class FilesIn {
  readonly #path: string
  readonly #follow: boolean
  #root: Directory | null = null
  #opener: InsideOpener | null = null

  constructor(path: string, follow: boolean) {
    this.#path = path
    this.#follow = follow
  }

  /** Returns the descriptor of a file. */
  async open(path: string): Promise<number> {
    if (this.#follow) return await disk.open(join(this.#path, path), O_RDONLY | O_NONBLOCK)
    this.#root ??= await Directory.open(this.#path)
    this.#opener ??= new InsideOpener(this.#root)
    return await this.#opener.open(path)
  }

  async close(): Promise<void> {
    await this.#opener?.close()
    await this.#root?.close()
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

/** The error for a directory of which so many parts could not be sent. */
export function incomplete(label: string, failures: number, isRestKept: boolean): TransferError {
  const what = partsOf(failures)
  const rest = isRestKept ? '; the receiver keeps the rest in its staging folder' : ''
  const text = `${label} is not stored: ${what} could not be read${rest}`
  return new TransferError('local-file', text, { reason: 'changed', peerMessage: `${what} could not be read` })
}

/** So many parts of a directory that cannot be read, in words. */
export function partsOf(count: number): string {
  return count === 1 ? 'a file or directory in it' : `${count} files or directories in it`
}
