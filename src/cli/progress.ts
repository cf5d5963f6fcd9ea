/**
 * The progress of each file, computed from the `progress` events, and the interface of what displays it.
 *
 * `bars.ts` displays progress as bars on a terminal, `progress-lines.ts` as lines in a log.
 */
import type { ProgressEvent, TransferEvent } from '../events.js'
import { printable } from '../text.js'
import { formatCount, formatFiles } from './format.js'

/** Displays progress on stderr, and prints all other lines there, so that the two do not garble each other. */
export interface ProgressDisplay {
  /** Follows the event: a `progress` event updates a file, the end of a file or transfer removes it. */
  update(event: TransferEvent): void
  /** Displays a text about many files together; null removes it. */
  status(text: string | null): void
  /** Prints a line. */
  line(text: string): void
  /** Calls `write`, which prints complete lines to the same terminal through another stream. */
  writeAbove(write: () => void): void
  /** Hides the progress until `resume`, while another program writes to the same terminal. Lines are still printed. */
  pause(): void
  resume(): void
  /** Removes the progress for good. */
  stop(): void
}

/**
 * How far one file is. On a sender, it counts the bytes that the receiver has acknowledged, if the receiver does so.
 */
export interface FileProgress {
  /** The name of the file, safe to print. */
  name: string
  bytes: number
  /** Bytes in all; null if unknown. */
  size: number | null
  /** Average bytes per second since the start, without those that were there before. */
  rate: number
  /** Null if unknown. */
  secondsLeft: number | null
  /** The bytes on the wire. Undefined if nothing was compressed. */
  wire?: number
  /** Null for a file. */
  tree: TreeProgress | null
}

/** What there is to know of a directory besides. */
export interface TreeProgress {
  files: number
  /** Files in all, and their bytes. While `isComplete` is false, there are at least so many. Null if unknown. */
  known: { files: number; bytes: number; isComplete: boolean } | null
  /** The path of the current file, safe to print. */
  current: string
}

/** The start of a file, and the latest change of its byte count: a receiver acknowledges bytes only at intervals. */
interface Course {
  startedAt: number
  bytes: number
  changedAt: number
}

/** Computes the progress of each file from its events. */
export class ProgressTracker {
  readonly #courses = new Map<string, Course>()

  /** Identifies the file of an event within this process. */
  static key(event: { transfer: number; name?: string }): string {
    return `${event.transfer} ${event.name}`
  }

  /** The progress of a file at this event; null for the first event of a file, which has no rate yet. */
  track(event: ProgressEvent): FileProgress | null {
    const key = ProgressTracker.key(event)
    const now = performance.now()
    const course = this.#courses.get(key)
    const { resumed = 0 } = event
    // A directory of empty files stays at 0 bytes. Its first event has no files.
    if (course === undefined || (event.bytes === resumed && event.files === undefined)) {
      this.#courses.set(key, { startedAt: now, bytes: resumed, changedAt: now })
      return null
    }
    const tree = treeOf(event)
    const name = tree ? `${event.name}/` : event.name
    const size = event.size ?? (tree?.known?.isComplete && tree.known.bytes > 0 ? tree.known.bytes : null)
    // A peer may forget in its report what it had before.
    const bytes = Math.max(resumed, event.received ?? event.bytes)
    if (bytes !== course.bytes) Object.assign(course, { bytes, changedAt: now })
    const moved = bytes - resumed
    const rate = moved === 0 ? 0 : moved / ((course.changedAt - course.startedAt) / 1000)
    const unknown = size === null || rate === 0
    const secondsLeft = tree
      ? treeSecondsLeft({ bytes, moved }, tree, (now - course.startedAt) / 1000)
      : unknown
        ? null
        : Math.max(0, (size - bytes) / rate - (now - course.changedAt) / 1000)
    const { wire } = event
    return { name: printable(name), bytes, size, rate, secondsLeft, tree, ...(wire === undefined ? {} : { wire }) }
  }

  /**
   * Forgets the files that this event ends: one file, or all files of a transfer. While a side waits for another try,
   * nothing moves. Returns their keys.
   */
  forget(event: TransferEvent): string[] {
    if (event.event === 'waiting') {
      const all = [...this.#courses.keys()]
      this.#courses.clear()
      return all
    }
    if (!('transfer' in event) || event.event === 'connected' || event.event === 'message') return []
    // The directory goes on.
    if ('directory' in event) return []
    const ended =
      'name' in event && event.name !== undefined
        ? [ProgressTracker.key({ transfer: event.transfer, name: event.name })]
        : [...this.#courses.keys()].filter((key) => key.startsWith(`${event.transfer} `))
    for (const key of ended) this.#courses.delete(key)
    return ended
  }
}

function treeOf({
  files,
  current = '',
  filesKnown,
  bytesKnown = 0,
  allKnown = false,
}: ProgressEvent): TreeProgress | null {
  if (files === undefined) return null
  const known = filesKnown === undefined ? null : { files: filesKnown, bytes: bytesKnown, isComplete: allKnown }
  return { files, known, current: printable(current) }
}

/** A file takes about as long as so many bytes, besides those that it has. */
const BYTES_PER_FILE = 32 * 1024

/** Many small files can come behind a few large ones, so the files count as well as the bytes. */
function treeSecondsLeft(
  { bytes, moved }: { bytes: number; moved: number },
  { files, known }: TreeProgress,
  seconds: number,
): number | null {
  if (!known?.isComplete) return null
  const done = moved + BYTES_PER_FILE * files
  return done === 0 ? null : (seconds * (known.bytes - bytes + BYTES_PER_FILE * (known.files - files))) / done
}

/** `1,234 of 5,678 files`; `1,234 of 5,600+ files` while they are still being counted; `1,234 files` if unknown. */
export function filesText({ files, known }: TreeProgress): string {
  if (known === null) return formatFiles(files)
  return `${formatCount(files)} of ${formatCount(known.files)}${known.isComplete ? '' : '+'} files`
}

/** The share of `size` as a whole percentage, rounded down: `45 %`. */
export function percent(bytes: number, size: number): string {
  return `${Math.floor((100 * bytes) / size)} %`
}
