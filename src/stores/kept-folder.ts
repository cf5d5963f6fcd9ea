/** What is kept in a folder, for its user: it is listed or removed, whether receivers run there or not. */
import { join } from 'node:path'
import { Directory } from '../disk/directory.js'
import { disk, errno } from '../disk/disk.js'
import { localError } from '../disk/local-error.js'
import { CONTENT } from './about.js'
import { rescue } from './kept.js'
import { inKept, type Kept, readKept, removeKept } from './kept-list.js'
import { cleanStaging, KEPT, STAGING } from './staging.js'

/** Everything that is kept in the folder `path`, the newest first. Throws a local-file error. */
export async function listFolder(path: string): Promise<Kept[]> {
  return await inFolder(path, readKept)
}

/** Removes everything that is kept in the folder `path`. Returns what it has removed. Otherwise as `listFolder`. */
export async function cleanFolder(path: string): Promise<Kept[]> {
  return await inFolder(path, async (kept) => {
    const removed: Kept[] = []
    const all = await readKept(kept)
    for (const each of all) if (await removeKept(kept, each.id)) removed.push(each)
    // What has no description that makes sense.
    for (const id of await disk.readdir(kept.path())) await removeKept(kept, id)
    return removed
  })
}

/** The path of the content, in the folder `path`. */
export function pathOf(path: string, { id }: Kept): string {
  return join(path, STAGING, KEPT, id, CONTENT)
}

/** Does something with what is kept in the folder `path`, and with what receivers that no longer run have left there. */
async function inFolder(path: string, work: (kept: Directory) => Promise<Kept[]>): Promise<Kept[]> {
  const root = await Directory.open(path).catch((error) => {
    throw localError('cannot read', path, error)
  })
  return await inStagingOf(root, work)
    .catch((error) => {
      if (errno(error) === 'ENOENT') return []
      throw localError('cannot use the staging folder', join(path, STAGING), error)
    })
    .finally(() => root.close())
}

async function inStagingOf(root: Directory, work: (kept: Directory) => Promise<Kept[]>): Promise<Kept[]> {
  await cleanStaging(root, (own) => rescue(own, Number.POSITIVE_INFINITY))
  let all: Kept[] = []
  const working = async (kept: Directory) => {
    all = await work(kept)
  }
  const staging = await root.openDirectory(STAGING)
  await inKept(staging, working).finally(() => staging.close())
  // Fails if something is in it.
  await disk.rmdir(root.path(STAGING)).catch(() => {})
  return all
}
