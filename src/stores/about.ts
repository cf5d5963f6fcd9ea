/**
 * The description of something that may be kept (kept.ts): whose it is, in a file beside it.
 *
 *     <folder>/about       this description, as JSON
 *     <folder>/content     the file or the directory
 */
import { constants } from 'node:fs'
import type { Directory } from '../disk/directory.js'
import { closeQuietly, disk } from '../disk/disk.js'
import { digest } from '../disk/machine-id.js'
import { removeTree } from '../disk/remove-tree.js'
import { createSmallFile } from '../disk/small-file.js'
import { stagedName } from './staging.js'

export const ABOUT = 'about'
export const CONTENT = 'content'

/** The longest description that is read, in bytes. A name has at most 255. */
const LONGEST = 4096

const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

/** Who sends what. */
export interface Origin {
  /** Who has proved which key. Empty without a key. */
  owner: string
  /** The name that the sender offers. */
  name: string
  /** Stands for the path of a file at the sender. Empty for a directory. */
  source: string
}

export interface About extends Origin {
  kind: 'file' | 'directory'
  /** The size of the complete file. Null for a directory. */
  size: number | null
  /** Stands for the state of the file at the sender. Empty for a directory. */
  edition: string
}

/** The name of what is kept. It begins with a digest of the owner. */
export function idOf({ owner, name, source }: Origin): string {
  return `${ownerDigest(owner)}-${digest(owner, name, source)}`
}

export function ownerDigest(owner: string): string {
  return digest(owner).slice(0, 8)
}

/** The path of the content in the folder `name`. */
export function contentOf(parent: Directory, name: string): string {
  return `${parent.path(name)}/${CONTENT}`
}

/** The number of bytes that have come of a file. 0 if there is none, or if it has another name, too. Never throws. */
export async function contentSize(parent: Directory, name: string): Promise<number> {
  const stats = await disk.lstat(contentOf(parent, name)).catch(() => null)
  return stats?.isFile() && stats.nlink === 1 ? stats.size : 0
}

/**
 * Creates a folder with this description, for content. Returns its name in the folder of this receiver. Or else leaves
 * nothing.
 */
export async function makeKeepable(own: Directory, about: About): Promise<string> {
  const staged = stagedName()
  const folder = await own.makeDirectory(staged)
  try {
    await createSmallFile(folder.path(ABOUT), Buffer.from(JSON.stringify(about)), 0o600, null)
  } catch (error) {
    await removeKeepable(own, staged)
    throw error
  } finally {
    await folder.close()
  }
  return staged
}

/** Removes the folder, with what is in it. Never throws: what remains is removed with the folder of this receiver. */
export async function removeKeepable(own: Directory, staged: string): Promise<void> {
  await removeTree(own, staged).catch(() => {})
}

/** The description in the folder of this name. Null if there is none, or it makes no sense. Never throws. */
export async function readAbout(parent: Directory, name: string): Promise<About | null> {
  try {
    const folder = await parent.openDirectory(name)
    try {
      const fd = await disk.open(folder.path(ABOUT), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      try {
        const buffer = Buffer.alloc(LONGEST)
        const length = await disk.read(fd, buffer, 0, buffer.length, 0)
        return parse(buffer.toString('utf8', 0, length))
      } finally {
        await closeQuietly(fd)
      }
    } finally {
      await folder.close()
    }
  } catch {
    return null
  }
}

function parse(text: string): About | null {
  const { owner, name, source, edition, kind, size } = JSON.parse(text) as Record<string, unknown>
  const isText = [owner, name, source, edition].every((word) => typeof word === 'string')
  const isRight = isText && (kind === 'directory' ? size === null : kind === 'file' && Number.isSafeInteger(size))
  return isRight ? ({ owner, name, source, edition, kind, size } as About) : null
}
