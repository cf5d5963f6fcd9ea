/**
 * The staging folder holds every file until it is complete.
 *
 *     <out>/.tcp-recv/<receiver id>/<number>      private (0700 / 0600), on the same file system as the final name
 *     <out>/.tcp-recv/<receiver id>/<number>/     the same for a file that can be kept if it breaks off (about.ts)
 *     <out>/.tcp-recv/kept/<id>/                  what was not completed (kept.ts)
 *
 * Each receiver has its own folder there, whose name identifies the process (receiver-id.ts). So the next receiver to
 * start recognizes and removes the files of a killed one. Several receivers can share one `--out`, even over a network
 * file system. The folder of a receiver on another machine counts as abandoned when it is old enough.
 */
import { constants } from 'node:fs'
import { uptime } from 'node:os'
import { join } from 'node:path'
import type { AtHand } from '../at-hand.js'
import { type Directory, OTHERS_WRITE } from '../disk/directory.js'
import { closeQuietly, disk, errno } from '../disk/disk.js'
import { localError } from '../disk/local-error.js'
import { removeTree } from '../disk/remove-tree.js'
import { hasExited, isOfThisMachine } from './receiver-id.js'

/** The name of the staging folder inside `--out`. No peer may use this name. */
export const STAGING = '.tcp-recv'

/** The folder beside those of the receivers (kept.ts). */
export const KEPT = 'kept'

/** The age at which the folder of a receiver on another machine counts as abandoned, in milliseconds: a day. */
export const ABANDONED_AGE = 24 * 60 * 60 * 1000

const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW = 0 } = constants

/**
 * Opens the staging folder of one receiver inside `root`, and creates it if needed. It need not be durable, because it
 * holds no file with a final name. `path` is the path of `root`, as the user named it.
 */
export async function openStaging(root: Directory, receiverId: string, path: string, attempts = 5): Promise<Directory> {
  try {
    return await makeStaging(root, receiverId)
  } catch (error) {
    // Another receiver that has just ended may remove the empty folder before it is opened here.
    if (errno(error) === 'ENOENT' && attempts > 1) return await openStaging(root, receiverId, path, attempts - 1)
    // A symlink of that name is not followed.
    const code = errno(error) ?? ''
    const what = `that is no folder (${code}); remove it, or choose another --out`
    const cause = ['ENOTDIR', 'ELOOP'].includes(code) ? new Error(what, { cause: error }) : error
    throw localError('cannot use the staging folder', join(path, STAGING), cause)
  }
}

async function makeStaging(root: Directory, receiverId: string): Promise<Directory> {
  await makePrivate(root, STAGING)
  const staging = await root.openDirectory(STAGING)
  try {
    await makePrivate(staging, receiverId)
    const own = await staging.openDirectory(receiverId)
    try {
      // If other users may write to `root`, one of them could have created the staging folder and could exchange files.
      if (!(await staging.isPrivate()) && !(await isLikeOurs(staging, own))) {
        throw new Error('other users can change what is in it; remove it')
      }
      return own
    } catch (error) {
      await own.close()
      throw error
    }
  } finally {
    await staging.close()
  }
}

/**
 * True if `staging` only appears to belong to another user. On a file system without owners and modes of its own (FAT,
 * SMB, many FUSE ones), everything that this process creates looks like that. The owner of a file that it has just
 * created shows under which owner the file system lists this user: nobody can exchange an open file. A new folder would
 * prove nothing, because anyone with write access to its parent could exchange it.
 */
async function isLikeOurs(staging: Directory, own: Directory): Promise<boolean> {
  const probe = await createStaged(own)
  try {
    const [file, made, there] = await Promise.all([disk.fstat(probe.fd), own.stat(), staging.stat()])
    return made.uid === file.uid && there.uid === file.uid && (there.mode & ~made.mode & OTHERS_WRITE) === 0
  } finally {
    await removeProbe(own, probe)
  }
}

export async function makePrivate(parent: Directory, name: string): Promise<void> {
  try {
    await disk.mkdir(parent.path(name), { mode: 0o700 })
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
  }
}

let files = 0

/** A name that nothing in the staging folder has. */
export function stagedName(): string {
  return `${files++}`
}

/** A file in the staging folder: its name there, and its descriptor for writing. */
interface Staged {
  name: string
  fd: number
}

/** Creates a private file in the staging folder. */
export async function createStaged(staging: Directory): Promise<Staged> {
  const name = stagedName()
  return { name, fd: await createNew(staging, name) }
}

/** Creates a file that must not exist, for this user alone if no `mode` is given. Returns its descriptor. */
export function createNew(folder: Directory, name: string, mode = 0o600): AtHand<number> {
  return disk.open(folder.path(name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, mode)
}

/** Removes a file that was only a test. If that fails, the file is removed later with its folder. */
async function removeProbe(staging: Directory, { name, fd }: Staged): Promise<void> {
  await closeQuietly(fd)
  await disk.unlink(staging.path(name)).catch(() => {})
}

/** The errors for a name that the file system does not allow (EINVAL, EILSEQ; ENOENT from FUSE) or that is too long. */
const unfitNameErrors = new Set(['EINVAL', 'EILSEQ', 'ENOENT', 'ENAMETOOLONG'])

/** True if a call may have failed because of the name that it got. */
export function isUnfitName(error: unknown): boolean {
  return unfitNameErrors.has(String(errno(error)))
}

/** True if the file system can hold a file of this name. Creates an empty file to find out. */
export async function canHold(staging: Directory, name: string): Promise<boolean> {
  try {
    await removeProbe(staging, { name, fd: await createNew(staging, name) })
    return true
  } catch (error) {
    // Another connection is trying the same name at this moment.
    if (errno(error) === 'EEXIST') return true
    if (!isUnfitName(error)) throw error
    // If the staging folder was removed, every name fails. Then this throws.
    await removeProbe(staging, await createStaged(staging))
    return false
  }
}

/** Removes the folder of a receiver, and the staging folder if it is empty then. Never throws. */
export async function removeReceiver(root: Directory, receiverId: string): Promise<void> {
  await inStaging(root, (staging) => removeFolder(staging, receiverId))
}

/** Removes the folders of receivers that no longer run, after a call of `rescue` for each. Never throws. */
export async function cleanStaging(root: Directory, rescue: (own: Directory) => Promise<void>): Promise<void> {
  await inStaging(root, (staging) => cleanReceivers(staging, rescue))
}

/** The same in the staging folder, for all receivers but the one whose folder is `own`. */
export async function cleanReceivers(
  staging: Directory,
  rescue: (own: Directory) => Promise<void>,
  own?: Directory,
): Promise<void> {
  const self = await own?.stat()
  for (const receiverId of await disk.readdir(staging.path())) {
    if (receiverId === KEPT || (self && (await disk.lstat(staging.path(receiverId))).ino === self.ino)) continue
    if (await isAbandoned(staging, receiverId).catch(() => false)) await removeFolder(staging, receiverId, rescue)
  }
}

/** Removes the staging folder afterwards if it is empty. Never throws. */
export async function inStaging(root: Directory, work: (staging: Directory) => Promise<void>): Promise<void> {
  try {
    const staging = await root.openDirectory(STAGING)
    try {
      await work(staging)
    } finally {
      await staging.close()
    }
    await disk.rmdir(root.path(STAGING))
  } catch {
    // The folder is absent, in use by another receiver, or not removable by this user. None of this prevents receiving.
  }
}

async function removeFolder(
  staging: Directory,
  receiverId: string,
  rescue?: (own: Directory) => Promise<void>,
): Promise<void> {
  try {
    const folder = await staging.openDirectory(receiverId)
    try {
      await rescue?.(folder)
      for (const name of await disk.readdir(folder.path())) await removeTree(folder, name)
    } finally {
      await folder.close()
    }
    await disk.rmdir(staging.path(receiverId))
  } catch {
    // Another receiver tries again.
  }
}

async function isAbandoned(staging: Directory, receiverId: string): Promise<boolean> {
  const exited = await hasExited(receiverId)
  if (exited !== null) return exited
  const age = Date.now() - (await newestChange(staging, receiverId))
  // What an earlier boot of this machine has left cannot have changed since this one.
  return age > ABANDONED_AGE || ((await isOfThisMachine(receiverId)) && age > uptime() * 1000)
}

/** A staged directory may have a mode that does not let its owner look into it. */
function ignoreForbidden(error: unknown): number {
  if (errno(error) !== 'EACCES') throw error
  return 0
}

/** The latest modification time of a folder and of everything in it, in milliseconds since 1970. */
async function newestChange(parent: Directory, name: string): Promise<number> {
  const folder = await parent.openDirectory(name)
  try {
    let newest = (await folder.stat()).mtimeMs
    for (const entry of await disk.list(folder.path())) {
      const looking = entry.isDirectory()
        ? newestChange(folder, entry.name)
        : disk.lstat(folder.path(entry.name)).then(({ mtimeMs }) => mtimeMs)
      newest = Math.max(newest, await looking.catch(ignoreForbidden))
    }
    return newest
  } finally {
    await folder.close()
  }
}
