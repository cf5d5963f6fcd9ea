/**
 * Directories that were not completed. What came of them is kept in the staging folder, where only this user sees it:
 *
 *     <out>/.tcp-recv/kept/<name>      until a directory of that name is stored, for a day at most
 *
 * Every file there is whole, verified and durable. All receivers of a folder share what is kept there. A peer can make
 * them keep something, so there are few of them.
 */
import type { Directory } from '../disk/directory.js'
import { disk, errno } from '../disk/disk.js'
import { removeTree } from '../disk/remove-tree.js'
import { syncTree } from '../disk/sync-tree.js'
import { ABANDONED_AGE, inStaging, KEPT, makePrivate, stagedName } from './staging.js'

/** The number of directories that are kept: the newest ones. */
const MOST = 16

export interface StagedTree {
  /** Its name in the folder of this receiver. */
  staged: string
  directory: Directory
  /** About how many files are in it. */
  files: number
}

/**
 * Moves a staged directory to those that are kept, in place of an older one of this name. `own` is the folder of this
 * receiver in the staging folder. Returns false if that fails. Never throws.
 */
export async function keepTree(
  own: Directory,
  { staged, directory, files }: StagedTree,
  name: string,
): Promise<boolean> {
  try {
    // Its age counts from now on.
    await directory.setAttributes(0o700, Date.now())
    await syncTree(directory, files)
    await besides(own, async (staging) => {
      await makePrivate(staging, KEPT)
      await inKept(staging, async (kept) => {
        const older = await takeAway(kept, name, own)
        await disk.rename(own.path(staged), kept.path(name))
        await older?.()
        await removeOld(kept).catch(() => {})
      })
    })
    return true
  } catch {
    return false
  }
}

/** Removes what was kept of a directory of this name. Never throws. */
export async function removeKept(own: Directory, name: string): Promise<void> {
  const remove = async (kept: Directory) => (await takeAway(kept, name, own))?.()
  await besides(own, (staging) => inKept(staging, remove)).catch(() => {})
}

/** Removes what was kept long ago. Called when a receiver starts. Never throws. */
export async function cleanKept(root: Directory): Promise<void> {
  await inStaging(root, (staging) => inKept(staging, removeOld))
}

/** Opens the staging folder that the folder `own` is in, wherever it has been moved to. */
async function besides(own: Directory, work: (staging: Directory) => Promise<void>): Promise<void> {
  const staging = await own.openDirectory('..')
  await work(staging).finally(() => staging.close())
}

async function inKept(staging: Directory, work: (kept: Directory) => Promise<void>): Promise<void> {
  const kept = await staging.openDirectory(KEPT)
  await work(kept).finally(() => kept.close())
  // Fails if something is in it.
  await disk.rmdir(staging.path(KEPT)).catch(() => {})
}

/**
 * Moves what has this name to the folder `own`, so that nobody finds half of it. Returns a function that removes it, and
 * never throws. Null if nothing has the name.
 */
async function takeAway(kept: Directory, name: string, own: Directory): Promise<(() => Promise<void>) | null> {
  const away = stagedName()
  try {
    await disk.rename(kept.path(name), own.path(away))
  } catch (error) {
    if (errno(error) === 'ENOENT') return null
    throw error
  }
  // What remains is removed with the folder of this receiver.
  return () => removeTree(own, away).catch(() => {})
}

/** Removes all but the newest ones, and those that are older than a day. */
async function removeOld(kept: Directory): Promise<void> {
  const all: { name: string; age: number }[] = []
  for (const name of await disk.readdir(kept.path())) {
    all.push({ name, age: Date.now() - (await disk.lstat(kept.path(name))).mtimeMs })
  }
  all.sort((a, b) => a.age - b.age)
  for (const [index, { name, age }] of all.entries()) {
    if (index >= MOST || age > ABANDONED_AGE) await removeTree(kept, name)
  }
}
