/** What a program may ask to be sent, and the source for each. */
import type { Readable } from 'node:stream'
import { disk } from '../disk/disk.js'
import { DescriptorSource } from './descriptor-source.js'
import { FifoSource } from './fifo-source.js'
import { type AsStream, FileSource } from './file-source.js'
import { MessageSource } from './message-source.js'
import type { Source } from './source.js'
import { StreamSource } from './stream-source.js'

/** A stream to send under a name, such as `process.stdin`. It is read once, in bounded memory, and destroyed at the end. */
export interface StreamToSend {
  stream: Readable
  name: string
  /** How messages call it. Default: the name. */
  label?: string
}

/** A file to send under another name than its own. */
export interface FileToSend {
  path: string
  name: string
}

/** An open descriptor to send under a name, such as 0 for standard input. It is faster than a stream made of it. */
export interface DescriptorToSend {
  fd: number
  name: string
  /** How messages call it. Default: the name. */
  label?: string
}

/**
 * A message, which the receiver shows and does not store: at most 64 KiB of UTF-8. The final newline of a stream is not
 * part of it.
 */
export interface MessageToSend {
  text: string | Readable
}

/** The path of a regular file or a FIFO, or one of the above. */
export type Sendable = string | FileToSend | DescriptorToSend | StreamToSend | MessageToSend

/** @param asStream the command that sends standard input instead, for the hints of error messages */
export async function createSource(sendable: Sendable, asStream: AsStream): Promise<Source> {
  if (typeof sendable === 'string') return await createPathSource(sendable, undefined, asStream)
  if ('path' in sendable) return await createPathSource(sendable.path, sendable.name, asStream)
  if ('text' in sendable) return new MessageSource(sendable.text)
  const { name, label = name } = sendable
  return 'fd' in sendable
    ? new DescriptorSource(sendable.fd, name, label)
    : new StreamSource(sendable.stream, name, label)
}

/** A path that leads nowhere is reported by the inspection of its source. */
async function createPathSource(path: string, name: string | undefined, asStream: AsStream): Promise<Source> {
  const stats = await disk.stat(path).catch(() => null)
  return stats?.isFIFO() ? new FifoSource(path, name) : new FileSource(path, name, asStream)
}
