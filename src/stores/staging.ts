/**
 * The staging folder: where a file lives until it is whole.
 *
 *     <out>/.tcp-recv/<owner>/<number>      private (0700 / 0600), on the file system of its final place
 *
 * Each receiver has an owner folder of its own, whose name says which process it is: `<machine>-<pid>-<start>-<instance>`.
 * So a receiver that was killed is known by its folder at the next start, and several receivers can share one `--out`,
 * also over a network file system, where only age can tell that an owner is gone.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type Directory, OTHERS_WRITE } from '../disk/directory.js'
import { disk, errno } from '../disk/disk.js'
import { localTrouble } from '../disk/local-error.js'
import { STAGING } from '../transfer/names.js'

/** How long what another machine's receiver left is kept, in milliseconds: a day. */
const FOREIGN_AGE = 24 * 60 * 60 * 1000

const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW = 0 } = constants

let instances = 0

/** One receiver's name in the staging folder. */
export async function newOwner(): Promise<string> {
  return `${await machine()}-${process.pid}-${await startTime(process.pid)}-${instances++}`
}

/** Eight digits for "this boot of this machine, in this process namespace": where a process id means something. */
async function machine(): Promise<string> {
  const parts = await Promise.all([
    disk.readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => hostname()),
    disk.readlink('/proc/self/ns/pid').catch(() => ''),
  ])
  return createHash('sha256').update(parts.join()).digest('hex').slice(0, 8)
}

/** When process `pid` started, in clock ticks since boot (proc(5), field 22 of stat); 0 where that is not known. */
async function startTime(pid: number): Promise<string> {
  const stat = await disk.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The second field is a program's name in parentheses and may hold anything, so counting starts behind the last one.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0'
}

/**
 * Opens an owner's folder inside `root`, making it if needed. Nothing of it is made durable: a name that a crash takes
 * away was no final name. `path` is that of `root`, as the user named it.
 */
export async function openStaging(root: Directory, owner: string, path: string, attempts = 5): Promise<Directory> {
  try {
    return await makeStaging(root, owner)
  } catch (error) {
    // Another receiver that has just ended may remove the empty folder between our making and our opening it.
    if (errno(error) === 'ENOENT' && attempts > 1) return await openStaging(root, owner, path, attempts - 1)
    throw localTrouble('cannot use the staging folder', join(path, STAGING), error)
  }
}

async function makeStaging(root: Directory, owner: string): Promise<Directory> {
  await makePrivate(root, STAGING)
  const staging = await root.openDirectory(STAGING)
  try {
    await makePrivate(staging, owner)
    const own = await staging.openDirectory(owner)
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

/** Removes what `owner` left, and the staging folder itself if that was the last of it. Failures are left for the next start. */
export async function removeOwner(root: Directory, owner: string): Promise<void> {
  await inStaging(root, (staging) => removeFolder(staging, owner))
}

/** Removes what receivers left that are no longer there. Called at every start. */
export async function cleanStaging(root: Directory): Promise<void> {
  await inStaging(root, async (staging) => {
    for (const owner of await disk.readdir(staging.path())) {
      if (await isGone(staging, owner).catch(() => false)) await removeFolder(staging, owner)
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

async function removeFolder(staging: Directory, owner: string): Promise<void> {
  try {
    const folder = await staging.openDirectory(owner)
    try {
      for (const name of await disk.readdir(folder.path())) await disk.unlink(folder.path(name))
    } finally {
      await folder.close()
    }
    await disk.rmdir(staging.path(owner))
  } catch {
    // What cannot be removed now is tried again at the next start.
  }
}

async function isGone(staging: Directory, owner: string): Promise<boolean> {
  const [where, pid = '', start] = owner.split('-')
  if (where === (await machine()) && /^\d+$/.test(pid)) {
    if (!isRunning(Number(pid))) return true
    const known = [start, await startTime(Number(pid))]
    return !known.includes('0') && known[0] !== known[1]
  }
  return (await newestChange(staging, owner)) < Date.now() - FOREIGN_AGE
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errno(error) === 'EPERM'
  }
}

/** The latest modification of an owner's folder or of a file in it, in milliseconds since 1970. */
async function newestChange(staging: Directory, owner: string): Promise<number> {
  const folder = await staging.openDirectory(owner)
  try {
    const names = await disk.readdir(folder.path())
    // The folder's own path is a link of /proc, whose time is the present; `stat` goes to where it leads.
    const looks = [disk.stat(folder.path()), ...names.map((name) => disk.lstat(folder.path(name)))]
    return Math.max(...(await Promise.all(looks)).map((stats) => stats.mtimeMs))
  } finally {
    await folder.close()
  }
}
