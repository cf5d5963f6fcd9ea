/** The messages of both directions as values. `parsers.ts` makes them from a peer's JSON; `encode.ts` writes them. */
import type { CompressedPiece } from './compressed.js'

/** The type of each frame: one ASCII letter. Letters in lower case are ancillary (frames.ts); none is defined yet. */
export const frameTypes = {
  greeting: 'G',
  header: 'H',
  data: 'D',
  compressed: 'Z',
  end: 'E',
  abort: 'A',
  finished: 'F',
  digests: 'V',
  position: 'P',
  stored: 'S',
  refused: 'R',
  wanted: 'W',
  listed: 'I',
  bundle: 'U',
  heartbeat: 'B',
} as const

export type FrameName = keyof typeof frameTypes

/** Opens each direction. */
export interface Greeting {
  version: number
  /** The digest that this side computes and compares: SHA-256 if it is `sha256`, otherwise BLAKE3. */
  digest?: string
  /** The program, for a person who reads an error. */
  software?: string
}

/** Opens the sender's direction. */
export interface SenderGreeting extends Greeting {
  /** Names the transfer, so that it can go on over another connection: 32 hexadecimal digits that nobody can guess. */
  transfer?: string
  /** Names this connection, so that others can join it in a bundle: 32 hexadecimal digits that nobody can guess. */
  bundle?: string
  /** This connection joins the one of that name. */
  join?: string
}

/** Opens the receiver's direction. */
export interface ReceiverGreeting extends Greeting {
  /** What this receiver can do beyond version 1. A sender may use only what it finds here. */
  features: readonly string[]
  /** For a receiver that has dialled: how long that took, in milliseconds. */
  rtt?: number
  /** As in the sender's greeting. */
  join?: string
}

/** The last frame before the stream of this direction goes on over a bundle of connections (bundle-frames.ts). */
export interface Bundling {
  /** How many connections the sender wants in all. Only in its first connection. */
  connections?: number
}

/** What has come over a connection of a bundle. */
export interface Received {
  /** The number of blocks. */
  blocks: number
  /** The other side may send what is before this place in its stream. */
  limit: number
}

/** The stream of a direction of a bundle is complete. */
export interface Ended {
  bytes: number
}

/** The kinds of entry. A file or directory is stored; a message is shown and not stored. */
export const entryKinds = ['file', 'message', 'directory'] as const

export type EntryKind = (typeof entryKinds)[number]

/** The feature of a receiver that takes directories. */
export const DIRECTORIES = 'directories'

/** The feature of a receiver that keeps the complete files of a directory which was not completed. */
export const KEPT_DIRECTORIES = 'kept-directories'

/** The feature of a receiver that keeps the beginning of a file which was not completed, and lets a sender go on. */
export const RESUME = 'resume'

/** The feature of a receiver that takes one stream over several connections. */
export const BUNDLE = 'bundle'

/** The feature of a receiver that replaces files: a sender need send only what differs from the file of that name. */
export const DELTA = 'delta'

/** The same receiver keeps something now, so it is worth a round trip to ask for it. */
export const KEPT = 'kept'

/** The feature of a receiver that lets a sender go on with a directory of which it keeps files. */
export const RESUME_DIRECTORIES = 'resume-directories'

/**
 * What a sender asks before it sends something that the receiver may have in part: which bytes of a file it wants, by how
 * many it has (`offset`), by the digests of all segments (`compare`), or by those of all chunks, which it may have in the
 * file that will be replaced (`delta`); which files of a directory it has (`list`).
 */
export const resumeWays = ['offset', 'compare', 'delta', 'list'] as const

export type ResumeWay = (typeof resumeWays)[number]

/** Announces an entry. Entries are numbered from 0 by the order of their headers in the connection. */
export interface Header {
  /** On the wire `!kind`, and absent for a file: a receiver that ignored it would store what is not a file as one. */
  kind: EntryKind
  name: string
  /** Bytes; null when the sender cannot know, as with standard input. */
  size: number | null
  /** The MIME type, as the sender gives it. */
  type: string
  /** Milliseconds since 1970, or null. */
  mtime: number | null
  /** Permission bits, or null. The receiver keeps only 0o777 of them. */
  mode: number | null
  /** The number of the entry in the transfer, if it is not that in the connection. */
  id?: number
  /** Stands for the path of a file on its machine, so that the receiver knows it again: 32 hexadecimal digits. */
  source?: string
  /** Stands for the content of the file, as far as its attributes show it: another one means that it has changed. */
  edition?: string
  /** If the sender waits for a `wanted`. */
  resume?: ResumeWay
}

/** A header as a receiver reads it. */
export interface ReceivedHeader extends Header {
  /** What this side would have to understand and does not, as one line for a person: the entry must be refused. */
  unsupported?: string
}

/** Closes an entry: all its bytes have been sent. Digests are 64 lower-case hexadecimal digits. */
export interface End {
  bytes: number
  /** The BLAKE3 of all the entry's bytes; null from a sender that cannot compute it. */
  blake3: string | null
  /** The SHA-256 of all the entry's bytes, for a side without BLAKE3. */
  sha256?: string
  /** The digest of the payload of the entry's header frame: BLAKE3 if `blake3` is there, otherwise SHA-256. */
  header?: string
}

/** The sender gives up the current entry or, with `entry` null, the whole transfer. */
export interface Abort {
  entry: number | null
  /** The finer cause: a word of the table `reasons`, or one that a newer peer has. */
  reason: string
  /** One line for a person. */
  message: string
}

/** Follows the last entry: how many there were. */
export interface Finished {
  entries: number
}

/** The BLAKE3 of one segment or chunk after the other, or of one kept file of a directory after the other. */
export interface Digests {
  digests: readonly string[]
  /** The bytes of each chunk. Absent for segments and files. */
  lengths?: readonly number[]
  /** With the first chunks: the BLAKE3 of `SAMPLE` bytes at as many places, spread evenly over the file. */
  samples?: readonly string[]
}

/** Where in the file the next data belong. */
export interface Position {
  offset: number
}

/** What the receiver wants of a file that it has in part. */
export interface Wanted {
  entry: number
  /** The beginning and the end of each range, in ascending order. */
  ranges: readonly number[]
  /** True if the receiver has thrown away a part of another edition. */
  changed?: boolean
  /** True if another frame of this kind follows. */
  more?: boolean
}

/** The number of bytes in the ranges. */
export function bytesIn(ranges: Wanted['ranges']): number {
  return ranges.reduce((sum, end, index) => (index % 2 === 0 ? sum - end : sum + end), 0)
}

/** Files that the receiver has of a directory. */
export interface Listed {
  entry: number
  /** For each file its size, its modification time and its path, with a space between them. */
  items: readonly string[]
  /** True if another frame of this kind follows. */
  more?: boolean
}

/** The receiver has the entry: verified, durable, under its final name. */
export interface Stored {
  entry: number
  name: string
  bytes: number
  /** The BLAKE3 of the bytes that it stored; null from a receiver that cannot compute it. Or else their SHA-256. */
  blake3: string | null
  sha256?: string
  /** True if it had a file with the same content under that name, and has stored no other one. */
  reused?: boolean
}

/** The receiver does not take the entry or, with `entry` null, the whole transfer. The fields are those of an abort. */
export interface Refused {
  entry: number | null
  reason: string
  message: string
}

/** Says that a side is there and, from a receiver, how much it has of the current entry. */
export interface Heartbeat {
  entry?: number
  bytes?: number
}

/** What the sender's direction consists of, in the order that `SenderDecoder` checks. */
export type SenderMessage =
  | ({ frame: 'greeting' } & SenderGreeting)
  | ({ frame: 'header' } & ReceivedHeader)
  | { frame: 'data'; bytes: Buffer }
  | ({ frame: 'compressed' } & CompressedPiece)
  | ({ frame: 'digests' } & Digests)
  | ({ frame: 'position' } & Position)
  | ({ frame: 'end' } & End)
  | ({ frame: 'abort' } & Abort)
  | ({ frame: 'finished' } & Finished)
  | ({ frame: 'bundle' } & Bundling)
  | { frame: 'heartbeat' }
  | { frame: 'ancillary' }

/** What the receiver's direction consists of. */
export type ReceiverMessage =
  | ({ frame: 'greeting' } & ReceiverGreeting)
  | ({ frame: 'stored' } & Stored)
  | ({ frame: 'refused' } & Refused)
  | ({ frame: 'wanted' } & Wanted)
  | ({ frame: 'listed' } & Listed)
  | ({ frame: 'bundle' } & Bundling)
  | ({ frame: 'heartbeat' } & Heartbeat)
  | { frame: 'ancillary' }
