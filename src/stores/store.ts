/**
 * The interfaces of the places where a receiver stores entries. A destination exists as long as the receiver, a store
 * as long as one transfer, a sink as long as one entry. Destinations are folders and output streams. The receiver
 * applies its policy before it calls a store. A store refuses only what it cannot hold, and what `--if-exists` forbids.
 */
import type { AtHand } from '../at-hand.js'
import type { Spool } from '../disk/spool.js'
import type { WarningEvent } from '../events.js'
import type { Header } from '../protocol/messages.js'
import type { DirectoryItem, FileItem, KeptItem, SymlinkItem } from '../protocol/tree-messages.js'
import type { ReplacedFile } from './replaced-file.js'

/** A fact about a destination that the user should know. */
export type Warning = Pick<WarningEvent, 'reason' | 'message'>

/** What has come of a file, for the comparison with a file that is there. */
export interface Content {
  /** In bytes. */
  size: number
  /** True if a file of that size has the same digest. `readAt` reads it; it may throw. */
  isIn(readAt: (buffer: Buffer, position: number) => Promise<number>): Promise<boolean>
}

export interface Destination {
  /** True if entries are stored under names. */
  readonly hasNames: boolean
  /** True if a file replaces the one that has its name. Default false. */
  readonly replaces?: boolean
  /** True if the destination takes only one entry. It cannot be opened again after a transfer that has failed. */
  readonly isOnce: boolean
  /** True once the destination has been opened. */
  readonly isUsed: boolean
  /** Called before the first connection. Throws a local-file error if the destination cannot be used. */
  prepare(): Promise<Warning[]>
  /** True if something of this owner is kept. Never throws. */
  hasKept(owner: string): Promise<boolean>
  /**
   * Opens the destination for one transfer. `signal` is aborted when the transfer fails. `owner` tells who has proved
   * which key; only that sender gets what is kept of its files. Empty without a key.
   */
  open(signal: AbortSignal, owner: string): Promise<Store>
  /** Removes the temporary files of this receiver. Called last. Never throws. */
  close(): Promise<void>
}

export interface Store {
  /** Prepares to store one entry. Throws a refusal or a local-file error if the entry cannot be stored. */
  begin(header: Header): Promise<Sink>
  /** The same for a directory. */
  beginTree(header: Header): Promise<TreeSink>
  /** Closes everything that the store has opened. Never throws. */
  close(): Promise<void>
}

/** One entry being stored. After `commit`, `keep` or `discard` only `discard` may be called, and it does nothing then. */
export interface Sink {
  /** How many bytes are there from an earlier transfer, from the start on. They have not been verified. */
  readonly have: number
  /** True if something else was there, of an earlier edition of the file. */
  readonly hasChanged: boolean
  /** Reads bytes that are there into the buffer. Returns how many: fewer only at the end. */
  readAt(buffer: Buffer, position: number): Promise<number>
  /** Opens the file that this one will replace. Null if there is none of use. The caller closes it. Absent: none. */
  openReplaced?(): Promise<ReplacedFile | null>
  /**
   * Writes the bytes at `offset` if that needs no waiting. The caller may reuse the buffer afterwards. Returns false if
   * nothing was written and the caller must use `writeLater` instead.
   */
  write(bytes: Buffer, offset: number): boolean
  /** Writes the bytes at `offset`. The buffer must not change until the promise settles. */
  writeLater(bytes: Buffer, offset: number): Promise<void>
  /**
   * Makes the entry durable and gives it its final name. Discards the entry if that fails, or if a file there is reused:
   * that needs `content`.
   */
  commit(content?: Content): Promise<StoredAs>
  /**
   * Keeps the bytes, without a final name, because the rest has not come. Returns the path on this machine. Null, and
   * nothing is kept, if that is not possible. Never throws.
   */
  keep(): Promise<string | null>
  /** Removes everything that was written. Never throws. */
  discard(): Promise<void>
}

/** One large file of a directory being stored. */
export interface TreeFileSink extends Pick<Sink, 'write' | 'writeLater' | 'discard'> {
  /** Ends the file. It becomes durable with the directory. Only `discard` may follow if that fails. */
  commit(): AtHand<void>
}

/**
 * One directory being stored. Its items come depth first. Each call is made after the promise of the last has settled.
 * The policy has accepted every name, and every symlink stays inside.
 */
export interface TreeSink {
  /** True if something is there from an earlier transfer. */
  readonly isResumed: boolean
  /** What is there from an earlier transfer: size, modification time and path of each file, with spaces between them. */
  list(): AsyncIterable<string>
  /** Says that a file need not come because it is there. Returns false if it is not, or another one. */
  adopt(item: KeptItem): Promise<boolean>
  /** Opens a file that is there, for reading. */
  open(path: string): Promise<number>
  /** Removes files that are there, before `keep`. */
  drop(paths: readonly string[]): Promise<void>
  /** Creates a directory. The items that follow are in it. */
  enter(item: DirectoryItem): Promise<void>
  /** Ends the directory that was entered last. */
  leave(): Promise<void>
  symlink(item: SymlinkItem): Promise<void>
  /** Stores a small file, whose bytes are all there. The buffer must not change until a promise settles. */
  file(item: FileItem, bytes: Buffer): AtHand<void>
  /** Prepares to store a large file. Its sink is committed or discarded before the next item. */
  begin(item: FileItem): AtHand<TreeFileSink>
  /** Makes everything durable and gives the directory its final name. Discards it if that fails. */
  commit(): Promise<StoredAs>
  /**
   * Keeps everything, without a final name, because the rest has not come. Every file has been committed or discarded. Returns the path on this machine. Null, and nothing is kept, if that is not possible. Never
   * throws.
   */
  keep(): Promise<string | null>
  /** Removes everything that was written. Never throws. */
  discard(): Promise<void>
}

export interface StoredAs {
  /** The final name. It is sent to the peer. */
  name: string
  /** The path on this machine. It is never sent to the peer. */
  path: string
  /** True if a file with the same content was there under this name, and stands for the entry. */
  reused?: boolean
  /** The text of a message. A message has neither a name nor a path. */
  text?: string
  /**
   * What was skipped in a directory because the name was taken, in the order of `protocol/order.ts`. Each line is JSON:
   * the path, from the directory on, and whether it is a file and not a symlink.
   */
  skipped?: Spool
}
