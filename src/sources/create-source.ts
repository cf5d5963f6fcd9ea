/** Everything that the library can send, and the source for each. */
import { fileURLToPath } from 'node:url'
import { disk } from '../disk/disk.js'
import type { ByteStream } from './byte-stream.js'
import { BytesSource } from './bytes-source.js'
import { DescriptorSource } from './descriptor-source.js'
import { FifoSource } from './fifo-source.js'
import { type AsStream, FileSource } from './file-source.js'
import { FolderSource, nameOfDirectory } from './folder-source.js'
import { MessageSource } from './message-source.js'
import type { SingleSource } from './source.js'
import { StreamSource } from './stream-source.js'
import type { TreeOptions } from './tree-walk.js'

/**
 * A stream to send, such as a pipe of a child process, or the body of a response. It is read once, in bounded memory, and
 * destroyed at the end.
 */
export interface StreamToSend {
  /** A stream of Node.js or of the web, or any other async iterable. A string that it gives becomes UTF-8. */
  stream: ByteStream
  /** The name to offer to the receiver. */
  name: string
  /** The name of the stream in error messages. Default: `name`. */
  label?: string
}

/** Bytes to send, from memory. They must not change before `send` has ended. */
export interface BytesToSend {
  bytes: Uint8Array
  /** The name to offer to the receiver. */
  name: string
  /** The name of the bytes in error messages. Default: `name`. */
  label?: string
}

/** A file or directory to send under another name than its own. */
export interface FileToSend {
  /** The path or `file:` URL of a regular file, a directory or a FIFO. */
  path: string | URL
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
  text: string | ByteStream
}

/** Something to send: the path or `file:` URL of a regular file, a directory or a FIFO, or one of the objects above. */
export type Sendable = string | URL | FileToSend | DescriptorToSend | StreamToSend | BytesToSend | MessageToSend

export interface SourceOptions {
  asStream: AsStream
  /** The parts of directories that are sent. Null if no directory can be sent. */
  tree: TreeOptions | null
}

export async function createSource(sendable: Sendable, options: SourceOptions): Promise<SingleSource> {
  if (typeof sendable === 'string' || sendable instanceof URL)
    return await createPathSource(sendable, undefined, options)
  if ('path' in sendable) return await createPathSource(sendable.path, sendable.name, options)
  if ('text' in sendable) return new MessageSource(sendable.text)
  const { name, label = name } = sendable
  if ('fd' in sendable) return new DescriptorSource(sendable.fd, name, label)
  if ('bytes' in sendable) return new BytesSource(sendable.bytes, name, label)
  return new StreamSource(sendable.stream, name, label)
}

/** A path that does not exist is reported later, by `inspect`. */
async function createPathSource(
  given: string | URL,
  name: string | undefined,
  { asStream, tree }: SourceOptions,
): Promise<SingleSource> {
  const path = typeof given === 'string' ? given : fileURLToPath(given)
  const stats = await disk.stat(path).catch(() => null)
  if (stats?.isDirectory() && tree) return new FolderSource(path, name ?? (await nameOfDirectory(path)), tree)
  return stats?.isFIFO() ? new FifoSource(path, name) : new FileSource(path, name, asStream)
}
