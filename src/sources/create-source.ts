/** Everything that the library can send, and the source for each. */
import type { Readable } from 'node:stream'
import { disk } from '../disk/disk.js'
import { DescriptorSource } from './descriptor-source.js'
import { FifoSource } from './fifo-source.js'
import { type AsStream, FileSource } from './file-source.js'
import { FolderSource, nameOfDirectory } from './folder-source.js'
import { MessageSource } from './message-source.js'
import type { SingleSource } from './source.js'
import { StreamSource } from './stream-source.js'
import type { TreeOptions } from './tree-walk.js'

/**
 * A stream to send, such as a pipe of a child process. It is read once, in bounded memory, and destroyed at the end.
 */
export interface StreamToSend {
  stream: Readable
  /** The name to offer to the receiver. */
  name: string
  /** The name of the stream in error messages. Default: `name`. */
  label?: string
}

/** A file or directory to send under another name than its own. */
export interface FileToSend {
  /** The path of a regular file, a directory or a FIFO. */
  path: string
  /** The name to offer to the receiver. */
  name: string
}

/**
 * An open descriptor to send, such as 0 for standard input. It is faster than a stream on the same descriptor. It is
 * read once, from its current position to its end.
 */
export interface DescriptorToSend {
  fd: number
  /** The name to offer to the receiver. */
  name: string
  /** The name of the descriptor in error messages. Default: `name`. */
  label?: string
}

/** A message to send. The receiver reports it and stores nothing. */
export interface MessageToSend {
  /** At most 64 KiB of UTF-8. The final newline of a stream is removed. */
  text: string | Readable
}

/** Something to send: the path of a regular file, a directory or a FIFO, or one of the objects above. */
export type Sendable = string | FileToSend | DescriptorToSend | StreamToSend | MessageToSend

export interface SourceOptions {
  asStream: AsStream
  /** The parts of directories that are sent. Null if no directory can be sent. */
  tree: TreeOptions | null
}

export async function createSource(sendable: Sendable, options: SourceOptions): Promise<SingleSource> {
  if (typeof sendable === 'string') return await createPathSource(sendable, undefined, options)
  if ('path' in sendable) return await createPathSource(sendable.path, sendable.name, options)
  if ('text' in sendable) return new MessageSource(sendable.text)
  const { name, label = name } = sendable
  return 'fd' in sendable
    ? new DescriptorSource(sendable.fd, name, label)
    : new StreamSource(sendable.stream, name, label)
}

/** A path that does not exist is reported later, by `inspect`. */
async function createPathSource(
  path: string,
  name: string | undefined,
  { asStream, tree }: SourceOptions,
): Promise<SingleSource> {
  const stats = await disk.stat(path).catch(() => null)
  if (stats?.isDirectory() && tree) return new FolderSource(path, name ?? (await nameOfDirectory(path)), tree)
  return stats?.isFIFO() ? new FifoSource(path, name) : new FileSource(path, name, asStream)
}
