/**
 * The content of an entry of the kind `directory`: frames inside its data. They describe everything in the directory,
 * depth first and in the order of `order.ts`.
 */
import { frameOf } from './encode.js'
import { Fields } from './fields.js'
import { MAX_DIGESTS, MAX_TIME } from './limits.js'
import type { Digests } from './messages.js'

/** The type of each frame. Those of a file are the same as outside: header, data, end or abort. */
export const treeFrameTypes = {
  directory: 'O',
  leave: 'C',
  symlink: 'L',
  file: 'H',
  data: 'D',
  end: 'E',
  abort: 'A',
  kept: 'K',
  digests: 'V',
} as const

export type TreeFrameName = keyof typeof treeFrameTypes

/** What all items keep of the original. */
export interface Attributes {
  /** Milliseconds since 1970, or null. */
  mtime: number | null
  /** Permission bits, or null. */
  mode: number | null
}

/** A directory begins. What follows is in it, up to `leave`. */
export interface DirectoryItem extends Attributes {
  name: string
}

export interface SymlinkItem {
  name: string
  target: string
  mtime: number | null
}

export interface FileItem extends Attributes {
  name: string
  /** Bytes. This is a promise. */
  size: number
  /** The BLAKE3 of the content, if the sender knew it before. Then the file ends with its last byte, without `end`. */
  blake3?: string
}

/** A file that the receiver has. Its digest follows at the end. */
export type KeptItem = Omit<FileItem, 'blake3'>

export interface FileEnd {
  /** The BLAKE3 of the content. */
  blake3: string
}

export type TreeMessage =
  | ({ frame: 'directory' } & DirectoryItem)
  | { frame: 'leave' }
  | ({ frame: 'symlink' } & SymlinkItem)
  | ({ frame: 'file' } & FileItem)
  | { frame: 'data'; bytes: Buffer }
  | ({ frame: 'end' } & FileEnd)
  | { frame: 'abort' }
  | ({ frame: 'kept' } & KeptItem)
  | ({ frame: 'digests' } & Digests)
  | { frame: 'ancillary' }

export const encodeTree = {
  directory: (item: DirectoryItem) => frameOf(treeFrameTypes.directory, item),
  leave: () => frameOf(treeFrameTypes.leave, {}),
  symlink: (item: SymlinkItem) => frameOf(treeFrameTypes.symlink, item),
  file: (item: FileItem) => frameOf(treeFrameTypes.file, item),
  end: (end: FileEnd) => frameOf(treeFrameTypes.end, end),
  abort: () => frameOf(treeFrameTypes.abort, {}),
  kept: (item: KeptItem) => frameOf(treeFrameTypes.kept, item),
  digests: (digests: Digests) => frameOf(treeFrameTypes.digests, digests),
}

function readMtime(fields: Fields): number | null {
  return fields.optionalInteger('mtime', -MAX_TIME, MAX_TIME)
}

function readMode(fields: Fields): number | null {
  return fields.optionalInteger('mode', 0, 0o177777)
}

function readFile(fields: Fields): KeptItem {
  const [name, size] = [fields.string('name'), fields.integer('size')]
  return { name, size, mtime: readMtime(fields), mode: readMode(fields) }
}

/** The payload came from a peer, as in `parsers.ts`. */
export const parseTree = {
  directory: (payload: Uint8Array): DirectoryItem => {
    const fields = new Fields('directory', payload)
    return fields.finish({ name: fields.string('name'), mtime: readMtime(fields), mode: readMode(fields) })
  },
  leave: (payload: Uint8Array): object => new Fields('leave', payload).finish({}),
  symlink: (payload: Uint8Array): SymlinkItem => {
    const fields = new Fields('symlink', payload)
    return fields.finish({ name: fields.string('name'), target: fields.string('target'), mtime: readMtime(fields) })
  },
  file: (payload: Uint8Array): FileItem => {
    const fields = new Fields('file', payload)
    const item: FileItem = readFile(fields)
    const blake3 = fields.optional('blake3', (name) => fields.digest(name))
    if (blake3 !== null) item.blake3 = blake3
    return fields.finish(item)
  },
  end: (payload: Uint8Array): FileEnd => {
    const fields = new Fields('end', payload)
    return fields.finish({ blake3: fields.digest('blake3') })
  },
  abort: (payload: Uint8Array): object => new Fields('abort', payload).finish({}),
  kept: (payload: Uint8Array): KeptItem => {
    const fields = new Fields('kept', payload)
    return fields.finish(readFile(fields))
  },
  digests: (payload: Uint8Array): Digests => {
    const fields = new Fields('digests', payload)
    return fields.finish({ digests: fields.digests('digests', MAX_DIGESTS) })
  },
}
