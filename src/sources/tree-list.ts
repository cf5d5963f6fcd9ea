/** Lists what is in a directory without reading the files. */
import { constants } from 'node:fs'
import { disk } from '../disk/disk.js'
import { localError } from '../disk/local-error.js'
import type { TreeItem, TreeWalk } from './tree-walk.js'

/** Something in a directory, or why it cannot be sent. `path` begins at the directory. */
export type ListedItem =
  | { kind: 'directory' | 'symlink'; path: string; size: null }
  | { kind: 'file'; path: string; size: number }
  | Extract<TreeItem, { kind: 'problem' }>

/** Yields every item of the walk as it is found, and closes the walk at the end. */
export async function* listTree(tree: TreeWalk): AsyncGenerator<ListedItem, void, undefined> {
  try {
    for (let item = await tree.next(); item !== null; item = await tree.next()) {
      if (item.kind === 'problem') yield item
      else if (item.kind === 'file') yield await listFile(tree, item)
      else if (item.kind !== 'leave') yield { kind: item.kind, path: item.path, size: null }
    }
  } finally {
    await tree.close()
  }
}

async function listFile(tree: TreeWalk, { path, place, follow }: TreeItem & { kind: 'file' }): Promise<ListedItem> {
  try {
    const { size } = await (follow ? disk.stat : disk.lstat)(place)
    await disk.access(place, constants.R_OK)
    return { kind: 'file', path, size }
  } catch (error) {
    return { kind: 'problem', path, error: localError('cannot read', tree.rawLabel(path), error), isLeftOut: false }
  }
}
