/**
 * Moves everything in a staged directory into a directory that is there, file by file. Each file appears in one atomic
 * step; the directory as a whole does not. No symlink in the directory that is there is followed.
 */
import type { Dirent } from 'node:fs'
import type { Directory } from '../disk/directory.js'
import { disk, errno, isUnsupported } from '../disk/disk.js'
import { Spool } from '../disk/spool.js'
import { compareKeys } from '../protocol/order.js'
import { folderInTheWay, type IfExists, look, notMergeable, taken } from './final-name.js'

/** Returns the paths of the files that were there and were skipped, in the order of `protocol/order.ts`. */
export async function mergeTree(from: Directory, to: Directory, ifExists: IfExists): Promise<Spool> {
  const skipped = new Spool()
  try {
    // Nothing is moved if the first file that is there would end it halfway.
    if (ifExists === 'fail') await checkFree(from, to, '')
    await move(from, to, '', ifExists, skipped)
    return skipped
  } catch (error) {
    skipped.close()
    throw error
  }
}

async function checkFree(from: Directory, to: Directory, prefix: string): Promise<void> {
  for (const entry of await disk.list(from.path())) {
    const there = await look(to, entry.name)
    if (!there) continue
    if (!entry.isDirectory() || !there.isDirectory()) throw taken(prefix + entry.name, 'fail')
    await inBoth(from, to, entry.name, (from, to) => checkFree(from, to, `${prefix}${entry.name}/`))
  }
}

async function inBoth(
  from: Directory,
  to: Directory,
  name: string,
  work: (from: Directory, to: Directory) => Promise<void>,
): Promise<void> {
  const innerFrom = await from.openDirectory(name)
  try {
    const innerTo = await to.openDirectory(name)
    await work(innerFrom, innerTo).finally(() => innerTo.close())
  } finally {
    await innerFrom.close()
  }
}

async function move(from: Directory, to: Directory, prefix: string, ifExists: IfExists, skipped: Spool): Promise<void> {
  const key = (entry: Dirent) => (entry.isDirectory() ? `${entry.name}/` : entry.name)
  const entries = (await disk.list(from.path())).sort((a, b) => compareKeys(key(a), key(b)))
  for (const entry of entries) {
    const { name } = entry
    const path = prefix + name
    const there = await look(to, name)
    if (entry.isDirectory()) {
      if (!there) await moveDirectory(from, to, name)
      else if (!there.isDirectory()) throw notMergeable(path)
      else await inBoth(from, to, name, (from, to) => move(from, to, `${path}/`, ifExists, skipped))
    } else if (there?.isDirectory()) {
      throw folderInTheWay(path)
    } else if (ifExists === 'overwrite') {
      await disk.rename(from.path(name), to.path(name))
    } else if (there || !(await linkTo(from, to, name))) {
      if (ifExists === 'fail') throw taken(path, ifExists)
      if (entry.isFile()) skipped.add(JSON.stringify(path))
    }
  }
  await to.sync()
}

/** A directory without write permission cannot be moved to another folder. */
async function moveDirectory(from: Directory, to: Directory, name: string): Promise<void> {
  const directory = await from.openDirectory(name)
  try {
    const { mode, mtimeMs } = await directory.stat()
    const isWritable = (mode & 0o200) !== 0
    if (!isWritable) await directory.setAttributes((mode & 0o777) | 0o200, null)
    await disk.rename(from.path(name), to.path(name))
    if (!isWritable) await directory.setAttributes(mode & 0o777, mtimeMs)
  } finally {
    await directory.close()
  }
}

/** Moves a file unless the name is taken. Returns false if it is. */
async function linkTo(from: Directory, to: Directory, name: string): Promise<boolean> {
  try {
    await disk.link(from.path(name), to.path(name))
    await disk.unlink(from.path(name))
    return true
  } catch (error) {
    if (errno(error) === 'EEXIST') return false
    if (!isUnsupported(error)) throw error
    await disk.rename(from.path(name), to.path(name))
    return true
  }
}
