/**
 * The description of something that may be kept (kept.ts): whose it is, in a file beside it.
 *
 *     <folder>/about       this description, as JSON
 *     <folder>/content     the file or the directory
 */
import { constants } from 'node:fs'
import type { Directory } from '../disk/directory.js'
import { closeQuietly, disk } from '../disk/disk.js'
import { createNew, stagedName } from './staging.js'

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

/** The path of the content of something in the folder of a receiver. */
export function contentOf(own: Directory, staged: string): string {
  return `${own.path(staged)}/${CONTENT}`
}

/** Creates a folder with this description, for content. Returns its name in the folder of this receiver. */
export async function makeKeepable(own: Directory, about: About): Promise<string> {
  const staged = stagedName()
  const folder = await own.makeDirectory(staged)
  try {
    const fd = await createNew(folder, ABOUT)
    try {
      const text = Buffer.from(JSON.stringify(about))
      await disk.write(fd, text, 0, text.length, 0)
    } finally {
      await closeQuietly(fd)
    }
    return staged
  } finally {
    await folder.close()
  }
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
