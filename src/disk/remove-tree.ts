/** Removes a file or a folder with everything in it. No symlink is followed. */
import type { Directory } from './directory.js'
import { disk, errno } from './disk.js'

/** Removes `name` directly below `parent`, even if its folders have no write permission. */
export async function removeTree(parent: Directory, name: string): Promise<void> {
  const path = parent.path(name)
  try {
    await disk.unlink(path)
    return
  } catch (error) {
    // Linux reports a folder as EISDIR, POSIX as EPERM.
    if (!['EISDIR', 'EPERM'].includes(String(errno(error)))) throw error
  }
  await disk.chmod(path, 0o700).catch(() => {})
  const folder = await parent.openDirectory(name)
  try {
    for (const each of await disk.readdir(folder.path())) await removeTree(folder, each)
  } finally {
    await folder.close()
  }
  await disk.rmdir(path)
}
