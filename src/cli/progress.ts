/** Progress for people who read a log: how each file comes along, now and then as a line. `bars.ts` is for terminals. */
import type { ProgressEvent, TransferEvent } from '../events.js'
import { printable } from '../text.js'
import { formatBytes, formatDuration } from './format.js'

/** Shows events as they come, and prints lines without tearing what is shown. */
export interface Progress {
  update(event: TransferEvent): void
  /** What is to be known of many files together; null when there is nothing. */
  status(text: string | null): void
  line(text: string): void
  /** Calls `write`, which writes lines to the same terminal by itself. */
  around(write: () => void): void
  /** Shows nothing but lines until `resume`: another program writes to the same terminal. */
  pause(): void
  resume(): void
  stop(): void
}

/** How one file comes along. For a sender this is what the receiver has, where the receiver says so. */
export interface Pace {
  name: string
  bytes: number
  size: number | null
  /** Bytes a second since the start. */
  rate: number
  /** Seconds left; null if unknown. */
  left: number | null
}

/** When a file began, how much of it there is, and since when: a receiver tells only now and then what it has. */
interface Course {
  start: number
  bytes: number
  at: number
}

/** Follows the pace of each file by its events. */
export class Paces {
  readonly #courses = new Map<string, Course>()

  static key(event: { transfer: number; name?: string }): string {
    return `${event.transfer} ${event.name}`
  }

  /** The pace at this event; null for a file's first event, which can tell none. */
  follow(event: ProgressEvent): Pace | null {
    const key = Paces.key(event)
    const now = performance.now()
    const course = this.#courses.get(key)
    if (course === undefined || event.bytes === 0) {
      this.#courses.set(key, { start: now, bytes: 0, at: now })
      return null
    }
    const { name, size } = event
    const bytes = event.received ?? event.bytes
    if (bytes !== course.bytes) Object.assign(course, { bytes, at: now })
    const rate = bytes === 0 ? 0 : bytes / ((course.at - course.start) / 1000)
    const left = size === null || rate === 0 ? null : Math.max(0, (size - bytes) / rate - (now - course.at) / 1000)
    return { name: printable(name), bytes, size, rate, left }
  }

  /** Ends what this event ends, a file or all files of a transfer, and returns the keys. */
  forget(event: TransferEvent): string[] {
    if (!('transfer' in event) || event.event === 'connected' || event.event === 'message') return []
    const ended =
      'name' in event && event.name !== undefined
        ? [Paces.key({ transfer: event.transfer, name: event.name })]
        : [...this.#courses.keys()].filter((key) => key.startsWith(`${event.transfer} `))
    for (const key of ended) this.#courses.delete(key)
    return ended
  }
}

/** The time between two lines about one file, in milliseconds. */
const LINE_INTERVAL = 10_000

/** For logs: a line every ten seconds about each file that takes so long. */
export class LineProgress implements Progress {
  readonly #print: (text: string) => void
  readonly #interval: number
  readonly #paces = new Paces()
  readonly #next = new Map<string, number>()
  #nextStatus: number | null = null

  constructor(print: (text: string) => void, interval = LINE_INTERVAL) {
    this.#print = print
    this.#interval = interval
  }

  update(event: TransferEvent): void {
    if (event.event === 'progress') {
      const pace = this.#paces.follow(event)
      const key = Paces.key(event)
      const now = performance.now()
      if (pace === null) this.#next.set(key, now + this.#interval)
      else if (now >= Number(this.#next.get(key))) {
        this.#next.set(key, now + this.#interval)
        this.#print(paceLine(pace))
      }
    } else {
      for (const key of this.#paces.forget(event)) this.#next.delete(key)
    }
  }

  status(text: string | null): void {
    const now = performance.now()
    if (text === null) this.#nextStatus = null
    else if (this.#nextStatus === null) this.#nextStatus = now + this.#interval
    else if (now >= this.#nextStatus) {
      this.#nextStatus = now + this.#interval
      this.#print(text)
    }
  }

  line(text: string): void {
    this.#print(text)
  }

  around(write: () => void): void {
    write()
  }

  pause(): void {}

  resume(): void {}

  stop(): void {}
}

/** `file.iso: 45 %, 1.20 GB of 2.66 GB, 98.3 MB/s, 0:14 left`; for an unknown size just what is known. */
function paceLine({ name, bytes, size, rate, left }: Pace): string {
  const speed = `${formatBytes(rate)}/s`
  if (size === null) return `${name}: ${formatBytes(bytes)} of unknown size, ${speed}`
  const ahead = left === null ? '' : `, ${formatDuration(left)} left`
  return `${name}: ${percent(bytes, size)}, ${formatBytes(bytes)} of ${formatBytes(size)}, ${speed}${ahead}`
}

export function percent(bytes: number, size: number): string {
  return `${Math.floor((100 * bytes) / size)} %`
}
