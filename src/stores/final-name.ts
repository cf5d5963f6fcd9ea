/** Gives a staged file its final name in one atomic step. If the name is taken, `--if-exists` decides. */
import { constants, type Stats } from 'node:fs'
import type { Directory } from '../disk/directory.js'
import { closeQuietly, disk, errno, isUnsupported } from '../disk/disk.js'
import { refusal, type TransferError } from '../errors.js'
import { printable } from '../text.js'
import { backupName } from './backup-name.js'
import { hasSameFile } from './same-file.js'
import type { StagedFile } from './staged-file.js'
import type { Content } from './store.js'

export const ifExistsChoices = ['backup', 'overwrite', 'skip', 'fail', 'reuse'] as const

/**
 * What a receiver does if the name of a file is taken:
 *
 * - `backup`: it stores the file under another name (`file.txt` becomes `file_bak.txt`, then `file_bak2.txt`).
 * - `overwrite`: it replaces the existing file.
 * - `skip`: it refuses the file with the reason `skipped`. For the receiver this is no failure.
 * - `fail`: it refuses the file with the reason `exists`.
 * - `reuse`: if the existing file has the same content, it takes that as the stored file. If not, `backup`.
 */
export type IfExists = (typeof ifExistsChoices)[number]

/** True if what cannot have its own name gets a backup name. */
export function givesBackupNames(ifExists: IfExists): boolean {
  return ifExists === 'backup' || ifExists === 'reuse'
}

/** Refuses an entry before its bytes are transferred if `FinalName.give` would refuse it afterwards. */
export async function checkExisting(folder: Directory, name: string, ifExists: IfExists): Promise<void> {
  const there = givesBackupNames(ifExists) ? null : await look(folder, name)
  if (there === null) return
  if (ifExists !== 'overwrite') throw taken(name, ifExists)
  if (there.isDirectory()) throw folderInTheWay(name)
}

/** The attributes of the file or link of this name, or null if there is none. */
export async function look(folder: Directory, name: string): Promise<Stats | null> {
  try {
    return await disk.lstat(folder.path(name))
  } catch (error) {
    if (errno(error) === 'ENOENT') return null
    throw error
  }
}

export function folderInTheWay(name: string): TransferError {
  return refusal('exists', `it has a folder named "${printable(name, 80)}"`)
}

export function notMergeable(name: string): TransferError {
  return refusal('exists', `it has something named "${printable(name, 80)}" that is no directory`)
}

export function taken(name: string, ifExists: IfExists): TransferError {
  const text = `it has "${printable(name, 80)}" already`
  return ifExists === 'skip' ? refusal('skipped', `${text} and skips it`) : refusal('exists', text)
}

/** The final name of one staged file. */
export class FinalName {
  readonly #folder: Directory
  readonly #staged: StagedFile
  readonly #ifExists: IfExists
  /** Settles when the name in the staging folder has been removed. Never rejects. */
  unlinked: Promise<void> = Promise.resolve()

  constructor(folder: Directory, staged: StagedFile, ifExists: IfExists) {
    this.#folder = folder
    this.#staged = staged
    this.#ifExists = ifExists
  }

  /** Gives the file this name or a backup name, unless it is reused: then a file with its content has the name. */
  async give(name: string, content?: Content): Promise<{ name: string; reused?: boolean }> {
    if (this.#ifExists === 'overwrite') {
      await this.#replace(name)
      return { name }
    }
    if (await this.#linkAs(name)) return { name }
    if (!givesBackupNames(this.#ifExists)) throw taken(name, this.#ifExists)
    const mayReuse = this.#ifExists === 'reuse' && content
    if (mayReuse && (await hasSameFile(this.#folder, name, content))) return { name, reused: true }
    return { name: await takeBackupName(this.#folder, name, (backup) => this.#linkAs(backup)) }
  }

  async #replace(name: string): Promise<void> {
    try {
      await disk.rename(this.#staged.path, this.#folder.path(name))
    } catch (error) {
      const isFolder = ['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(String(errno(error)))
      throw isFolder ? folderInTheWay(name) : error
    }
  }

  /** Gives the staged file the name atomically. Returns false if the name is taken. */
  async #linkAs(name: string): Promise<boolean> {
    const from = this.#staged.path
    const to = this.#folder.path(name)
    try {
      await disk.link(from, to)
    } catch (error) {
      if (errno(error) === 'EEXIST') return false
      if (!isUnsupported(error)) throw error
      return await renameUnlessTaken(from, to)
    }
    // The file has its name. If the old name cannot be removed now, the cleaning of the staging folder removes it.
    this.unlinked = disk.unlink(from).catch(() => {})
    return true
  }

  /**
   * Takes the name back, unless the file may have replaced another one: the old file is gone, and a complete new file
   * is better than none. Another receiver may have reused the file. Returns false if the file keeps the name.
   */
  async takeBack(name: string): Promise<boolean> {
    if (this.#ifExists === 'overwrite' || this.#ifExists === 'reuse') return false
    try {
      const [ours, there] = await Promise.all([disk.fstat(this.#staged.fd), disk.lstat(this.#folder.path(name))])
      if (ours.ino === there.ino && ours.dev === there.dev) await disk.unlink(this.#folder.path(name))
      return true
    } catch {
      return false
    }
  }
}

/**
 * Takes the first free backup name and returns it. A galloping search looks up a logarithmic number of names.
 *
 * @param take takes a name; returns false if it is taken
 */
export async function takeBackupName(
  folder: Directory,
  name: string,
  take: (backup: string) => Promise<boolean>,
): Promise<string> {
  let taken = 0
  let free = 1
  while (await look(folder, backupName(name, free))) {
    taken = free
    free *= 2
  }
  while (taken + 1 < free) {
    const middle = Math.floor((taken + free) / 2)
    if (await look(folder, backupName(name, middle))) taken = middle
    else free = middle
  }
  let number = free
  while (!(await take(backupName(name, number)))) number++
  return backupName(name, number)
}

/** For file systems without hard links: reserves the name with an empty file and renames the staged file over it. */
export async function renameUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    const fd = await disk.open(to, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
    await closeQuietly(fd)
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
