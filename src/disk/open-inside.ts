/** Reaches a file somewhere in a directory, without following a symlink in its path. */
import { constants } from 'node:fs'
import type { AtHand } from '../at-hand.js'
import type { Directory } from './directory.js'
import { disk } from './disk.js'

const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

/** Does something with the name at the end of `path` in its folder. `path` begins at `root`. A symlink in it is an error. */
export async function inside<T>(
  root: Directory,
  path: string,
  work: (folder: Directory, name: string) => AtHand<T>,
): Promise<T> {
  const [name, ...rest] = path.split('/') as [string, ...string[]]
  if (rest.length === 0) return await work(root, name)
  const inner = await root.openDirectory(name)
  try {
    return await inside(inner, rest.join('/'), work)
  } finally {
    await inner.close()
  }
}

/** Opens a file for reading. Returns its descriptor. */
export async function openInside(root: Directory, path: string): Promise<number> {
  return await inside(root, path, (folder, name) => disk.open(folder.path(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
}
