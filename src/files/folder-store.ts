/**
 * Storing into a folder. One entry goes through these steps, and only after the last is the sender told `stored`:
 *
 *   name and space checked → staged (private file, exclusive) → written → [size and digest compared by the caller]
 *   → mode and time set → fsync of the file → final name by link or rename → fsync of the folder
 *
 * Until the name appears a crash leaves only the staging folder; from then on the file is whole and durable.
 */
import { constants, type Stats } from 'node:fs'
import { join } from 'node:path'
import { refusal, type TransferError } from '../errors.js'
import type { Header } from '../protocol/messages.js'
import { printable } from '../text.js'
import type { Blocking } from './blocking.js'
import { Directory } from './directory.js'
import { disk, errno } from './disk.js'
import { backupName, checkName } from './names.js'
import { isUnsupported, StagedFile } from './staged-file.js'
import { openStaging } from './staging.js'
import type { Incoming, Store, StoredAs } from './store.js'
import { localTrouble } from './trouble.js'

/** What to do when the final name is taken. */
export const ifExistsChoices = ['backup', 'overwrite', 'skip', 'fail'] as const
export type IfExists = (typeof ifExistsChoices)[number]

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
        return new FolderStore(options, root, await openStaging(root, options.owner))
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
      await this.#checkExisting(header.name)
      await this.#checkSpace(header.size)
      return new Entry(
        this.#options,
        this.#root,
        await StagedFile.create(this.#staging, this.#options.blocking),
        header,
      )
    } catch (error) {
      throw localTrouble('cannot store in', this.#options.path, error)
    }
  }

  /** Says early what the commit would say too late: here it costs a look, there the whole transfer. */
  async #checkExisting(name: string): Promise<void> {
    const { ifExists } = this.#options
    const there = ifExists === 'backup' ? null : await look(this.#root, name)
    if (there === null) return
    if (ifExists !== 'overwrite') throw taken(name, ifExists)
    if (there.isDirectory()) throw folderInTheWay(name)
  }

  async #checkSpace(size: number | null): Promise<void> {
    if (size === null) return
    const { bavail, bsize, blocks } = await disk.statfs(this.#root.path())
    const free = bavail * bsize
    // Some file systems (of FUSE, for one) do not know their size, and say that they have no blocks at all.
    if (blocks > 0 && size > free)
      throw refusal('no-space', `the file has ${size} bytes, and only ${free} are free there`)
  }

  async close(): Promise<void> {
    await this.#staging.close()
    await this.#root.close()
  }
}

/** What has this name, itself and not what a link leads to; or null. */
async function look(folder: Directory, name: string): Promise<Stats | null> {
  try {
    return await disk.lstat(folder.path(name))
  } catch (error) {
    if (errno(error) === 'ENOENT') return null
    throw error
  }
}

function folderInTheWay(name: string): TransferError {
  return refusal('exists', `it has a folder named "${printable(name, 80)}"`)
}

function taken(name: string, ifExists: IfExists): TransferError {
  const text = `it has "${printable(name, 80)}" already`
  return ifExists === 'skip' ? refusal('skipped', `${text} and skips it`) : refusal('exists', text)
}

/** One file on its way to its name. */
class Entry implements Incoming {
  readonly #options: FolderOptions
  readonly #root: Directory
  readonly #staged: StagedFile
  readonly #header: Header
  /** The end of the name in the staging folder. */
  #unlinking: Promise<void> = Promise.resolve()

  constructor(options: FolderOptions, root: Directory, staged: StagedFile, header: Header) {
    this.#options = options
    this.#root = root
    this.#staged = staged
    this.#header = header
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
      const name = await this.#giveName()
      try {
        await Promise.all([this.#root.sync(), this.#unlinking])
      } catch (error) {
        await this.#takeNameBack(name)
        throw error
      }
      await this.#staged.close()
      return { name, path: join(this.#options.path, name) }
    } catch (error) {
      await this.discard()
      throw this.#trouble('cannot store', error)
    }
  }

  async discard(): Promise<void> {
    await this.#unlinking
    await this.#staged.discard()
  }

  #trouble(doing: string, error: unknown): TransferError {
    return localTrouble(doing, join(this.#options.path, this.#header.name), error)
  }

  /** The sender's permission bits, less set-id, sticky and what the umask forbids; the owner may always read. */
  #mode(): number {
    return ((this.#header.mode ?? 0o666) & 0o777 & ~this.#options.umask) | 0o400
  }

  async #giveName(): Promise<string> {
    const { name } = this.#header
    if (this.#options.ifExists === 'overwrite') {
      await this.#replace(name)
      return name
    }
    if (await this.#linkAs(name)) return name
    if (this.#options.ifExists !== 'backup') throw taken(name, this.#options.ifExists)
    return await this.#linkAsBackup(name)
  }

  async #replace(name: string): Promise<void> {
    try {
      await disk.rename(this.#staged.path, this.#root.path(name))
    } catch (error) {
      const isFolder = ['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(String(errno(error)))
      throw isFolder ? folderInTheWay(name) : error
    }
  }

  /** Gives the staged file the name unless it is taken, atomically; false if it is taken. */
  async #linkAs(name: string): Promise<boolean> {
    const from = this.#staged.path
    const to = this.#root.path(name)
    try {
      await disk.link(from, to)
    } catch (error) {
      if (errno(error) === 'EEXIST') return false
      if (!isUnsupported(error)) throw error
      return await renameUnlessTaken(from, to)
    }
    // What stays there is cleaned up later; the file has its name.
    this.#unlinking = disk.unlink(from).catch(() => {})
    return true
  }

  /** The first free backup name. Galloping finds it in a logarithmic number of looks, however many copies there are. */
  async #linkAsBackup(name: string): Promise<string> {
    let taken = 0
    let free = 1
    while (await look(this.#root, backupName(name, free))) {
      taken = free
      free *= 2
    }
    while (taken + 1 < free) {
      const middle = Math.floor((taken + free) / 2)
      if (await look(this.#root, backupName(name, middle))) taken = middle
      else free = middle
    }
    let number = free
    while (!(await this.#linkAs(backupName(name, number)))) number++
    return backupName(name, number)
  }

  /** After a failed fsync of the folder nobody knows what a crash would leave, so the name must not be relied on. */
  async #takeNameBack(name: string): Promise<void> {
    // What it has replaced is gone, and a whole file is better than none.
    if (this.#options.ifExists === 'overwrite') return
    try {
      const [ours, there] = await Promise.all([disk.fstat(this.#staged.fd), disk.lstat(this.#root.path(name))])
      if (ours.ino === there.ino && ours.dev === there.dev) await disk.unlink(this.#root.path(name))
    } catch {
      // The transfer fails already, with the error that came first.
    }
  }
}

/** Without hard links: reserves the name with an empty file, exclusively, and renames over that. */
async function renameUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    const fd = await disk.open(to, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
    await disk.close(fd).catch(() => {})
  } catch (error) {
    if (errno(error) === 'EEXIST') return false
    throw error
  }
  try {
    await disk.rename(from, to)
  } catch (error) {
    await disk.unlink(to).catch(() => {})
    throw error
  }
  return true
}
