/**
 * What a sender sends. A source is what the user names. It gives entries, one by one: a file, a stream and a message give
 * one each.
 */
import { mediaType } from '../media-type.js'
import type { Header } from '../protocol/messages.js'

export interface Source {
  /** How this side's messages call it: the path as given, or `standard input`. */
  readonly label: string
  /** The name to offer. */
  readonly name: string
  /** True if it can be read only once. */
  readonly isOnce: boolean
  /** Called before the connection is made. Throws if it cannot be sent. Returns its size in bytes, or null if unknown. */
  inspect(): Promise<number | null>
  /** Its entries, each read from the source only when it is asked for. They may be asked for once per transfer. */
  entries(): AsyncIterable<Entry>
  /** Called at the very end, even if it was never opened: a producer must not wait for a reader that never comes. */
  release(): void
}

/** Something to send as one entry, not yet opened. */
export interface Entry {
  readonly label: string
  /** The path as given, or `-` for a stream. */
  readonly path: string
  readonly name: string
  readonly isOnce: boolean
  /** Opens it. `signal` ends a read that waits for a producer. */
  open(signal: AbortSignal): Promise<OpenEntry>
}

export interface OpenEntry {
  readonly header: Header
  /**
   * Reads up to `length` bytes into `buffer` at `offset` and returns how many, behind a promise if it has to wait. The
   * count is a whole number of chunks except at the end; 0 means that the end has come. `length` is a whole number of
   * chunks.
   */
  read(buffer: Buffer, offset: number, length: number): number | Promise<number>
  /** Called after the last read. Throws if the source has changed, shrunk or grown meanwhile. */
  check(): Promise<void>
  close(): Promise<void>
}

/** The header of an entry of which no more than the name is known, such as a pipe. */
export function streamHeader(name: string): Header {
  return { kind: 'file', name, size: null, type: mediaType(name), mtime: null, mode: null }
}

/** A source that is its own single entry. */
export abstract class SingleSource implements Source, Entry {
  abstract readonly label: string
  abstract readonly path: string
  abstract readonly name: string
  abstract readonly isOnce: boolean
  abstract inspect(): Promise<number | null>
  abstract open(signal: AbortSignal): Promise<OpenEntry>

  async *entries(): AsyncGenerator<Entry> {
    yield this
  }

  /** Most sources hold nothing open before they are opened. */
  release(): void {}
}
