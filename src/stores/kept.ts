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
import { digest } from '../disk/machine-id.js'
import { removeTree } from '../disk/remove-tree.js'
import { CHUNK } from '../protocol/limits.js'
import { type About, CONTENT, contentOf, type Origin, readAbout } from './about.js'
import { inKept, removeOlder, removeSmallest } from './kept-list.js'
import { inStaging, KEPT, makePrivate, stagedName } from './staging.js'

function idOf({ owner, name, source }: Origin): string {
  return `${digest(owner).slice(0, 8)}-${digest(owner, name, source)}`
}

/** Removes the folder, with what is in it. Never throws: what remains is removed with the folder of this receiver. */
export async function removeKeepable(own: Directory, staged: string): Promise<void> {
  await removeTree(own, staged).catch(() => {})
}

/**
 * Keeps what is in a folder of this receiver, whose content is durable, in place of an older one of the same origin.
 * Removes what was kept for longer than `age` milliseconds. Returns the path of the content, from the staging folder on.
 * Null if that fails; then it is removed. Never throws.
 */
export async function keep(own: Directory, staged: string, origin: Origin, age: number): Promise<string | null> {
  const id = idOf(origin)
  try {
    const now = new Date()
    // Its age counts from now on.
    await disk.lutimes(own.path(staged), now, now)
    await besides(own, async (staging) => {
      await makePrivate(staging, KEPT)
      await inKept(staging, async (kept) => {
        const older = await takeAway(kept, id, own)
        await disk.rename(own.path(staged), kept.path(id))
        if (older !== null) await removeKeepable(own, older)
        await removeOlder(kept, age)
        await removeSmallest(kept)
      })
    })
    return `${KEPT}/${id}/${CONTENT}`
  } catch {
    await removeKeepable(own, staged)
    return null
  }
}

/**
 * Moves what is kept of this origin to the folder of this receiver. Returns its name there, or null if there is nothing,
 * or nothing that can be used. Never throws.
 */
export async function take(own: Directory, origin: Origin): Promise<{ staged: string; about: About } | null> {
  let staged: string | null = null
  const move = async (kept: Directory) => {
    staged = await takeAway(kept, idOf(origin), own)
  }
  await besides(own, (staging) => inKept(staging, move)).catch(() => {})
  if (staged === null) return null
  const about = await readAbout(own, staged)
  if (about && idOf(about) === idOf(origin)) return { staged, about }
  await removeKeepable(own, staged)
  return null
}

/** True if something of this owner is kept in the folder `root`. Never throws. */
export async function hasKept(root: Directory, owner: string): Promise<boolean> {
  let found = false
  await inStaging(root, async (staging) => {
    const start = `${digest(owner).slice(0, 8)}-`
    found = (await disk.readdir(staging.path(KEPT))).some((id) => id.startsWith(start))
  })
  return found
}

/** Opens the staging folder that the folder `own` is in, wherever it has been moved to. */
async function besides(own: Directory, work: (staging: Directory) => Promise<void>): Promise<void> {
  const staging = await own.openDirectory('..')
  await work(staging).finally(() => staging.close())
}

/** Moves what has this name to the folder `own`. Returns its name there, or null if nothing has the name. */
async function takeAway(kept: Directory, name: string, own: Directory): Promise<string | null> {
  const staged = stagedName()
  try {
    await disk.rename(kept.path(name), own.path(staged))
    return staged
  } catch (error) {
    if (errno(error) === 'ENOENT') return null
    throw error
  }
}

/** Keeps what a receiver has left behind which no longer runs. `own` is its folder. Never throws. */
export async function rescue(own: Directory, age: number): Promise<void> {
  for (const staged of await disk.readdir(own.path()).catch(() => [])) {
    const about = await readAbout(own, staged)
    // Nobody could go on with it.
    if (!about || about.source === '') continue
    const content = await disk.lstat(contentOf(own, staged)).catch(() => null)
    if (content?.isDirectory() || (content?.isFile() && content.size >= CHUNK)) await keep(own, staged, about, age)
  }
}
