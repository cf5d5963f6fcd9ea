/**
 * The staging folder holds every file until it is complete.
 *
 *     <out>/.tcp-recv/<receiver id>/<number>      private (0700 / 0600), on the file system of its final place
 *
 * Each receiver has a folder of its own there. Its name says which process it belongs to (receiver-id.ts), so the next
 * start recognizes what a killed receiver has left. Several receivers can share one `--out`, even over a network file
 * system, where only its age can tell that a folder was left.
 */
import { constants } from 'node:fs'
import { join } from 'node:path'
import { type Directory, OTHERS_WRITE } from '../disk/directory.js'
import { disk, errno } from '../disk/disk.js'
import { localError } from '../disk/local-error.js'
import { hasExited } from './receiver-id.js'

/** The folder inside `--out` that holds files until they are complete. No peer may name it. */
export const STAGING = '.tcp-recv'

/** How long what another machine's receiver left is kept, in milliseconds: a day. */
const FOREIGN_AGE = 24 * 60 * 60 * 1000

const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW = 0 } = constants

/**
 * Opens the folder of a receiver inside `root`, making it if needed. Nothing of it is made durable: a name that a crash takes
 * away was no final name. `path` is that of `root`, as the user named it.
 */
export async function openStaging(root: Directory, receiverId: string, path: string, attempts = 5): Promise<Directory> {
  try {
    return await makeStaging(root, receiverId)
  } catch (error) {
    // Another receiver that has just ended may remove the empty folder between our making and our opening it.
    if (errno(error) === 'ENOENT' && attempts > 1) return await openStaging(root, receiverId, path, attempts - 1)
    throw localError('cannot use the staging folder', join(path, STAGING), error)
  }
}

async function makeStaging(root: Directory, receiverId: string): Promise<Directory> {
  await makePrivate(root, STAGING)
  const staging = await root.openDirectory(STAGING)
  try {
    await makePrivate(staging, receiverId)
    const own = await staging.openDirectory(receiverId)
    try {
      // Where everybody may write, somebody else could have made it first, and exchange what is in it.
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
 * Whether `staging` only looks like somebody else's: on a file system without owners and modes of its own (FAT, SMB,
 * many of FUSE) so does all that we make ourselves. Our name there is the owner of a file that we have just created,
 * because nobody can exchange a file that is open; a folder, whoever may write to its parent could.
 */
async function isLikeOurs(staging: Directory, own: Directory): Promise<boolean> {
  const probe = await createStaged(own)
  try {
    const [file, made, there] = await Promise.all([disk.fstat(probe.fd), own.stat(), staging.stat()])
    return made.uid === file.uid && there.uid === file.uid && (there.mode & ~made.mode & OTHERS_WRITE) === 0
  } finally {
    await remove(own, probe)
  }
}

async function makePrivate(parent: Directory, name: string): Promise<void> {
  try {
    await disk.mkdir(parent.path(name), { mode: 0o700 })
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
  }
}

let files = 0

/** A file in the staging folder: its name there, and its descriptor for writing. */
interface Staged {
  name: string
  fd: number
}

/** Creates a new private file in the staging folder. */
export async function createStaged(staging: Directory): Promise<Staged> {
  const name = `${files++}`
  return { name, fd: await createIn(staging, name) }
}

async function createIn(staging: Directory, name: string): Promise<number> {
  return await disk.open(staging.path(name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600)
}

/** Removes one that was only for a look. What stays is removed with its folder. */
async function remove(staging: Directory, { name, fd }: Staged): Promise<void> {
  await disk.close(fd).catch(() => {})
  await disk.unlink(staging.path(name)).catch(() => {})
}

/** Names that the file system does not allow (EINVAL, EILSEQ; FUSE says ENOENT), or not at this length. */
const unfit = new Set(['EINVAL', 'EILSEQ', 'ENOENT', 'ENAMETOOLONG'])

/** Tries whether the file system can hold a file of this name, with an empty one. */
export async function canHold(staging: Directory, name: string): Promise<boolean> {
  try {
    await remove(staging, { name, fd: await createIn(staging, name) })
    return true
  } catch (error) {
    // Another connection may be trying the same name.
    if (errno(error) === 'EEXIST') return true
    if (!unfit.has(String(errno(error)))) throw error
    // The folder can have gone, and then nothing can be created there.
    await remove(staging, await createStaged(staging))
    return false
  }
}

/** Removes what a receiver has left, and the staging folder itself if it is empty then. What fails is left for the next start. */
export async function removeReceiver(root: Directory, receiverId: string): Promise<void> {
  await inStaging(root, (staging) => removeFolder(staging, receiverId))
}

/** Removes what receivers left that are no longer there. Called at every start. */
export async function cleanStaging(root: Directory): Promise<void> {
  await inStaging(root, async (staging) => {
    for (const receiverId of await disk.readdir(staging.path())) {
      if (await isGone(staging, receiverId).catch(() => false)) await removeFolder(staging, receiverId)
    }
  })
}

async function inStaging(root: Directory, work: (staging: Directory) => Promise<void>): Promise<void> {
  try {
    const staging = await root.openDirectory(STAGING)
    try {
      await work(staging)
    } finally {
      await staging.close()
    }
    await disk.rmdir(root.path(STAGING))
  } catch {
    // Absent, still in use by another receiver, or not ours to remove: none of it is a reason not to receive.
  }
}

async function removeFolder(staging: Directory, receiverId: string): Promise<void> {
  try {
    const folder = await staging.openDirectory(receiverId)
    try {
      for (const name of await disk.readdir(folder.path())) await disk.unlink(folder.path(name))
    } finally {
      await folder.close()
    }
    await disk.rmdir(staging.path(receiverId))
  } catch {
    // What cannot be removed now is tried again at the next start.
  }
}

async function isGone(staging: Directory, receiverId: string): Promise<boolean> {
  return (await hasExited(receiverId)) ?? (await newestChange(staging, receiverId)) < Date.now() - FOREIGN_AGE
}

/** The latest modification of a receiver's folder or of a file in it, in milliseconds since 1970. */
async function newestChange(staging: Directory, receiverId: string): Promise<number> {
  const folder = await staging.openDirectory(receiverId)
  try {
    const names = await disk.readdir(folder.path())
    // The folder's own path is a link of /proc, whose time is the present; `stat` goes to where it leads.
    const looks = [disk.stat(folder.path()), ...names.map((name) => disk.lstat(folder.path(name)))]
    return Math.max(...(await Promise.all(looks)).map((stats) => stats.mtimeMs))
  } finally {
    await folder.close()
  }
}
