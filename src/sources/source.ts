/**
 * The interfaces of sources and their entries. A source is one thing that the user wants to send. It yields entries: a
 * file, a directory, a stream and a message yield one each.
 */
import type { AtHand } from '../at-hand.js'
import { mediaType } from '../media-type.js'
import type { Header } from '../protocol/messages.js'
import type { TreeWalk } from './tree-walk.js'

export interface Source {
  /** Its name in the messages of this side: the path as given, or `standard input`. */
  readonly label: string
  /** The name to offer to the receiver. */
  readonly name: string
  /** True if the source can be read only once. */
  readonly isOnce: boolean
  /**
   * Called before the connection is made. Throws if the source cannot be sent. Returns its size in bytes, or null if
   * the size is unknown.
   */
  inspect(): Promise<number | null>
  /** Yields each entry only when it is requested. Called once per transfer. */
  entries(): AsyncIterable<Entry>
  /** Called at the very end, even if nothing was opened: a producer must not wait for a reader that never comes. */
  release(): void
}

/** One entry to send, not yet opened. */
export interface Entry {
  readonly label: string
  /** The path as given, or `-` for a stream. */
  readonly path: string
  readonly name: string
  readonly isOnce: boolean
  /** The feature that the receiver must have to take the entry. */
  readonly feature?: string
  /** Opens the entry. Aborting `signal` ends a read that waits for a producer. */
  open(signal: AbortSignal): Promise<OpenEntry | OpenDirectory>
}

/** A directory that is open. */
export interface OpenDirectory {
  readonly header: Header
  /** Everything in it. */
  readonly tree: TreeWalk
  /** Starts a second walk through it, which its caller closes. */
  walkAgain(): Promise<TreeWalk>
  /** Opens a file in it, for reading. `path` begins at the directory. Returns the descriptor. */
  openFile(path: string): Promise<number>
  close(): Promise<void>
}

export interface OpenEntry {
  readonly header: Header
  /**
   * Reads up to `length` bytes into `buffer` at `offset`. Returns the number of bytes read: directly, or as a promise
   * if it has to wait. `length` and the result are multiples of the chunk size, except for the last result before the
   * end. 0 means the end.
   */
  read(buffer: Buffer, offset: number, length: number): AtHand<number>
  /** Lets the next `read` begin at `offset`. Only for a source that a receiver knows again (`header.source`). */
  seek?(offset: number): void
  /** Reads bytes into the buffer, from `position` on, and does not change where `read` is. As `seek`. */
  readAt?(buffer: Buffer, position: number): Promise<number>
  /** Called after the last read. Throws if the source has changed, shrunk or grown since it was opened. */
  check(): Promise<void>
  close(): AtHand<void>
}

/** The header of an entry of which only the name is known, such as a pipe. */
export function streamHeader(name: string): Header {
  return { kind: 'file', name, size: null, type: mediaType(name), mtime: null, mode: null }
}

/** A source that is its own only entry. */
export abstract class SingleSource implements Source, Entry {
  abstract readonly label: string
  abstract readonly path: string
  abstract readonly name: string
  abstract readonly isOnce: boolean
  abstract inspect(): Promise<number | null>
  abstract open(signal: AbortSignal): Promise<OpenEntry | OpenDirectory>

  async *entries(): AsyncGenerator<Entry> {
    yield this
  }

  /** Most sources hold nothing before they are opened. */
  release(): void {}
}
