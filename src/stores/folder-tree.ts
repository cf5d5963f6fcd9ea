/**
 * One directory on its way into a folder. It grows as a whole in the staging folder:
 *
 *   staged (private) → every item in it → [digests compared by the caller] → times and modes set → everything durable
 *   → final name by one rename → fsync of the folder
 *
 * Before the rename, a crash leaves only the staging folder. From then on, the directory is complete and durable. If
 * the name is taken and `--if-exists` is not `backup`, the files are moved one by one instead (merge-tree.ts).
 */
import { join } from 'node:path'
import { type AtHand, andThen, orElse } from '../at-hand.js'
import type { Blocking } from '../disk/blocking.js'
import type { Directory } from '../disk/directory.js'
import { disk, errno, ifSupported, isUnsupported } from '../disk/disk.js'
import { type LocalAction, localError } from '../disk/local-error.js'
import { removeTree } from '../disk/remove-tree.js'
import { createSmallFile } from '../disk/small-file.js'
import { syncTree } from '../disk/sync-tree.js'
import { refusal, type TransferError } from '../errors.js'
import type { Header } from '../protocol/messages.js'
import type { Attributes, DirectoryItem, FileItem, SymlinkItem } from '../protocol/tree-messages.js'
import { printable } from '../text.js'
import type { Origin } from './about.js'
import { FinalTreeName, storedInPart } from './final-tree-name.js'
import { type FolderSinkOptions, notDurable } from './folder-sink.js'
import { forget, keepTree } from './kept.js'
import { StagedFile } from './staged-file.js'
import { canHold, isUnfitName, STAGING, stagedName } from './staging.js'
import type { StoredAs, TreeFileSink, TreeSink } from './store.js'

export interface FolderTreeOptions extends FolderSinkOptions {
  /** Decides whether writes block. Shared by everything that writes to this folder. */
  blocking: Blocking
  /** Who has proved which key (store.ts). */
  owner: string
  /** How long what was not completed is kept, in milliseconds. 0 keeps nothing. */
  keepPartial: number
}

/** A directory that has been entered. It gets its attributes when it is left: every item changes its time. */
interface Level {
  directory: Directory
  attributes: Attributes
}

/** The permissions that this process needs in a directory until everything is in it. */
const OWNER = 0o700

export class FolderTree implements TreeSink {
  readonly #options: FolderTreeOptions
  readonly #root: Directory
  readonly #staging: Directory
  readonly #header: Header
  /** The name in the staging folder. */
  readonly #staged: string
  /** The staged directory itself, and those that have been entered in it. */
  readonly #levels: Level[]
  #files = 0
  #path = ''
  #isOver = false
  /** True if a part of a file could not be removed. */
  #hasLeftover = false

  private constructor(
    options: FolderTreeOptions,
    folders: { root: Directory; staging: Directory },
    header: Header,
    staged: { name: string; directory: Directory },
  ) {
    this.#options = options
    this.#root = folders.root
    this.#staging = folders.staging
    this.#header = header
    this.#staged = staged.name
    this.#levels = [{ directory: staged.directory, attributes: header }]
  }

  static async begin(
    options: FolderTreeOptions,
    folders: { root: Directory; staging: Directory },
    header: Header,
  ): Promise<FolderTree> {
    const name = stagedName()
    return new FolderTree(options, folders, header, { name, directory: await folders.staging.makeDirectory(name) })
  }

  get #current(): Level {
    return this.#levels.at(-1) as Level
  }

  async enter({ name, mode, mtime }: DirectoryItem): Promise<void> {
    try {
      const directory = await this.#current.directory.makeDirectory(name)
      this.#levels.push({ directory, attributes: { mode, mtime } })
      this.#path = join(this.#path, name)
    } catch (error) {
      throw await this.#itemError('cannot make the folder', error, name)
    }
  }

  async leave(): Promise<void> {
    const { directory, attributes } = this.#levels.pop() as Level
    try {
      await directory.setAttributes(this.#mode(attributes.mode ?? 0o777), attributes.mtime)
      this.#path = join(this.#path, '..')
    } catch (error) {
      throw this.#localError('cannot store', error)
    } finally {
      await directory.close()
    }
  }

  async symlink({ name, target, mtime }: SymlinkItem): Promise<void> {
    const path = this.#current.directory.path(name)
    try {
      await disk.symlink(target, path)
      if (mtime !== null) await ifSupported(() => disk.lutimes(path, new Date(mtime), new Date(mtime)))
    } catch (error) {
      if (isUnsupported(error)) throw refusal('policy', `the file system there holds no symlinks: ${this.#shown(name)}`)
      throw await this.#itemError('cannot store', error, name)
    }
  }

  file({ name, mode, mtime }: FileItem, bytes: Buffer): undefined | Promise<void> {
    this.#files++
    const path = this.#current.directory.path(name)
    const failed = async (error: unknown) => {
      throw await this.#itemError('cannot write', error, name)
    }
    try {
      return createSmallFile(path, bytes, (mode ?? 0o666) & 0o777, mtime)?.catch(failed)
    } catch (error) {
      return failed(error)
    }
  }

  begin(item: FileItem): AtHand<TreeFileSink> {
    this.#files++
    const { directory } = this.#current
    const creating = orElse(
      () => StagedFile.createIn(directory, item.name, (item.mode ?? 0o666) & 0o777, this.#options.blocking),
      async (error): Promise<StagedFile> => {
        throw await this.#itemError('cannot write', error, item.name)
      },
    )
    return andThen(creating, (staged) => this.#sinkOf(staged, item))
  }

  #sinkOf(staged: StagedFile, { name, mtime }: FileItem): TreeFileSink {
    const named = <T>(work: () => AtHand<T>): AtHand<T> =>
      orElse(work, (error) => {
        throw this.#localError('cannot write', error, name)
      })
    return {
      write: (bytes, offset) => named(() => staged.write(bytes, offset)) as boolean,
      writeLater: async (bytes, offset) => await named(() => staged.writeLater(bytes, offset)),
      commit: () => named(() => staged.seal(mtime)),
      discard: async () => {
        if (!(await staged.discard())) this.#hasLeftover = true
      },
    }
  }

  async commit(): Promise<StoredAs> {
    const { directory, attributes } = this.#levels[0] as Level
    const mode = this.#mode(attributes.mode ?? 0o777)
    const name = new FinalTreeName(this.#root, this.#staging, this.#staged, this.#options.ifExists)
    try {
      await directory.setAttributes(mode | OWNER, attributes.mtime)
      await syncTree(directory, this.#files)
      const stored = await name.give(this.#header.name)
      try {
        await this.#root.sync()
        // A directory without write permission cannot be moved to another folder.
        if ((mode & OWNER) !== OWNER && !name.isMerged) await directory.setAttributes(mode, attributes.mtime)
      } catch (error) {
        stored.skipped?.close()
        throw (await name.takeBack(stored.name)) ? error : notDurable(this.#options.path, stored.name, 'stored', error)
      }
      // What was merged has left directories and skipped files behind.
      if (name.isMerged) await this.discard()
      else await this.#close()
      await forget(this.#staging, this.#origin)
      return { ...stored, path: join(await this.#root.whereabouts(this.#options.path), stored.name) }
    } catch (error) {
      await this.discard()
      throw name.isMerged
        ? storedInPart(this.#options.path, this.#header.name, error)
        : this.#localError('cannot store', error)
    }
  }

  async keep(): Promise<string | null> {
    if (this.#isOver) return null
    const { directory } = this.#levels[0] as Level
    const keeping = async () => {
      const age = this.#options.keepPartial
      if (this.#hasLeftover || age === 0) return null
      // Only its owner may look into it.
      await directory.setAttributes(0o700, null)
      await syncTree(directory, this.#files)
      return await keepTree(
        this.#staging,
        this.#staged,
        { ...this.#origin, kind: 'directory', size: null, edition: '' },
        age,
      )
    }
    const path = await keeping().catch(() => null)
    await (path ? this.#close() : this.discard())
    return path && join(this.#options.path, STAGING, path)
  }

  get #origin(): Origin {
    return { owner: this.#options.owner, name: this.#header.name, source: '' }
  }

  async discard(): Promise<void> {
    if (this.#isOver) return
    await this.#close()
    // What remains is removed with the staging folder.
    await removeTree(this.#staging, this.#staged).catch(() => {})
  }

  async #close(): Promise<void> {
    this.#isOver = true
    for (const { directory } of this.#levels.splice(0)) await directory.close()
  }

  #mode(mode: number): number {
    return mode & 0o777 & ~this.#options.umask
  }

  /** The error for an item that could not be created. */
  async #itemError(action: LocalAction, error: unknown, name: string): Promise<TransferError> {
    // The sender gives no name twice, and nobody else can reach the directory.
    if (errno(error) === 'EEXIST') {
      return refusal('name', `the file system there takes ${this.#shown(name)} for another name in the same directory`)
    }
    if (isUnfitName(error) && !(await canHold(this.#staging, name).catch(() => true))) {
      return refusal('name', `the name ${this.#shown(name)} is refused: the file system there cannot hold it`)
    }
    return this.#localError(action, error, name)
  }

  /** The path of an item in messages for both sides. */
  #shown(name: string): string {
    return `"${printable(join(this.#header.name, this.#path, name), 160)}"`
  }

  #localError(action: LocalAction, error: unknown, name = ''): TransferError {
    return localError(action, join(this.#options.path, this.#header.name, this.#path, name), error)
  }
}
