/** Opens a file somewhere in a directory, without following a symlink in its path. */
import { constants } from 'node:fs'
import type { Directory } from './directory.js'
import { disk } from './disk.js'

const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

/** Returns the descriptor, for reading. `path` begins at `root`. A symlink in it is an error. */
export async function openInside(root: Directory, path: string): Promise<number> {
  const [name, ...rest] = path.split('/') as [string, ...string[]]
  if (rest.length === 0) return await disk.open(root.path(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  const inner = await root.openDirectory(name)
  try {
    return await openInside(inner, rest.join('/'))
  } finally {
    await inner.close()
  }
}
