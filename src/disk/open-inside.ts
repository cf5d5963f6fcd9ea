/** Reaches a file somewhere in a directory, without following a symlink in its path. */
import { constants } from 'node:fs'
import type { AtHand } from '../at-hand.js'
import type { Directory } from './directory.js'
import { disk } from './disk.js'

const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

/** Does something with the name at the end of `path` in its folder. `path` begins at `root`. A symlink in it is an error. */
export async function inside<T>(
  root: Directory,
  path: string,
  work: (folder: Directory, name: string) => AtHand<T>,
): Promise<T> {
  const [name, ...rest] = path.split('/') as [string, ...string[]]
  if (rest.length === 0) return await work(root, name)
  const inner = await root.openDirectory(name)
  try {
    return await inside(inner, rest.join('/'), work)
  } finally {
    await inner.close()
  }
}

/** Opens files for reading, one after the other. Most of them are in the same folder as the one before. */
export class InsideOpener {
  readonly #root: Directory
  /** The folder of the last file, which is open, and its path. Null if that is the root. */
  #folder: Directory | null = null
  #prefix = ''

  constructor(root: Directory) {
    this.#root = root
  }

  /** Returns the descriptor of a file. Its path begins at the root. */
  async open(path: string): Promise<number> {
    const end = path.lastIndexOf('/') + 1
    const prefix = path.slice(0, end)
    if (prefix !== this.#prefix) await this.#enter(prefix)
    const folder = this.#folder ?? this.#root
    return await disk.open(folder.path(path.slice(end)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  }

  async #enter(prefix: string): Promise<void> {
    await this.close()
    if (prefix === '') return
    this.#folder = await inside(this.#root, prefix.slice(0, -1), (folder, name) => folder.openDirectory(name))
    this.#prefix = prefix
  }

  async close(): Promise<void> {
    const folder = this.#folder
    this.#folder = null
    this.#prefix = ''
    await folder?.close()
  }
}
