/**
 * Makes a folder with everything in it durable. One flush of the whole file system takes less time than an fsync of each
 * of many files (bench/README.md). Node.js has no call for it, so sync(1) of the system does it. Where that is missing,
 * each file is fsynced.
 */
import { constants } from 'node:fs'
import type { Directory } from './directory.js'
import { closeQuietly, disk, errno } from './disk.js'

/** From this number of files on, the file system is flushed as a whole. */
const MANY = 48

/** The number of files that are fsynced at the same time: the threads of the pool. */
const AT_ONCE = 4

const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

/** @param files about how many files there are */
export async function syncTree(folder: Directory, files: number): Promise<void> {
  if (files >= MANY && (await disk.syncFileSystem(folder.realPath()))) return
  try {
    await syncEach(folder)
  } catch (error) {
    // A file whose mode does not let its owner read it cannot be opened again.
    if (!isForbidden(error) || !(await disk.syncFileSystem(folder.realPath()))) throw error
  }
}

function isForbidden(error: unknown): boolean {
  return errno(error) === 'EACCES'
}

async function syncEach(folder: Directory): Promise<void> {
  const entries = await disk.list(folder.path())
  const files = entries.filter((entry) => entry.isFile()).values()
  const work = async () => {
    for (const { name } of files) await syncFile(folder.path(name))
  }
  // Nothing may use the folder any more when this returns.
  const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, work))
  const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
  // The system reports a lost write only once, so that error comes first.
  if (errors.length > 0) throw errors.find((error) => !isForbidden(error)) ?? errors[0]
  for (const entry of entries) {
    if (!entry.isDirectory()) continue
    const inner = await folder.openDirectory(entry.name)
    await syncEach(inner).finally(() => inner.close())
  }
  await folder.sync()
}

async function syncFile(path: string): Promise<void> {
  const fd = await disk.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    await disk.fsync(fd)
  } finally {
    await closeQuietly(fd)
  }
}
