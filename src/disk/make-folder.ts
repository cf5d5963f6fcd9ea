/**
 * Creates a folder with its parents, one level at a time. The `recursive` option of `mkdir` is no alternative: it never
 * returns if mkdir says ENOENT in a folder that exists (`/proc`), it reports a read-only file system as ENOENT, and it
 * makes nothing durable. Here, the name of each new folder is durable before anything is put into the folder.
 */
import { dirname } from 'node:path'
import { TransferError } from '../errors.js'
import { Directory } from './directory.js'
import { disk, errno } from './disk.js'
import { localError, shown } from './local-error.js'

/** Creates the folder `path` unless it exists. Throws a local-file error that names the obstacle. */
export async function makeFolder(path: string): Promise<void> {
  // With a trailing slash, a dangling symlink looks like a path that does not exist.
  const folder = path.replace(/(?<=[^/])\/+$/, '')
  try {
    for (const missing of await findMissing(folder)) await makeOne(missing)
  } catch (error) {
    if (!(error instanceof Obstacle)) throw localError('cannot store in', path, error)
    const what = error.place === folder ? 'it' : shown(error.place)
    const text = `cannot store in ${shown(path)}: ${what} ${error.message}`
    throw new TransferError('local-file', text, { reason: 'disk', cause: error })
  }
}

/** An obstacle at `place` to the creation of a folder. The message continues a sentence that starts with `place`. */
class Obstacle extends Error {
  readonly place: string

  constructor(place: string, message: string) {
    super(message)
    this.place = place
  }
}

/** The folders that must be created for `path`, outermost first. */
async function findMissing(path: string): Promise<string[]> {
  const missing: string[] = []
  // The path is cut as text and not normalized: `link/..` is the parent of the folder that the link leads to.
  for (let folder = path; !(await isFolder(folder)); folder = dirname(folder)) {
    missing.unshift(folder)
    // The working directory itself may have been removed. Then the first mkdir fails.
    if (dirname(folder) === folder) break
  }
  return missing
}

/** True if the folder exists. Throws an Obstacle if something else has its name. */
async function isFolder(path: string): Promise<boolean> {
  try {
    const stats = await disk.stat(path)
    if (stats.isDirectory()) return true
    throw new Obstacle(path, stats.isFile() ? 'is a file, not a folder' : 'is not a folder')
  } catch (error) {
    // ENOTDIR means that a parent is the obstacle. The caller looks at it next.
    if (errno(error) === 'ENOENT') await checkLink(path)
    else if (errno(error) !== 'ENOTDIR') throw error
    return false
  }
}

/** Throws if the path is a dangling symlink: no folder can be created in its place. */
async function checkLink(path: string): Promise<void> {
  const target = await disk.readlink(path).catch(() => null)
  if (target !== null) throw new Obstacle(path, `is a link to ${shown(target)}, which does not exist`)
}

/** Creates one folder, whose parent exists, and makes its name durable. */
async function makeOne(path: string): Promise<void> {
  const isNew = await mkdir(path)
  try {
    // If another receiver has just created the folder, its name may not be durable yet.
    const parent = await Directory.open(dirname(path))
    try {
      await parent.sync()
    } finally {
      await parent.close()
    }
  } catch (error) {
    // The next start would assume that an existing folder is durable.
    if (isNew) await disk.rmdir(path).catch(() => {})
    throw localError('cannot fsync the parent of', path, error)
  }
}

/** Returns false if the folder exists by now: two receivers may start at once. */
async function mkdir(path: string): Promise<boolean> {
  try {
    await disk.mkdir(path)
    return true
  } catch (error) {
    if (errno(error) === 'EEXIST' && (await isFolder(path))) return false
    const isUnfit = ['ENOENT', 'EINVAL'].includes(String(errno(error)))
    const why = isUnfit ? new Error('the file system takes no folder of that name there', { cause: error }) : error
    throw localError('cannot make the folder', path, why)
  }
}
