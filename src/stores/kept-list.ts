/** Lists what is kept in the staging folder (kept.ts), and removes it when it is too old, too much, or in the way. */
import { randomUUID } from 'node:crypto'
import type { Directory } from '../disk/directory.js'
import { disk, errno } from '../disk/disk.js'
import { removeTree } from '../disk/remove-tree.js'
import { type About, CONTENT, contentSize, readAbout } from './about.js'
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

/** Removes what was kept for longer than `age` milliseconds. Never throws. */
export async function cleanKept(root: Directory, age: number): Promise<void> {
  await inStaging(root, (staging) => inKept(staging, (kept) => removeOlder(kept, age)))
}

/** Removes what is in the folder for longer than `age` milliseconds. Never throws. */
export async function removeOlder(kept: Directory, age: number): Promise<void> {
  for (const name of await namesIn(kept)) {
    const stats = await disk.lstat(kept.path(name)).catch(() => null)
    if (stats && Date.now() - stats.mtimeMs >= age) await removeKept(kept, name).catch(() => {})
  }
}

/**
 * Makes room for this number of bytes: removes what was kept first. Removes nothing if all of it would not be enough.
 * Returns true if there should be room now; some file systems count it only later. Never throws.
 */
export async function makeRoom(root: Directory, bytes: number): Promise<boolean> {
  let left = bytes
  const work = async (kept: Directory) => {
    const all = await readKept(kept)
    if (all.reduce((sum, { bytes }) => sum + bytes, 0) < left) return
    for (const { id, bytes } of all.reverse()) {
      if (left > 0 && (await removeKept(kept, id).catch(() => false))) left -= bytes
    }
  }
  await inStaging(root, (staging) => inKept(staging, work))
  return left <= 0
}

/**
 * Removes the smallest ones if too much is kept. Returns their names. Never throws. To measure directories costs a walk
 * through them, so nothing is measured before.
 */
export async function removeSmallest(kept: Directory): Promise<string[]> {
  if ((await namesIn(kept)).length <= MOST) return []
  const all = await readKept(kept).catch(() => [])
  const smallest = all.sort((a, b) => b.bytes - a.bytes).slice(MOST)
  for (const { id } of smallest) await removeKept(kept, id).catch(() => {})
  return smallest.map(({ id }) => id)
}

/** What is kept in the folder, the newest first. What is taken away meanwhile may be missing. */
export async function readKept(kept: Directory): Promise<Kept[]> {
  const all: Kept[] = []
  for (const id of await disk.readdir(kept.path())) {
    const about = await readAbout(kept, id)
    const stats = await disk.lstat(kept.path(id)).catch(() => null)
    if (about && stats) all.push({ ...about, id, time: stats.mtimeMs, bytes: await bytesOf(kept, id, about) })
  }
  return all.sort((a, b) => b.time - a.time)
}

async function bytesOf(kept: Directory, id: string, { kind }: About): Promise<number> {
  return kind === 'file' ? await contentSize(kept, id) : await treeSize(kept, `${id}/${CONTENT}`)
}

/** The bytes of the files in a directory, as far as this user may look into it. Never throws. */
async function treeSize(parent: Directory, name: string): Promise<number> {
  const folder = await parent.openDirectory(name).catch(() => null)
  if (!folder) return 0
  let bytes = 0
  for (const entry of await disk.list(folder.path()).catch(() => [])) {
    if (entry.isDirectory()) bytes += await treeSize(folder, entry.name)
    else if (entry.isFile()) bytes += await disk.lstat(folder.path(entry.name)).then(({ size }) => size, none)
  }
  await folder.close()
  return bytes
}

const none = () => 0

async function namesIn(kept: Directory): Promise<string[]> {
  return await disk.readdir(kept.path()).catch(() => [])
}

/**
 * Removes what has this name. It loses its name first: a receiver that runs must get all of it or nothing. Returns false
 * if one has taken it away.
 */
export async function removeKept(kept: Directory, id: string): Promise<boolean> {
  const gone = randomUUID()
  try {
    await disk.rename(kept.path(id), kept.path(gone))
  } catch (error) {
    if (errno(error) === 'ENOENT') return false
    throw error
  }
  await removeTree(kept, gone)
  return true
}

/** Does something with the folder of what is kept, and removes it afterwards if it is empty. */
export async function inKept(staging: Directory, work: (kept: Directory) => Promise<void>): Promise<void> {
  const kept = await staging.openDirectory(KEPT)
  await work(kept).finally(() => kept.close())
  // Fails if something is in it.
  await disk.rmdir(staging.path(KEPT)).catch(() => {})
}
