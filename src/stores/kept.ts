/**
 * What was not completed waits in the staging folder, where only this user sees it, until its sender comes back:
 *
 *     <out>/.tcp-recv/kept/<id>/about       whose it is, as JSON
 *     <out>/.tcp-recv/kept/<id>/content     a file up to where it broke off, or a directory with its complete files
 *
 * The id is made of who sends what, so nobody else finds it. All receivers of a folder share what is kept there. Each
 * takes it away by one rename, so two senders never write to the same one. A peer can make them keep something, so there
 * is little of it.
 */
import type { Directory } from '../disk/directory.js'
import { disk, errno } from '../disk/disk.js'
import { CHUNK } from '../protocol/limits.js'
import {
  type About,
  CONTENT,
  contentOf,
  contentSize,
  idOf,
  type Origin,
  ownerDigest,
  readAbout,
  removeKeepable,
} from './about.js'
import { inKept, removeOlder, removeSmallest } from './kept-list.js'
import { cleanReceivers, inStaging, KEPT, makePrivate, stagedName } from './staging.js'

/** What another receiver may have done in the meantime: removed the empty folder, or kept the same. */
const raceErrors = new Set(['ENOENT', 'ENOTEMPTY', 'EEXIST'])

/**
 * Keeps what is in a folder of this receiver, in place of an older one of the same origin. But of two senders of the same
 * edition, the longer file stays. Removes what was kept for longer than `age` milliseconds. Returns the path of the
 * content, from the staging folder on. Null if it is not kept; then it is removed. Never throws.
 */
export async function keep(
  own: Directory,
  staged: string,
  about: About,
  age: number,
  attempts = 5,
): Promise<string | null> {
  const id = idOf(about)
  let isKept = false
  try {
    const now = new Date()
    // Its age counts from now on.
    await disk.lutimes(own.path(staged), now, now)
    await besides(own, async (staging) => {
      await makePrivate(staging, KEPT)
      await inKept(staging, async (kept) => {
        if (await isLonger(kept, id, about, await contentSize(own, staged))) await removeKeepable(own, staged)
        else await replace(kept, id, own, staged)
        await removeOlder(kept, age)
        isKept = !(await removeSmallest(kept)).includes(id)
      })
    })
  } catch (error) {
    if (raceErrors.has(String(errno(error))) && attempts > 1) return await keep(own, staged, about, age, attempts - 1)
    await removeKeepable(own, staged)
  }
  return isKept ? `${KEPT}/${id}/${CONTENT}` : null
}

/** True if what is kept there is of the same edition of a file, and longer. */
async function isLonger(kept: Directory, id: string, { kind, edition }: About, bytes: number): Promise<boolean> {
  const there = kind === 'file' ? await readAbout(kept, id) : null
  return there?.edition === edition && (await contentSize(kept, id)) > bytes
}

/** Moves something to what is kept. An older one of that name is removed; if the move fails, it stays. */
async function replace(kept: Directory, id: string, own: Directory, staged: string): Promise<void> {
  // In the folder of another receiver (`rescue`), a number could be taken.
  const older = `${staged}-older`
  const isThere = await takeAway(kept, id, own, older)
  try {
    await disk.rename(own.path(staged), kept.path(id))
  } catch (error) {
    if (isThere) await disk.rename(own.path(older), kept.path(id)).catch(() => {})
    throw error
  }
  if (isThere) await removeKeepable(own, older)
}

/**
 * The folders for which those of other receivers have been searched: once for each transfer. A sender comes back to one
 * receiver when another one that shares the folder has been killed.
 */
const searched = new WeakSet<Directory>()

/**
 * Moves what is kept of this origin to the folder of this receiver. Returns its name there, or null if there is nothing,
 * or nothing that can be used. Never throws.
 */
export async function take(own: Directory, origin: Origin): Promise<{ staged: string; about: About } | null> {
  const staged = stagedName()
  let isTaken = false
  const move = async (kept: Directory) => {
    isTaken = await takeAway(kept, idOf(origin), own, staged)
  }
  const look = (staging: Directory) => inKept(staging, move)
  await besides(own, look).catch(() => {})
  if (!isTaken && !searched.has(own)) {
    searched.add(own)
    await besides(own, async (staging) => {
      await cleanReceivers(staging, (other) => rescue(other, Number.POSITIVE_INFINITY), own)
      await look(staging)
    }).catch(() => {})
  }
  if (!isTaken) return null
  const about = await readAbout(own, staged)
  if (about && idOf(about) === idOf(origin)) return { staged, about }
  await removeKeepable(own, staged)
  return null
}

/** True if something of this owner is kept in the folder `root`. Never throws. */
export async function hasKept(root: Directory, owner: string): Promise<boolean> {
  let found = false
  await inStaging(root, async (staging) => {
    const start = `${ownerDigest(owner)}-`
    found = (await disk.readdir(staging.path(KEPT))).some((id) => id.startsWith(start))
  })
  return found
}

/** Opens the staging folder that the folder `own` is in, wherever it has been moved to. */
async function besides(own: Directory, work: (staging: Directory) => Promise<void>): Promise<void> {
  const staging = await own.openDirectory('..')
  await work(staging).finally(() => staging.close())
}

/** Moves what is kept under this name to the folder `own`. Returns false if there is nothing. */
async function takeAway(kept: Directory, id: string, own: Directory, staged: string): Promise<boolean> {
  try {
    await disk.rename(kept.path(id), own.path(staged))
    return true
  } catch (error) {
    if (errno(error) === 'ENOENT') return false
    throw error
  }
}

/** Keeps what a receiver has left behind which no longer runs. `own` is its folder. Never throws. */
export async function rescue(own: Directory, age: number): Promise<void> {
  for (const staged of await disk.readdir(own.path()).catch(() => [])) {
    const about = await readAbout(own, staged)
    if (about && (await isWorth(own, staged, about))) await keep(own, staged, about, age)
  }
}

/** True if its sender could go on with it. */
async function isWorth(own: Directory, staged: string, { kind, source }: About): Promise<boolean> {
  if (kind === 'file') return (await contentSize(own, staged)) >= CHUNK
  const content = source === '' ? null : await disk.lstat(contentOf(own, staged)).catch(() => null)
  return content?.isDirectory() ?? false
}
