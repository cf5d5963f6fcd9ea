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
import { TransferError } from '../errors.js'
import type { Directory } from './directory.js'
import { disk, errno } from './disk.js'
import { STAGING } from './names.js'

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

/** Opens an owner's folder inside `root`, making it if needed. */
export async function openStaging(root: Directory, owner: string): Promise<Directory> {
  for (let attempt = 1; attempt < 5; attempt++) {
    try {
      return await makeStaging(root, owner)
    } catch (error) {
      // Another receiver that has just ended may remove the empty folder between our making and our opening it.
      if (errno(error) !== 'ENOENT') throw error
    }
  }
  return await makeStaging(root, owner)
}

async function makeStaging(root: Directory, owner: string): Promise<Directory> {
  await makePrivate(root, STAGING)
  const staging = await root.openDirectory(STAGING)
  try {
    // Where everybody may write, somebody else could have made it first, and exchange what is in it.
    if (!(await staging.isPrivate())) {
      throw new TransferError('local-file', `the folder ${STAGING} there is not private to this user; remove it`, {
        reason: 'disk',
        tell: 'its staging folder cannot be used',
      })
    }
    await makePrivate(staging, owner)
    return await staging.openDirectory(owner)
  } finally {
    await staging.close()
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

/** Creates a new private file in the staging folder: its name there, and its descriptor for writing. */
export async function createStaged(staging: Directory): Promise<{ name: string; fd: number }> {
  const name = `${files++}`
  return { name, fd: await disk.open(staging.path(name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600) }
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
