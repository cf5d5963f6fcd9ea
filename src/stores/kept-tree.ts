/**
 * A directory that can be kept if it breaks off: it grows in a folder of its own, beside its description, from the first
 * item. If it goes on, what is there stays where it is: its sender names the files that it need not send, and everything
 * else that is there is replaced or removed.
 */
import type { Stats } from 'node:fs'
import type { Directory } from '../disk/directory.js'
import { disk, ifSupported } from '../disk/disk.js'
import { InsideOpener, inside } from '../disk/open-inside.js'
import { removeTree } from '../disk/remove-tree.js'
import type { KeptItem } from '../protocol/tree-messages.js'
import { type About, CONTENT, makeKeepable, removeKeepable } from './about.js'
import { keep, take } from './kept.js'

/** The permissions that this process needs in a directory until everything is in it. */
const OWNER = 0o700

export class KeptTree {
  readonly directory: Directory
  /** True if something was kept. */
  readonly isResumed: boolean
  readonly #opener: InsideOpener
  readonly #own: Directory
  readonly #folder: string
  readonly #about: About

  private constructor(own: Directory, folder: string, about: About, directory: Directory, isResumed: boolean) {
    this.#own = own
    this.#folder = folder
    this.#about = about
    this.directory = directory
    this.#opener = new InsideOpener(directory)
    this.isResumed = isResumed
  }

  /** Takes up what is kept of the directory, or begins anew. `own` is the folder of this receiver in the staging folder. */
  static async open(own: Directory, about: About): Promise<KeptTree> {
    const taken = about.source === '' ? null : await take(own, about)
    if (taken) {
      const path = `${taken.staged}/${CONTENT}`
      const directory = await own.openDirectory(path).catch(() => null)
      if (directory) return new KeptTree(own, taken.staged, about, directory, true)
      await removeKeepable(own, taken.staged)
    }
    const folder = await makeKeepable(own, about)
    try {
      return new KeptTree(own, folder, about, await own.makeDirectory(`${folder}/${CONTENT}`), false)
    } catch (error) {
      await removeKeepable(own, folder)
      throw error
    }
  }

  /** Its path in the folder of this receiver. */
  get staged(): string {
    return `${this.#folder}/${CONTENT}`
  }

  /** Every file that is there: size, modification time and path, with a space between them. */
  async *list(): AsyncGenerator<string> {
    if (this.isResumed) yield* listFiles(this.directory, '')
  }

  /** Opens a file that is there, for reading. */
  async open(path: string): Promise<number> {
    return await this.#opener.open(path)
  }

  /** Closes what is open of it. */
  async close(): Promise<void> {
    await this.#opener.close()
  }

  /** Removes files that are there, also from a directory that has got its permissions already. */
  async drop(paths: readonly string[]): Promise<void> {
    const remove = async (folder: Directory, name: string) => {
      await folder.setAttributes(OWNER, null)
      await removeTree(folder, name)
    }
    for (const path of paths) await inside(this.directory, path, remove)
  }

  /** Removes what was kept before of a directory whose sender cannot go on: now it is stored. Never throws. */
  async forget(): Promise<void> {
    const taken = await take(this.#own, { ...this.#about, source: '' })
    if (taken) await removeKeepable(this.#own, taken.staged)
  }

  /** Keeps what is there. Returns its path, from the staging folder on, or null. Never throws. */
  async keep(age: number): Promise<string | null> {
    return await keep(this.#own, this.#folder, this.#about, age)
  }

  /** Removes the folder. Never throws. */
  async remove(): Promise<void> {
    await removeKeepable(this.#own, this.#folder)
  }
}

async function* listFiles(directory: Directory, prefix: string): AsyncGenerator<string> {
  for (const entry of await disk.list(directory.path())) {
    const path = prefix + entry.name
    const stats = await disk.lstat(directory.path(entry.name))
    if (stats.isDirectory()) {
      const inner = await openOwn(directory, entry.name)
      try {
        yield* listFiles(inner, `${path}/`)
      } finally {
        await inner.close()
      }
    } else if (stats.isFile() && (stats.mode & 0o400) !== 0) {
      yield `${stats.size} ${timeOf(stats)} ${path}`
    }
  }
}

/** Opens a directory that is there, and lets this process change it. It gets its attributes when it is left. */
async function openOwn(parent: Directory, name: string): Promise<Directory> {
  await ifSupported(() => disk.chmod(parent.path(name), OWNER))
  return await parent.openDirectory(name)
}

/** The time as it was set. Setting it goes through a floating-point number, which loses a few microseconds. */
function timeOf({ mtimeMs }: Stats): number {
  return Math.round(mtimeMs)
}

/** A directory of which something may be there: the names that nothing has come for yet. */
export class There {
  readonly #directory: Directory
  readonly #names: Set<string>

  private constructor(directory: Directory, names: Set<string>) {
    this.#directory = directory
    this.#names = names
  }

  /** Looks at what is there, and lets this process change it. */
  static async of(directory: Directory): Promise<There> {
    await directory.setAttributes(OWNER, null)
    return new There(directory, new Set(await disk.readdir(directory.path())))
  }

  /** Opens the directory of this name, and removes anything else. Null if there is none. */
  async enter(name: string): Promise<Directory | null> {
    if (!this.#names.has(name)) return null
    const stats = await disk.lstat(this.#directory.path(name))
    if (!stats.isDirectory()) {
      await this.clear(name)
      return null
    }
    this.#names.delete(name)
    return await openOwn(this.#directory, name)
  }

  /** True if the file is there as the sender says. It gets the mode. */
  async adopt({ name, size, mtime }: KeptItem, mode: number): Promise<boolean> {
    if (!this.#names.delete(name)) return false
    const path = this.#directory.path(name)
    const stats = await disk.lstat(path)
    if (!stats.isFile() || stats.size !== size || timeOf(stats) !== mtime) return false
    if ((stats.mode & 0o777) !== mode) await ifSupported(() => disk.chmod(path, mode))
    return true
  }

  /** True if something of this name must be removed before. */
  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Removes what has this name. */
  async clear(name: string): Promise<void> {
    this.#names.delete(name)
    await removeTree(this.#directory, name)
  }

  /** Removes everything that nothing has come for. */
  async clearRest(): Promise<void> {
    for (const name of this.#names) await removeTree(this.#directory, name)
  }
}
