/** Looks for a file that is there already with the same content: then `--if-exists reuse` stores no other one. */
import { constants } from 'node:fs'
import type { Directory } from '../disk/directory.js'
import { closeQuietly, disk } from '../disk/disk.js'
import type { Content } from './store.js'

const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

/**
 * True if a regular file of that name has this content, is durable, and has not changed meanwhile. Its name becomes
 * durable with an fsync of the folder. False if that cannot be seen. Never throws.
 */
export async function hasSameFile(folder: Directory, name: string, content: Content): Promise<boolean> {
  try {
    const fd = await disk.open(folder.path(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      const before = await disk.fstat(fd)
      if (!before.isFile() || before.size !== content.size) return false
      if (!(await content.isIn((buffer, position) => disk.read(fd, buffer, 0, buffer.length, position)))) return false
      await disk.fsync(fd)
      // The change time does not count: another receiver may just have removed the name in the staging folder.
      const after = await disk.lstat(folder.path(name))
      return (['ino', 'dev', 'size', 'mtimeMs'] as const).every((field) => after[field] === before[field])
    } finally {
      await closeQuietly(fd)
    }
  } catch {
    return false
  }
}
