/**
 * Storing into a folder. One entry goes through these steps, and only after the last is the sender told `stored`:
 *
 *   name and space checked → staged (private file, exclusive) → written → [size and digest compared by the caller]
 *   → mode and time set → fsync of the file → final name by link or rename → fsync of the folder
 *
 * Until the name appears a crash leaves only the staging folder; from then on the file is whole and durable.
 */
import { join } from 'node:path'
import type { Blocking } from '../disk/blocking.js'
import { Directory } from '../disk/directory.js'
import { disk, ifSupported } from '../disk/disk.js'
import { type Doing, localTrouble, shown } from '../disk/local-error.js'
import { refusal, TransferError } from '../errors.js'
import type { Header } from '../protocol/messages.js'
import { describe } from '../system-errors.js'
import { printable } from '../text.js'
import { checkName, isPlain, unfitName } from '../transfer/names.js'
import { checkExisting, FinalName, type IfExists } from './final-name.js'
import { StagedFile } from './staged-file.js'
import { canHold, openStaging } from './staging.js'
import type { Incoming, Store, StoredAs } from './store.js'

export interface FolderOptions {
  /** The folder, as the user named it. */
  path: string
  /** This receiver's name in the staging folder. */
  owner: string
  ifExists: IfExists
  allowHidden: boolean
  /** The permission bits that new files must not have. */
  umask: number
  /** Whether writing may block; shared by all that write to this folder. */
  blocking: Blocking
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

  /** Opens the folder for one transfer: a folder that was moved or removed meanwhile is noticed by the next one. */
  static async open(options: FolderOptions): Promise<FolderStore> {
    try {
      const root = await Directory.open(options.path)
      try {
        return new FolderStore(options, root, await openStaging(root, options.owner, options.path))
      } catch (error) {
        await root.close()
        throw error
      }
    } catch (error) {
      throw localTrouble('cannot store in', options.path, error)
    }
  }

  async begin(header: Header): Promise<Incoming> {
    checkName(header.name, { allowHidden: this.#options.allowHidden, platform: process.platform })
    try {
      await this.#checkHolds(header.name)
      await checkExisting(this.#root, header.name, this.#options.ifExists)
      await this.#checkSpace(header.size)
      const staged = await StagedFile.create(this.#staging, this.#options.blocking)
      return new Entry(this.#options, this.#root, staged, header)
    } catch (error) {
      throw localTrouble('cannot store in', this.#options.path, error)
    }
  }

  /** A name that this file system cannot hold is refused now, and not after the whole transfer. */
  async #checkHolds(name: string): Promise<void> {
    if (!isPlain(name) && !(await canHold(this.#staging, name))) throw unfitName(name)
  }

  async #checkSpace(size: number | null): Promise<void> {
    if (size === null) return
    const space = await ifSupported(disk.statfs(this.#root.path()))
    // Some file systems (of FUSE, for one) do not know their size, and say that they have no blocks at all.
    if (!space || space.blocks === 0) return
    const free = space.bavail * space.bsize
    if (size > free) throw refusal('no-space', `the file has ${size} bytes, and only ${free} are free there`)
  }

  async close(): Promise<void> {
    await this.#staging.close()
    await this.#root.close()
  }
}

/** One file on its way to its name. */
class Entry implements Incoming {
  readonly #options: FolderOptions
  readonly #root: Directory
  readonly #staged: StagedFile
  readonly #header: Header
  readonly #name: FinalName

  constructor(options: FolderOptions, root: Directory, staged: StagedFile, header: Header) {
    this.#options = options
    this.#root = root
    this.#staged = staged
    this.#header = header
    this.#name = new FinalName(root, staged, options.ifExists)
  }

  write(bytes: Buffer): void | Promise<void> {
    try {
      return this.#staged.write(bytes)?.catch((error) => {
        throw this.#trouble('cannot write', error)
      })
    } catch (error) {
      throw this.#trouble('cannot write', error)
    }
  }

  async commit(): Promise<StoredAs> {
    try {
      await this.#staged.setAttributes(this.#mode(), this.#header.mtime)
      await this.#staged.sync()
      const name = await this.#name.give(this.#header.name)
      try {
        await Promise.all([this.#root.sync(), this.#name.unlinked])
      } catch (error) {
        // Nobody knows what a crash would leave, so the name must not be relied on.
        throw (await this.#name.takeBack(name)) ? error : this.#notDurable(name, error)
      }
      await this.#staged.close()
      return { name, path: join(this.#options.path, name) }
    } catch (error) {
      await this.discard()
      throw this.#trouble('cannot store', error)
    }
  }

  async discard(): Promise<void> {
    await this.#name.unlinked
    await this.#staged.discard()
  }

  #trouble(doing: Doing, error: unknown): TransferError {
    return localTrouble(doing, join(this.#options.path, this.#header.name), error)
  }

  /** The file has its name and keeps it, so to say only that it failed would mislead both sides. */
  #notDurable(name: string, error: unknown): TransferError {
    const what = this.#options.ifExists === 'overwrite' ? 'replaced by the new file' : 'stored'
    const why = `but a crash may undo that, because the folder cannot be fsynced: ${describe(error)}`
    const path = join(this.#options.path, name)
    return new TransferError('local-file', `${shown(path)} is ${what}, ${why}`, {
      reason: localTrouble('cannot store', path, error).reason,
      peerMessage: `"${printable(name, 80)}" is ${what} there, ${why}`,
      cause: error,
    })
  }

  /** The sender's permission bits, less set-id, sticky and what the umask forbids; the owner may always read. */
  #mode(): number {
    return ((this.#header.mode ?? 0o666) & 0o777 & ~this.#options.umask) | 0o400
  }
}
