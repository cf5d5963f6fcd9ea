/**
 * The events of a transfer, for `onEvent` and, with the schema version `v`, for `--json`. README.md documents every field,
 * and a test compares. Fields are added, never changed: what would break a reader needs a new version.
 */
import type { ErrorCode, Reason } from './errors.js'

/** The version of the event schema. */
export const EVENTS_VERSION = 1

/** This side listens for connections. */
export interface ListeningEvent {
  event: 'listening'
  /** The address and port it listens on. `::` means all interfaces. */
  address: string
  port: number
  /** The number of keys, one of which a peer must have, the fingerprint of a single one, or the words of a code. */
  keys?: number
  fingerprint?: string
  words?: string
}

/** This side waits for another try. Nothing has failed for good. */
export interface WaitingEvent {
  event: 'waiting'
  /** The role of the peer, which may try again after a failed transfer or does not listen yet. */
  for: 'sender' | 'receiver'
  /** The longest waiting time, in seconds. */
  seconds: number
  /** The cause of the wait, as one line for a person. */
  message: string
}

/** What every event of a transfer has. */
interface OfTransfer {
  /** The number of the connection in this call, from 1. */
  transfer: number
}

/** A transfer has begun over a connection. */
export interface ConnectedEvent extends OfTransfer {
  event: 'connected'
  /** `address:port` of the peer. */
  peer: string
  /** The name, if it has one, and the fingerprint of the key that both sides have proved. */
  key?: string
  fingerprint?: string
}

/** How the bytes of a file or directory have moved. */
interface Moved extends OfTransfer {
  /** The bytes that the receiver had: kept from an earlier transfer, or in a file that is replaced. Absent if none. */
  resumed?: number
  /** The bytes that went over the connection for the others. Absent if nothing was compressed. */
  wire?: number
}

/** The progress of a file or directory. */
export interface ProgressEvent extends Moved {
  event: 'progress'
  /** The name that the sender offers. */
  name: string
  /** The number of bytes sent or received so far. 0 in the first event of a file. */
  bytes: number
  /** The size in bytes. Null if unknown. */
  size: number | null
  /** For a sender: the bytes that the receiver has reported, less than `bytes`. Absent before the first report. */
  received?: number
  /** For a directory: the number of files so far. */
  files?: number
  /** For a directory: the path of the current file, from the directory on. */
  current?: string
  /** For the sender of a directory: the files found in it so far, and their bytes. Absent if that is not known. */
  filesKnown?: number
  bytesKnown?: number
  /** True if those are all files. While it is false, the directory is still being counted. */
  allKnown?: boolean
}

/** What is known of every file or directory that is finished. */
interface Finished extends Moved {
  /** The name that the sender offered. */
  name: string
  /** The size in bytes, and the BLAKE3 digest: 64 lower-case hexadecimal digits. */
  size: number
  blake3: string
  /** The MIME type that the sender announced. */
  type: string
  /** False if nothing has shown that the file is complete: a plain stream that was cut looks like one that ended. */
  verified: boolean
  /** For a directory: the number of files in it. `size` is their total size, `blake3` the digest of the directory. */
  files?: number
  /** For a file in a directory: the name that the sender offered for the directory. */
  directory?: string
  /** True if the receiver had a file with the same content under that name, and has stored no other one. */
  reused?: boolean
}

/** `address:port` of the sender, and the name of its key if it has one. */
interface FromSender {
  peer: string
  key?: string
}

/** A receiver has stored a file or directory. */
export interface StoredEvent extends Finished, FromSender {
  event: 'stored'
  /** The final path, inside `out` as given. `-` if `out` is a stream. */
  path: string
  /** The duration from the header to the final name, in seconds, to the millisecond. */
  seconds: number
}

/** A message has come instead of a file. Nothing is stored. */
export interface MessageEvent extends OfTransfer, FromSender {
  event: 'message'
  /** The text as it came. It must be escaped before a terminal shows it. */
  text: string
}

/** A sender has sent a file, a directory or a message. The receiver has confirmed the digest if it is `verified`. */
export interface SentEvent extends Finished {
  event: 'sent'
  /** The local path (`-` for a stream or a message), and the name that the receiver gave it, empty if it tells none. */
  path: string
  storedAs: string
  /** The duration from the header to the confirmation, in seconds, to the millisecond. */
  seconds: number
}

/** What a refusal and a failure have. */
interface Problem {
  /** The class and the finer cause. `refused`, unless a refused connection failed before the peer offered anything. */
  code: ErrorCode
  reason: Reason
  /** One line for a person. */
  message: string
  /** How many other connections were refused before this one and, because there were so many, only counted. */
  others?: number
}

/** A receiver has refused a file, a transfer or a connection. */
export interface RefusedEvent extends OfTransfer, Problem {
  event: 'refused'
  /** `address:port` of the peer. */
  peer: string
  /** The name of the file. Absent if no file was named. */
  name?: string
  /** For something in a directory: the name that the sender offered for the directory. */
  directory?: string
}

/** A file, a transfer or the call has failed. */
export interface FailedEvent extends Problem {
  event: 'failed'
  /** The number of the connection in this call, from 1. 0 if the failure belongs to no connection. */
  transfer: number
  /** The name of the file. Absent if the failure belongs to no file. */
  name?: string
  /** For something in a directory: the name that is offered for the directory. */
  directory?: string
  /** The path where a receiver keeps what has come of a file or, with a slash at its end, of a directory. */
  kept?: string
}

/** A transfer has ended. Each event `connected` is followed by one of these. */
export interface EndedEvent extends OfTransfer {
  event: 'ended'
  /** The number of files stored, or of files and messages sent, over this connection, and their size in bytes. */
  files: number
  bytes: number
  /** True if nothing has failed and nothing was refused. */
  complete: boolean
  /** The largest number of connections that it had. Absent if it was one. */
  connections?: number
  /** The duration in seconds, to the millisecond. */
  seconds: number
}

/** Something that `list` found, and that would be sent. */
export interface ListedEvent {
  event: 'listed'
  /** The local path (`-` for a stream or a message), and the name to offer. In a directory: with the path in it. */
  path: string
  name: string
  /** What it is. A pipe counts as a file. */
  kind: 'file' | 'directory' | 'symlink' | 'message'
  /** The size of a file or message in bytes. Null if unknown, and for everything else. */
  size: number | null
  /** For something in a directory: the name to offer for the directory. */
  directory?: string
}

/** Something that a receiver has kept because it was not completed: `listPartial` has found it, or `cleanPartial` removed it. */
export interface PartialEvent {
  event: 'partial'
  /** The name that the sender offered. */
  name: string
  kind: 'file' | 'directory'
  /** The number of bytes that are there, and the size of the complete file. Null for a directory. */
  bytes: number
  size: number | null
  /** Where it is (a directory: with its complete files), and how long ago it broke off, in seconds. */
  path: string
  seconds: number
  /** The key of its sender: the name, or the fingerprint of a key without one. */
  key?: string
}

/** Nothing has failed, but there is something to know. */
export interface WarningEvent {
  event: 'warning'
  /** `no-permissions`: others may access files meanwhile. `same-name`: for several sources. `key`: it cannot be used. `changed`, `damaged`: a file cannot go on where it stopped. `uncompressed`: the receiver cannot inflate. */
  reason: 'no-permissions' | 'same-name' | 'key' | 'changed' | 'damaged' | 'uncompressed'
  message: string
}

/** The call has ended. This is always the last event. */
export interface DoneEvent {
  event: 'done'
  /** As in the summary. */
  files: number
  bytes: number
  /** The duration of the call in seconds, to the millisecond. */
  seconds: number
  /** The exit status of the commands. 0 means success. */
  exitCode: number
}

/** Any event. The field `event` tells which one. */
export type TransferEvent =
  | ListeningEvent
  | WaitingEvent
  | ConnectedEvent
  | ProgressEvent
  | StoredEvent
  | MessageEvent
  | SentEvent
  | RefusedEvent
  | FailedEvent
  | EndedEvent
  | ListedEvent
  | PartialEvent
  | WarningEvent
  | DoneEvent

/**
 * Called for every event, in order. If it throws, the call of `send` or `receive` rejects. If it cannot take more for
 * now, it may return a promise: the transfer then begins no other entry until the promise settles.
 */
export type OnEvent = (event: TransferEvent) => unknown
