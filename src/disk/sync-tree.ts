/**
 * Makes a folder with everything in it durable. One flush of the whole file system takes less time than an fsync of each
 * of many files (bench/README.md). Node.js has no call for it, so sync(1) of the system does it. Where that is missing,
 * each file is fsynced.
 */
import { constants } from 'node:fs'
import type { Directory } from './directory.js'
import { disk, errno } from './disk.js'

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
    if (errno(error) !== 'EACCES' || !(await disk.syncFileSystem(folder.realPath()))) throw error
  }
}

async function syncEach(folder: Directory): Promise<void> {
  const working = new Set<Promise<void>>()
  try {
    for (const entry of await disk.list(folder.path())) {
      if (entry.isDirectory()) {
        const inner = await folder.openDirectory(entry.name)
        await syncEach(inner).finally(() => inner.close())
      } else if (entry.isFile()) {
        if (working.size >= AT_ONCE) await Promise.race(working)
        const work = syncFile(folder.path(entry.name)).finally(() => working.delete(work))
        working.add(work)
      }
    }
    await Promise.all(working)
    await folder.sync()
  } finally {
    await Promise.allSettled(working)
  }
}

async function syncFile(path: string): Promise<void> {
  const fd = await disk.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    await disk.fsync(fd)
  } finally {
    await disk.close(fd).catch(() => {})
  }
}
