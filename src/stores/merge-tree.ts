/**
 * Moves everything in a staged directory into a directory that is there, file by file. Each file appears in one atomic
 * step; the directory as a whole does not. No symlink in the directory that is there is followed.
 */
import type { Dirent } from 'node:fs'
import type { Directory } from '../disk/directory.js'
import { disk, errno, ifSupported, isUnsupported } from '../disk/disk.js'
import { Spool } from '../disk/spool.js'
import { compareKeys } from '../protocol/order.js'
import { folderInTheWay, type IfExists, look, notMergeable, renameUnlessTaken, taken } from './final-name.js'

export interface Merge {
  /** The staged directory. What stays in it is to be removed. */
  from: Directory
  /** The directory that is there. */
  to: Directory
  /** Its name, for messages. */
  name: string
  ifExists: IfExists
  /** Called before the first file is moved. Before that, a failure changes nothing. */
  onMove: () => void
}

/** The permissions that moving something out of a directory takes. */
const OWNER = 0o700

/** Returns what was there and was skipped (`StoredAs.skipped`). */
export async function mergeTree({ from, to, name, ifExists, onMove }: Merge): Promise<Spool> {
  const skipped = new Spool()
  try {
    await checkFree(from, to, `${name}/`, ifExists)
    onMove()
    await move(from, to, '', { name, ifExists, skipped })
    return skipped
  } catch (error) {
    skipped.close()
    throw error
  }
}

/** Throws a refusal if something that is there would end the move halfway. */
async function checkFree(from: Directory, to: Directory, prefix: string, ifExists: IfExists): Promise<void> {
  for (const entry of await disk.list(from.path())) {
    const there = await look(to, entry.name)
    if (!there) continue
    const path = prefix + entry.name
    if (entry.isDirectory() && there.isDirectory()) {
      await inBoth(from, to, entry.name, (from, to) => checkFree(from, to, `${path}/`, ifExists))
    } else if (ifExists === 'fail') {
      throw taken(path, ifExists)
    } else if (entry.isDirectory()) {
      throw notMergeable(path)
    } else if (there.isDirectory() && ifExists === 'overwrite') {
      throw folderInTheWay(path)
    }
  }
}

async function inBoth(
  from: Directory,
  to: Directory,
  name: string,
  work: (from: Directory, to: Directory) => Promise<void>,
): Promise<void> {
  const innerFrom = await openStaged(from, name)
  try {
    const innerTo = await to.openDirectory(name)
    await work(innerFrom, innerTo).finally(() => innerTo.close())
  } finally {
    await innerFrom.close()
  }
}

/** Opens a staged directory and makes sure that it can be changed. No other user can reach it there. */
async function openStaged(parent: Directory, name: string): Promise<Directory> {
  const { mode } = await disk.lstat(parent.path(name))
  if (!isOwners(mode)) await ifSupported(() => disk.chmod(parent.path(name), (mode & 0o777) | OWNER))
  return await parent.openDirectory(name)
}

function isOwners(mode: number): boolean {
  return (mode & OWNER) === OWNER
}

async function move(
  from: Directory,
  to: Directory,
  prefix: string,
  merge: { name: string; ifExists: IfExists; skipped: Spool },
): Promise<void> {
  const { ifExists, skipped } = merge
  const key = (entry: Dirent) => (entry.isDirectory() ? `${entry.name}/` : entry.name)
  const entries = (await disk.list(from.path())).sort((a, b) => compareKeys(key(a), key(b)))
  for (const entry of entries) {
    const { name } = entry
    const path = prefix + name
    if (entry.isDirectory()) {
      if (await look(to, name)) await inBoth(from, to, name, (from, to) => move(from, to, `${path}/`, merge))
      else await moveDirectory(from, to, name)
    } else if (ifExists === 'overwrite') {
      await disk.rename(from.path(name), to.path(name))
    } else if (!(await linkTo(from, to, name))) {
      if (ifExists === 'fail') throw taken(`${merge.name}/${path}`, ifExists)
      skipped.add(JSON.stringify([path, entry.isFile()]))
    }
  }
  await to.sync()
}

/** A directory without write permission cannot be moved to another folder, so it gets its mode afterwards. */
async function moveDirectory(from: Directory, to: Directory, name: string): Promise<void> {
  const { mode } = await disk.lstat(from.path(name))
  const directory = await openStaged(from, name)
  try {
    await disk.rename(from.path(name), to.path(name))
    if (isOwners(mode)) return
    await directory.setAttributes(mode & 0o777, null)
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Moves a file unless the name is taken. Returns false if it is. */
async function linkTo(from: Directory, to: Directory, name: string): Promise<boolean> {
  try {
    await disk.link(from.path(name), to.path(name))
    return true
  } catch (error) {
    if (errno(error) === 'EEXIST') return false
    if (!isUnsupported(error)) throw error
    return await renameUnlessTaken(from.path(name), to.path(name))
  }
}
