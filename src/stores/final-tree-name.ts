/** Gives a staged directory its final name in one atomic step, or moves its files into a directory that is there. */
import type { Directory } from '../disk/directory.js'
import { disk, errno } from '../disk/disk.js'
import type { Spool } from '../disk/spool.js'
import { type IfExists, look, notMergeable, takeBackupName } from './final-name.js'
import { mergeTree } from './merge-tree.js'

/** The errors of a rename onto a name that is taken. */
const takenErrors = new Set(['ENOTEMPTY', 'EEXIST', 'ENOTDIR'])

/** Refuses a directory before its bytes are transferred if `FinalTreeName.give` would refuse it afterwards. */
export async function checkExistingTree(folder: Directory, name: string, ifExists: IfExists): Promise<void> {
  if (ifExists === 'backup') return
  const there = await look(folder, name)
  if (there && !there.isDirectory()) throw notMergeable(name)
}

export class FinalTreeName {
  readonly #folder: Directory
  readonly #staging: Directory
  readonly #staged: string
  readonly #ifExists: IfExists
  #isMerged = false

  constructor(folder: Directory, staging: Directory, staged: string, ifExists: IfExists) {
    this.#folder = folder
    this.#staging = staging
    this.#staged = staged
    this.#ifExists = ifExists
  }

  /** Gives the directory this name or a backup name. Returns it, and the paths that were there and were skipped. */
  async give(name: string): Promise<{ name: string; skipped?: Spool }> {
    if (await this.#renameTo(name)) return { name }
    if (this.#ifExists === 'backup') {
      return { name: await takeBackupName(this.#folder, name, (backup) => this.#renameTo(backup)) }
    }
    const there = await look(this.#folder, name)
    if (!there?.isDirectory()) throw notMergeable(name)
    this.#isMerged = true
    const [from, to] = [await this.#staging.openDirectory(this.#staged), await this.#folder.openDirectory(name)]
    try {
      return { name, skipped: await mergeTree(from, to, this.#ifExists) }
    } finally {
      await from.close()
      await to.close()
    }
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

  /** Takes the name back, unless files were moved into a directory that was there. Never throws. */
  async takeBack(name: string): Promise<void> {
    if (this.#isMerged) return
    await disk.rename(this.#folder.path(name), this.#staging.path(this.#staged)).catch(() => {})
  }
}
