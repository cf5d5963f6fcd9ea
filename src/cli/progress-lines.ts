/** Displays of progress without bars: as lines in a log, or not at all. */
import type { TransferEvent } from '../events.js'
import { formatBytes, formatDuration } from './format.js'
import {
  type FileProgress,
  filesText,
  type ProgressDisplay,
  ProgressTracker,
  percent,
  type TreeProgress,
} from './progress.js'

/** Prints lines and no progress. */
export class NoProgress implements ProgressDisplay {
  readonly #print: (text: string) => void

  /** @param print prints one line */
  constructor(print: (text: string) => void) {
    this.#print = print
  }

  update(_event: TransferEvent): void {}

  status(_text: string | null): void {}

  line(text: string): void {
    this.#print(text)
  }

  writeAbove(write: () => void): void {
    write()
  }

  pause(): void {}

  resume(): void {}

  stop(): void {}
}

/** The time between two lines about one file, in milliseconds. */
const LINE_INTERVAL = 10_000

/** Prints a line about each running file every ten seconds. A file that takes less time has no such line. */
export class LineProgress extends NoProgress {
  readonly #interval: number
  readonly #tracker = new ProgressTracker()
  /** When the next line about a file is due, by its key. */
  readonly #nextLines = new Map<string, number>()
  #nextStatus: number | null = null

  /** @param interval the time between two lines about one file, in milliseconds */
  constructor(print: (text: string) => void, interval = LINE_INTERVAL) {
    super(print)
    this.#interval = interval
  }

  override update(event: TransferEvent): void {
    if (event.event === 'progress') {
      const progress = this.#tracker.track(event)
      const key = ProgressTracker.key(event)
      const now = performance.now()
      if (progress === null) this.#nextLines.set(key, now + this.#interval)
      else if (now >= Number(this.#nextLines.get(key))) {
        this.#nextLines.set(key, now + this.#interval)
        this.line(progressLine(progress))
      }
    } else {
      for (const key of this.#tracker.forget(event)) this.#nextLines.delete(key)
    }
  }

  override status(text: string | null): void {
    const now = performance.now()
    if (text === null) this.#nextStatus = null
    else if (this.#nextStatus === null) this.#nextStatus = now + this.#interval
    else if (now >= this.#nextStatus) {
      this.#nextStatus = now + this.#interval
      this.line(text)
    }
  }
}

/** What the bytes are on the wire, if they are compressed. */
function onWire(wire: number | undefined): string {
  return wire === undefined ? '' : `, ${formatBytes(wire)} on the wire`
}

/** Also `project/: 1,234 of 5,600+ files, 1.20 GB, 98.3 MB/s, at src/main.c`. */
function treeLine({ name, bytes, size, rate, secondsLeft, wire }: FileProgress, tree: TreeProgress): string {
  return [
    `${name}: ${size === null ? '' : `${percent(bytes, size)}, `}${filesText(tree)}`,
    size === null ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(size)}`,
    `${formatBytes(rate)}/s${onWire(wire)}`,
    ...(secondsLeft === null ? [] : [`${formatDuration(secondsLeft)} left`]),
    ...(tree.current === '' ? [] : [`at ${tree.current}`]),
  ].join(', ')
}

/** `file.iso: 45 %, 1.20 GB of 2.66 GB, 98.3 MB/s, 0:14 left`, or less if the size is unknown. */
function progressLine(progress: FileProgress): string {
  if (progress.tree) return treeLine(progress, progress.tree)
  const { name, bytes, size, rate, secondsLeft, wire } = progress
  const speed = `${formatBytes(rate)}/s${onWire(wire)}`
  if (size === null) return `${name}: ${formatBytes(bytes)} of unknown size, ${speed}`
  const left = secondsLeft === null ? '' : `, ${formatDuration(secondsLeft)} left`
  return `${name}: ${percent(bytes, size)}, ${formatBytes(bytes)} of ${formatBytes(size)}, ${speed}${left}`
}
