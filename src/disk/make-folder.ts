/**
 * Making a folder with its parents, one level at a time. `mkdir` with `recursive` never ends where a parent denies that
 * the place exists (`/proc`), says ENOENT for a read-only file system, and makes nothing durable. Here each new folder's
 * name is durable in its parent before anything is put into it.
 */
import { dirname } from 'node:path'
import { TransferError } from '../errors.js'
import { Directory } from './directory.js'
import { disk, errno } from './disk.js'
import { localError, shown } from './local-error.js'

/** Makes the folder `path` unless it is there. Throws a local-file error that names what is in the way. */
export async function makeFolder(path: string): Promise<void> {
  // With a slash behind it a link that leads nowhere would look like nothing at all.
  const folder = path.replace(/(?<=[^/])\/+$/, '')
  try {
    for (const missing of await findMissing(folder)) await makeOne(missing)
  } catch (error) {
    if (!(error instanceof InTheWay)) throw localError('cannot store in', path, error)
    const what = error.place === folder ? 'it' : shown(error.place)
    const text = `cannot store in ${shown(path)}: ${what} ${error.message}`
    throw new TransferError('local-file', text, { reason: 'disk', cause: error })
  }
}

/** What keeps a folder from being made: the message goes on after the name of `place`. */
class InTheWay extends Error {
  readonly place: string

  constructor(place: string, message: string) {
    super(message)
    this.place = place
  }
}

/** The folders that have to be made for `path`, the outermost first. */
async function findMissing(path: string): Promise<string[]> {
  const missing: string[] = []
  // The path is cut as text and not normalised: `link/..` is next to where the link leads.
  for (let folder = path; !(await isFolder(folder)); folder = dirname(folder)) {
    missing.unshift(folder)
    // The working directory itself can be gone. Then the first mkdir says so.
    if (dirname(folder) === folder) break
  }
  return missing
}

/** False if nothing is there. Throws if it is something else than a folder. */
async function isFolder(path: string): Promise<boolean> {
  try {
    const stats = await disk.stat(path)
    if (stats.isDirectory()) return true
    throw new InTheWay(path, stats.isFile() ? 'is a file, not a folder' : 'is not a folder')
  } catch (error) {
    // With ENOTDIR a parent is what is in the way.
    if (errno(error) === 'ENOENT') await checkLink(path)
    else if (errno(error) !== 'ENOTDIR') throw error
    return false
  }
}

/** Nothing can be made where a link is, though it leads nowhere. */
async function checkLink(path: string): Promise<void> {
  const target = await disk.readlink(path).catch(() => null)
  if (target !== null) throw new InTheWay(path, `is a link to ${shown(target)}, which does not exist`)
}

/** Makes one folder, whose parent exists, and makes its name durable. */
async function makeOne(path: string): Promise<void> {
  const isNew = await mkdir(path)
  try {
    // Also where another receiver has made it a moment ago: it may not have come that far.
    const parent = await Directory.open(dirname(path))
    try {
      await parent.sync()
    } finally {
      await parent.close()
    }
  } catch (error) {
    // The next start would take it for a folder that is durable.
    if (isNew) await disk.rmdir(path).catch(() => {})
    throw localError('cannot fsync the parent of', path, error)
  }
}

/** False if the folder is there by now: two receivers may start at once. */
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
