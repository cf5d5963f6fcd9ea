/**
 * Walks through a directory, depth first, in the order of `protocol/order.ts`. It holds one list of names for each level
 * and opens a file only for its reader, so memory depends on the largest directory and not on the number of files.
 * Each directory is pinned by its descriptor, so a symlink that replaces a parent meanwhile leads nowhere.
 */
import { isUtf8 } from 'node:buffer'
import { constants, type Dirent, type Stats } from 'node:fs'
import { Directory } from '../disk/directory.js'
import { disk } from '../disk/disk.js'
import { localError, shown } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { isLongPath, itemProblem, MAX_PATH, targetProblem } from '../protocol/names.js'
import { compareKeys } from '../protocol/order.js'
import { staysInside } from '../protocol/symlinks.js'
import type { Attributes } from '../protocol/tree-messages.js'
import { below, printable } from '../text.js'
import { attributesOf } from './attributes.js'
import { Exclusions } from './exclusions.js'

const { O_RDONLY, O_NONBLOCK = 0 } = constants

export interface TreeOptions {
  /** What is not sent, in the syntax of `.gitignore`. */
  exclude: readonly string[]
  /** True if the `.gitignore` files in the directory apply. */
  gitignore: boolean
  /** True if what a symlink leads to is sent in its place. */
  follow: boolean
}

/** One part of a directory. `path` begins at the directory that is sent. */
export type TreeItem =
  | { kind: 'directory'; name: string; path: string; attributes: Attributes }
  | { kind: 'leave' }
  | { kind: 'symlink'; name: string; path: string; target: string; mtime: number | null }
  /** `place` is a path for the calls of `disk`. It is valid until the next item is requested. */
  | { kind: 'file'; name: string; path: string; place: string; follow: boolean }
  /** Something that cannot be sent. It was left out if nothing is wrong with the rest, and otherwise it has failed. */
  | { kind: 'problem'; path: string; error: TransferError; isLeftOut: boolean }

/** A directory that is open, and what is still to come of it. */
interface Level {
  directory: Directory
  /** Its path, with a slash at its end. Empty for the directory that is sent. */
  prefix: string
  names: Name[]
  next: number
  /** Its device and inode, if symlinks are followed: they show a loop. */
  id: string
}

/** The kinds of names that are left out, and why. */
const leftOut = {
  misread: 'its name is not UTF-8',
  nowhere: 'it is a symlink that leads nowhere',
  other: 'it is no file, directory or symlink',
} as const

interface Name {
  name: string
  key: string
  kind: 'directory' | 'file' | 'symlink' | keyof typeof leftOut
  /** True if it is a symlink, and what it leads to is sent. */
  follow: boolean
}

export class TreeWalk {
  readonly #label: string
  readonly #options: TreeOptions
  readonly #exclusions: Exclusions
  readonly #levels: Level[] = []

  private constructor(label: string, options: TreeOptions) {
    this.#label = label
    this.#options = options
    this.#exclusions = new Exclusions(options.exclude)
  }

  /** Starts in `root`, which the walk closes, and returns its attributes too. `label` is its name in messages. */
  static async start(root: Directory, label: string, options: TreeOptions): Promise<{ tree: TreeWalk; stats: Stats }> {
    const tree = new TreeWalk(label, options)
    return { tree, stats: (await tree.#enter(root, '')) as Stats }
  }

  /** Returns the next item, as a promise if the disk must be asked for it. Null at the end. */
  next(): TreeItem | null | Promise<TreeItem | null> {
    for (let level = this.#levels.at(-1); level; level = this.#levels.at(-1)) {
      const entry = level.names[level.next++]
      if (!entry) return this.#leave(level)
      const { name, kind } = entry
      const path = level.prefix + name
      if (this.#exclusions.has(path, kind === 'directory')) continue
      return this.#item(level, entry, path)
    }
    return null
  }

  #item(level: Level, { name, kind, follow }: Name, path: string): TreeItem | Promise<TreeItem> {
    const problem = itemProblem(name)
    if (problem !== null) return this.#leftOut(path, `no receiver takes its name: ${problem}`)
    if (isLongPath(path)) return this.#leftOut(path, `its path has more than ${MAX_PATH} bytes`)
    if (kind === 'file') return { kind, name, path, place: level.directory.path(name), follow }
    if (kind === 'directory') return this.#directory(level, name, path, follow)
    if (kind === 'symlink') return this.#symlink(level, name, path)
    return this.#leftOut(path, leftOut[kind])
  }

  async #leave(level: Level): Promise<TreeItem | null> {
    this.#levels.pop()
    await level.directory.close()
    if (this.#levels.length === 0) return null
    this.#exclusions.leave(level.prefix.slice(0, -1))
    return { kind: 'leave' }
  }

  /** Enters a directory, and closes it if that fails. Returns null if it is one of those that it is in. */
  async #enter(directory: Directory, prefix: string): Promise<Stats | null> {
    try {
      const stats = await directory.stat()
      if (this.#options.follow && this.#levels.some(({ id }) => id === idOf(stats))) {
        await directory.close()
        return null
      }
      const names = (await disk.list(directory.path())).map(nameOf)
      if (names.some(({ name }) => name.includes('\ufffd'))) await findMisread(names, directory)
      if (this.#options.follow) {
        for (const entry of names) if (entry.kind === 'symlink') await resolve(entry, directory)
      }
      names.sort((a, b) => compareKeys(a.key, b.key))
      if (this.#options.gitignore && names.some(({ name, kind }) => name === '.gitignore' && kind === 'file')) {
        this.#exclusions.enter(prefix.slice(0, -1), await readPatterns(directory.path('.gitignore')))
      }
      this.#levels.push({ directory, prefix, names, next: 0, id: idOf(stats) })
      return stats
    } catch (error) {
      await directory.close()
      throw error
    }
  }

  async #directory(level: Level, name: string, path: string, follow: boolean): Promise<TreeItem> {
    try {
      const directory = await (follow
        ? Directory.open(level.directory.path(name))
        : level.directory.openDirectory(name))
      const stats = await this.#enter(directory, `${path}/`)
      if (stats === null) return this.#leftOut(path, 'it leads back to a directory that it is in')
      return { kind: 'directory', name, path, attributes: attributesOf(stats) }
    } catch (error) {
      return this.#failed(path, error)
    }
  }

  async #symlink(level: Level, name: string, path: string): Promise<TreeItem> {
    try {
      const place = level.directory.path(name)
      const [bytes, stats] = [await disk.readlinkBytes(place), await disk.lstat(place)]
      if (!isUtf8(bytes)) return this.#leftOut(path, 'its target is not UTF-8')
      const target = bytes.toString()
      if (!staysInside(target, this.#levels.length - 1)) {
        return this.#leftOut(path, `it is a symlink to ${printable(target, 200)}, outside of the directory`)
      }
      const problem = targetProblem(target)
      if (problem !== null) return this.#leftOut(path, `no receiver takes it: ${problem}`)
      return { kind: 'symlink', name, path, target, mtime: attributesOf(stats).mtime }
    } catch (error) {
      return this.#failed(path, error)
    }
  }

  #leftOut(path: string, why: string): TreeItem {
    const text = `${this.label(path)} is left out: ${why}`
    return {
      kind: 'problem',
      path,
      error: new TransferError('local-file', text, { reason: 'left-out' }),
      isLeftOut: true,
    }
  }

  #failed(path: string, error: unknown): TreeItem {
    return { kind: 'problem', path, error: localError('cannot read', this.rawLabel(path), error), isLeftOut: false }
  }

  /** The name of an item in messages. */
  label(path: string): string {
    return shown(this.rawLabel(path))
  }

  rawLabel(path: string): string {
    return below(this.#label, path)
  }

  /** Closes the directories that are open. Never throws. */
  async close(): Promise<void> {
    for (const { directory } of this.#levels.splice(0)) await directory.close()
  }
}

function idOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`
}

function nameOf(entry: Dirent): Name {
  const { name } = entry
  return { name, key: entry.isDirectory() ? `${name}/` : name, kind: kindOf(entry), follow: false }
}

function kindOf(
  entry: Pick<Stats, 'isFile' | 'isDirectory' | 'isSymbolicLink'>,
): 'directory' | 'file' | 'symlink' | 'other' {
  return entry.isDirectory() ? 'directory' : entry.isFile() ? 'file' : entry.isSymbolicLink() ? 'symlink' : 'other'
}

/**
 * Finds names that are not UTF-8. Node.js shows their other bytes as U+FFFD, so several can look the same. A file that
 * really has the shown name can be opened by it, and is one of those that look like this.
 */
async function findMisread(names: Name[], directory: Directory): Promise<void> {
  const seen = new Set<string>()
  for (const entry of names) {
    const { name } = entry
    if (!name.includes('\ufffd')) continue
    const stats = seen.has(name) ? null : await disk.lstat(directory.path(name)).catch(() => null)
    seen.add(name)
    entry.kind = stats === null ? 'misread' : kindOf(stats)
    entry.key = entry.kind === 'directory' ? `${name}/` : name
  }
}

/** Makes a symlink what it leads to. This decides where it stands in the order. */
async function resolve(entry: Name, directory: Directory): Promise<void> {
  const stats = await disk.stat(directory.path(entry.name)).catch(() => null)
  const kind = stats === null ? 'nowhere' : kindOf(stats)
  Object.assign(entry, { follow: true, kind, key: kind === 'directory' ? `${entry.name}/` : entry.name })
}

/** The text of a `.gitignore`. If it cannot be read, it cannot be sent either, and that is reported in its turn. */
async function readPatterns(path: string): Promise<string> {
  try {
    // Opening a FIFO that has taken its place must not wait for a writer.
    const fd = await disk.open(path, O_RDONLY | O_NONBLOCK)
    return await disk.readFile(fd, 'utf8').finally(() => disk.close(fd))
  } catch {
    return ''
  }
}
