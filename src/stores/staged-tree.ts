/**
 * A directory while it grows in the staging folder, item by item. Of what was there from an earlier transfer, files that
 * its sender need not send stay, and everything else is replaced or removed.
 */
import { join } from 'node:path'
import { type AtHand, andThen, orElse } from '../at-hand.js'
import type { Blocking } from '../disk/blocking.js'
import type { Directory } from '../disk/directory.js'
import { disk, errno, ifSupported, isUnsupported } from '../disk/disk.js'
import { type LocalAction, localError } from '../disk/local-error.js'
import { createSmallFile } from '../disk/small-file.js'
import { refusal, type TransferError } from '../errors.js'
import type { Header } from '../protocol/messages.js'
import type { Attributes, DirectoryItem, FileItem, KeptItem, SymlinkItem } from '../protocol/tree-messages.js'
import { printable } from '../text.js'
import type { FolderSinkOptions } from './folder-sink.js'
import { type KeptTree, There } from './kept-tree.js'
import { StagedFile } from './staged-file.js'
import { canHold, isUnfitName } from './staging.js'
import type { TreeFileSink } from './store.js'

export interface FolderTreeOptions extends FolderSinkOptions {
  /** Decides whether writes block. Shared by everything that writes to this folder. */
  blocking: Blocking
  /** Who has proved which key (store.ts). */
  owner: string
  /** How long what was not completed is kept, in milliseconds. 0 keeps nothing. */
  keepPartial: number
}

/** A directory that has been entered. It gets its attributes when it is left: every item changes its time. */
export interface Level {
  directory: Directory
  attributes: Attributes
  /** Null if nothing was there before. */
  there: There | null
}

export class StagedTree {
  protected readonly options: FolderTreeOptions
  protected readonly header: Header
  protected readonly kept: KeptTree
  /** The directory itself, and those that have been entered in it. */
  protected readonly levels: Level[]
  protected files = 0
  /** True if a part of a file could not be removed. */
  protected hasLeftover = false
  readonly #staging: Directory
  #path = ''

  /** @param there what is in the directory already */
  constructor(options: FolderTreeOptions, staging: Directory, header: Header, kept: KeptTree, there: There | null) {
    this.options = options
    this.#staging = staging
    this.header = header
    this.kept = kept
    this.levels = [{ directory: kept.directory, attributes: header, there }]
  }

  get #current(): Level {
    return this.levels.at(-1) as Level
  }

  get isResumed(): boolean {
    return this.kept.isResumed
  }

  async *list(): AsyncGenerator<string> {
    try {
      yield* this.kept.list()
    } catch (error) {
      throw this.localError('cannot read', error)
    }
  }

  async open(path: string): Promise<number> {
    return await this.kept.open(path)
  }

  async drop(paths: readonly string[]): Promise<void> {
    try {
      await this.kept.drop(paths)
    } catch (error) {
      throw this.localError('cannot store', error)
    }
  }

  async adopt(item: KeptItem): Promise<boolean> {
    this.files++
    try {
      return (await this.#current.there?.adopt(item, this.mode(item.mode ?? 0o666))) ?? false
    } catch (error) {
      throw this.localError('cannot store', error, item.name)
    }
  }

  async enter({ name, mode, mtime }: DirectoryItem): Promise<void> {
    try {
      const old = (await this.#current.there?.enter(name)) ?? null
      const directory = old ?? (await this.#current.directory.makeDirectory(name))
      const level: Level = { directory, attributes: { mode, mtime }, there: null }
      this.levels.push(level)
      if (old) level.there = await There.of(old)
      this.#path = join(this.#path, name)
    } catch (error) {
      throw await this.#itemError('cannot make the folder', error, name)
    }
  }

  async leave(): Promise<void> {
    const { directory, attributes, there } = this.levels.pop() as Level
    try {
      await there?.clearRest()
      await directory.setAttributes(this.mode(attributes.mode ?? 0o777), attributes.mtime)
      this.#path = join(this.#path, '..')
    } catch (error) {
      throw this.localError('cannot store', error)
    } finally {
      await directory.close()
    }
  }

  async symlink({ name, target, mtime }: SymlinkItem): Promise<void> {
    const path = this.#current.directory.path(name)
    try {
      await this.#clear(name)
      await disk.symlink(target, path)
      if (mtime !== null) await ifSupported(() => disk.lutimes(path, new Date(mtime), new Date(mtime)))
    } catch (error) {
      if (isUnsupported(error)) throw refusal('policy', `the file system there holds no symlinks: ${this.#shown(name)}`)
      throw await this.#itemError('cannot store', error, name)
    }
  }

  file(item: FileItem, bytes: Buffer): undefined | Promise<void> {
    this.files++
    return this.#current.there?.has(item.name)
      ? this.#clear(item.name).then(() => this.#create(item, bytes))
      : this.#create(item, bytes)
  }

  #create({ name, mode, mtime }: FileItem, bytes: Buffer): undefined | Promise<void> {
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
    this.files++
    return this.#current.there?.has(item.name)
      ? this.#clear(item.name).then(() => this.#begin(item))
      : this.#begin(item)
  }

  /** Removes what is there under this name from an earlier transfer. */
  async #clear(name: string): Promise<void> {
    const { there } = this.#current
    try {
      if (there?.has(name)) await there.clear(name)
    } catch (error) {
      throw this.localError('cannot store', error, name)
    }
  }

  #begin(item: FileItem): AtHand<TreeFileSink> {
    const { directory } = this.#current
    const creating = orElse(
      () => StagedFile.createIn(directory, item.name, (item.mode ?? 0o666) & 0o777, this.options.blocking),
      async (error): Promise<StagedFile> => {
        throw await this.#itemError('cannot write', error, item.name)
      },
    )
    return andThen(creating, (staged) => this.#sinkOf(staged, item))
  }

  #sinkOf(staged: StagedFile, { name, mtime }: FileItem): TreeFileSink {
    const named = <T>(work: () => AtHand<T>): AtHand<T> =>
      orElse(work, (error) => {
        throw this.localError('cannot write', error, name)
      })
    return {
      write: (bytes, offset) => named(() => staged.write(bytes, offset)) as boolean,
      writeLater: async (bytes, offset) => await named(() => staged.writeLater(bytes, offset)),
      commit: () => named(() => staged.seal(mtime)),
      discard: async () => {
        if (!(await staged.discard())) this.hasLeftover = true
      },
    }
  }

  protected mode(mode: number): number {
    return mode & 0o777 & ~this.options.umask
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
    return this.localError(action, error, name)
  }

  /** The path of an item in messages for both sides. */
  #shown(name: string): string {
    return `"${printable(join(this.header.name, this.#path, name), 160)}"`
  }

  protected localError(action: LocalAction, error: unknown, name = ''): TransferError {
    return localError(action, join(this.options.path, this.header.name, this.#path, name), error)
  }
}
