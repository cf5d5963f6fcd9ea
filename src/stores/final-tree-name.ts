/** Gives a staged directory its final name in one atomic step, or moves its files into a directory that is there. */

import { join } from 'node:path'
import type { Directory } from '../disk/directory.js'
import { disk, errno } from '../disk/disk.js'
import { localError, shown } from '../disk/local-error.js'
import type { Spool } from '../disk/spool.js'
import { TransferError } from '../errors.js'
import { describe } from '../system-errors.js'
import { printable } from '../text.js'
import { givesBackupNames, type IfExists, look, notMergeable, takeBackupName, taken } from './final-name.js'
import { mergeTree } from './merge-tree.js'

/** The errors of a rename onto a name that is taken. */
const takenErrors = new Set(['ENOTEMPTY', 'EEXIST', 'ENOTDIR'])

/** Refuses a directory before its bytes are transferred if `FinalTreeName.give` would refuse it afterwards. */
export async function checkExistingTree(folder: Directory, name: string, ifExists: IfExists): Promise<void> {
  if (givesBackupNames(ifExists)) return
  const there = await look(folder, name)
  if (there && !there.isDirectory()) throw inTheWay(name, ifExists)
}

/** The refusal if something that is no directory has the name. */
function inTheWay(name: string, ifExists: IfExists): TransferError {
  return ifExists === 'overwrite' ? notMergeable(name) : taken(name, ifExists)
}

export class FinalTreeName {
  readonly #folder: Directory
  readonly #staging: Directory
  readonly #staged: string
  readonly #ifExists: IfExists
  /** True if files were moved into a directory that was there, and others may be left in the staging folder. */
  isMerged = false

  constructor(folder: Directory, staging: Directory, staged: string, ifExists: IfExists) {
    this.#folder = folder
    this.#staging = staging
    this.#staged = staged
    this.#ifExists = ifExists
  }

  /** Gives the directory this name or a backup name. Returns it, and the paths that were there and were skipped. */
  async give(name: string): Promise<{ name: string; skipped?: Spool }> {
    if (await this.#renameTo(name)) return { name }
    if (givesBackupNames(this.#ifExists)) {
      return { name: await takeBackupName(this.#folder, name, (backup) => this.#renameTo(backup)) }
    }
    return { name, skipped: await this.#merge(name) }
  }

  /**
   * Returns false if the name is taken. A rename replaces an empty directory, so the name is looked up before. If two
   * receivers give the same name at once, that can replace nothing but an empty directory.
   */
  async #renameTo(name: string): Promise<boolean> {
    if (await look(this.#folder, name)) return false
    try {
      await disk.rename(this.#staging.path(this.#staged), this.#folder.path(name))
      return true
    } catch (error) {
      if (takenErrors.has(String(errno(error)))) return false
      throw error
    }
  }

  async #merge(name: string): Promise<Spool> {
    const there = await look(this.#folder, name)
    if (!there?.isDirectory()) throw inTheWay(name, this.#ifExists)
    const from = await this.#staging.openDirectory(this.#staged)
    try {
      const to = await this.#folder.openDirectory(name)
      const onMove = () => {
        this.isMerged = true
      }
      return await mergeTree({ from, to, name, ifExists: this.#ifExists, onMove }).finally(() => to.close())
    } finally {
      await from.close()
    }
  }

  /** Takes the name back. Returns false if that is not possible. Never throws. */
  async takeBack(name: string): Promise<boolean> {
    if (this.isMerged) return false
    try {
      await disk.rename(this.#folder.path(name), this.#staging.path(this.#staged))
      return true
    } catch {
      return false
    }
  }
}

/**
 * The error if not everything could be moved into a directory that was there. Both sides must hear of it. `folder` is the
 * path of the folder that the directory is in.
 */
export function storedInPart(folder: string, name: string, error: unknown): TransferError {
  if (error instanceof TransferError && error.code === 'local-file') return error
  const path = join(folder, name)
  const cause = error instanceof TransferError ? error.message : describe(error)
  const why = `is stored in part, because moving it into the directory there has failed: ${cause}`
  return new TransferError('local-file', `${shown(path)} ${why}`, {
    reason: localError('cannot store', path, error).reason,
    peerMessage: `"${printable(name, 80)}" ${why}`,
    cause: error,
  })
}
