/** Lists and removes what is kept in the staging folder (kept.ts). */
import type { Directory } from '../disk/directory.js'
import { disk } from '../disk/disk.js'
import { removeTree } from '../disk/remove-tree.js'
import { ABOUT, type About, readAbout } from './about.js'
import { inStaging, KEPT } from './staging.js'

/** How much is kept: beyond that, the smallest goes first, so that nobody can push out much by little. */
const MOST = 64

/** Something that is kept. */
export interface Kept extends About {
  /** Its name among what is kept. */
  id: string
  /** The number of bytes that are there. For a directory, those of its files. */
  bytes: number
  /** When it broke off, in milliseconds since 1970. */
  time: number
}

/** Everything that is kept in the folder `root`, the newest first. Never throws. */
export async function listKept(root: Directory): Promise<Kept[]> {
  let all: Kept[] = []
  await inStaging(root, (staging) =>
    inKept(staging, async (kept) => {
      all = await readKept(kept)
    }),
  )
  return all
}

/** Removes what was kept for longer than `age` milliseconds. Never throws. */
export async function cleanKept(root: Directory, age: number): Promise<void> {
  await inStaging(root, (staging) => inKept(staging, (kept) => removeOlder(kept, age)))
}

/** Removes what is in the folder for longer than `age` milliseconds. */
export async function removeOlder(kept: Directory, age: number): Promise<void> {
  for (const name of await disk.readdir(kept.path())) {
    const { mtimeMs } = await disk.lstat(kept.path(name))
    if (Date.now() - mtimeMs >= age) await removeTree(kept, name)
  }
}

/** Removes what was kept first. Returns false if nothing is kept. Never throws. */
export async function removeOldest(root: Directory): Promise<boolean> {
  let isRemoved = false
  const remove = async (kept: Directory) => {
    const oldest = (await readKept(kept)).at(-1)
    if (!oldest) return
    await removeTree(kept, oldest.id)
    isRemoved = true
  }
  await inStaging(root, (staging) => inKept(staging, remove))
  return isRemoved
}

/** Removes the smallest ones if too much is kept. Never throws. */
export async function removeSmallest(kept: Directory): Promise<void> {
  if ((await disk.readdir(kept.path()).catch(() => [])).length <= MOST) return
  const all = (await readKept(kept).catch(() => [])).sort((a, b) => b.bytes - a.bytes)
  for (const { id } of all.slice(MOST)) await removeTree(kept, id).catch(() => {})
}

/** What is kept in the folder, the newest first. What is taken away meanwhile may be missing. */
export async function readKept(kept: Directory): Promise<Kept[]> {
  const all: Kept[] = []
  for (const id of await disk.readdir(kept.path())) {
    const about = await readAbout(kept, id)
    const stats = await disk.lstat(kept.path(id)).catch(() => null)
    if (about && stats) all.push({ ...about, id, time: stats.mtimeMs, bytes: await sizeOf(kept, id).catch(unseen) })
  }
  return all.sort((a, b) => b.time - a.time)
}

/** A directory may have a mode that does not let its owner look into it. */
const unseen = () => 0

/** The bytes of the files in a folder. */
async function sizeOf(parent: Directory, name: string): Promise<number> {
  const folder = await parent.openDirectory(name)
  try {
    let bytes = 0
    for (const entry of await disk.list(folder.path())) {
      if (entry.isDirectory()) bytes += await sizeOf(folder, entry.name).catch(unseen)
      else if (entry.isFile() && entry.name !== ABOUT) bytes += (await disk.lstat(folder.path(entry.name))).size
    }
    return bytes
  } finally {
    await folder.close()
  }
}

/** Does something with the folder of what is kept, and removes it afterwards if it is empty. */
export async function inKept(staging: Directory, work: (kept: Directory) => Promise<void>): Promise<void> {
  const kept = await staging.openDirectory(KEPT)
  await work(kept).finally(() => kept.close())
  // Fails if something is in it.
  await disk.rmdir(staging.path(KEPT)).catch(() => {})
}
