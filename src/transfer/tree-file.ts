/** A file on its way into a directory. */
import type { FileItem } from '../protocol/tree-messages.js'
import type { TreeFileSink } from '../stores/store.js'

/** The file that is under way. */
export interface CurrentFile {
  item: FileItem
  path: string
  start: number
  bytes: number
  /** The bytes of a small file so far. Null for a large file. */
  small: Buffer | null
  sink: TreeFileSink | null
}

/** Gathers the bytes of a small file. They belong at `offset`. */
export function gather(file: CurrentFile, bytes: Buffer, offset: number): void {
  // Most small files come in one piece, which is stored from where it lies.
  if (bytes.length === file.item.size) {
    file.small = bytes
  } else {
    const small = offset === 0 ? Buffer.allocUnsafe(file.item.size) : (file.small as Buffer)
    bytes.copy(small, offset)
    file.small = small
  }
}
