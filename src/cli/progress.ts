/** Progress for people: bars on a terminal, now and then a line in a log. */
import type { MultiBar, SingleBar } from 'cli-progress'
import stringWidth from 'string-width'
import type { ProgressEvent, TransferEvent } from '../events.js'
import { printable } from '../text.js'
import { fitText, formatBytes, formatDuration } from './format.js'

/** Shows events as they come. `line` prints a line of its own, without tearing what is shown. */
export interface Progress {
  update(event: TransferEvent): void
  line(text: string): void
  stop(): void
}

/** How one file comes along. */
interface Pace {
  name: string
  bytes: number
  size: number | null
  /** Bytes a second since the start. */
  rate: number
  /** Seconds left; null if unknown. */
  left: number | null
}

/** Follows the pace of each file by its events. */
class Paces {
  readonly #starts = new Map<string, number>()

  static key(event: { transfer: number; name?: string }): string {
    return `${event.transfer} ${event.name}`
  }

  /** The pace at this event; null for a file's first event, which can tell none. */
  follow(event: ProgressEvent): Pace | null {
    const key = Paces.key(event)
    const start = this.#starts.get(key)
    if (start === undefined || event.bytes === 0) {
      this.#starts.set(key, performance.now())
      return null
    }
    const { name, bytes, size } = event
    const rate = bytes / ((performance.now() - start) / 1000)
    return { name: printable(name), bytes, size, rate, left: size === null ? null : (size - bytes) / rate }
  }

  forget(event: { transfer: number; name?: string }): void {
    this.#starts.delete(Paces.key(event))
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
      else if (now >= (this.#next.get(key) ?? 0)) {
        this.#next.set(key, now + this.#interval)
        this.#print(paceLine(pace))
      }
    } else if ('transfer' in event) {
      this.#paces.forget(event)
      this.#next.delete(Paces.key(event))
    }
  }

  line(text: string): void {
    this.#print(text)
  }

  stop(): void {}
}

/** `file.iso: 45 %, 1.20 GB of 2.66 GB, 98.3 MB/s, 0:14 left`; for an unknown size just what is known. */
function paceLine({ name, bytes, size, rate, left }: Pace): string {
  const speed = `${formatBytes(rate)}/s`
  if (size === null || left === null) return `${name}: ${formatBytes(bytes)} of unknown size, ${speed}`
  return `${name}: ${percent(bytes, size)}, ${formatBytes(bytes)} of ${formatBytes(size)}, ${speed}, ${formatDuration(left)} left`
}

function percent(bytes: number, size: number): string {
  return `${Math.floor((100 * bytes) / size)} %`
}

/** Bars that are shown at once; with more files than that under way, the others come when a place is free. */
const MOST_BARS = 8

/** For terminals: a bar for each file under way. */
export class BarProgress implements Progress {
  readonly #bars: MultiBar
  readonly #paces = new Paces()
  readonly #shown = new Map<string, SingleBar>()

  private constructor(bars: MultiBar) {
    this.#bars = bars
  }

  /** The library is loaded only here: a run without a terminal never needs it. */
  static async on(stream: NodeJS.WriteStream): Promise<BarProgress> {
    const { default: cliProgress } = await import('cli-progress')
    return new BarProgress(
      new cliProgress.MultiBar({
        stream,
        format: (_options, _params, payload: { pace: Pace }) => drawBar(payload.pace, stream.columns || 80),
        clearOnComplete: true,
        hideCursor: true,
        linewrap: null,
        emptyOnZero: true,
        // The commands end on their own signals; the library's handlers would exit first.
        gracefulExit: false,
      }),
    )
  }

  update(event: TransferEvent): void {
    if (event.event === 'progress') {
      const pace = this.#paces.follow(event)
      if (pace) this.#show(Paces.key(event), pace)
    } else if ('transfer' in event) {
      this.#paces.forget(event)
      const bar = this.#shown.get(Paces.key(event))
      if (bar) this.#bars.remove(bar)
      this.#shown.delete(Paces.key(event))
    }
  }

  #show(key: string, pace: Pace): void {
    const bar = this.#shown.get(key)
    if (bar) bar.update(pace.bytes, { pace })
    else if (this.#shown.size < MOST_BARS) {
      this.#shown.set(key, this.#bars.create(pace.size ?? 0, pace.bytes, { pace }))
    }
  }

  line(text: string): void {
    this.#bars.log(`${text}\n`)
    // A line is drawn with the next frame of the bars; without a bar there would be none.
    this.#bars.update()
  }

  stop(): void {
    this.#bars.stop()
  }
}

/** One bar in at most `columns` columns. What does not fit is left out: first the bar, then the amount, last the name. */
export function drawBar({ name, bytes, size, rate, left }: Pace, columns: number): string {
  const room = Math.max(20, columns - 1)
  const speed = `${formatBytes(rate)}/s`
  const tail =
    size === null
      ? [`${formatBytes(bytes)} of ?`, speed]
      : [percent(bytes, size).padStart(5), speed, formatDuration(left ?? 0)]
  const wide = size === null ? tail : [tail[0], `${formatBytes(bytes)}/${formatBytes(size)}`, ...tail.slice(1)]
  const facts = (room >= 70 ? wide : tail).join('  ')
  const short = fitText(name, Math.max(8, Math.min(30, room - facts.length - 2)))
  const free = room - stringWidth(short) - facts.length - 4
  const bar = size === null || free < 10 ? '' : `  ${drawTrack(bytes / size, Math.min(free - 2, 40))}`
  return fitText(`${short}${bar}  ${facts}`, room)
}

function drawTrack(share: number, width: number): string {
  const done = Math.floor(Math.min(1, share) * width)
  return `[${'='.repeat(done)}${' '.repeat(width - done)}]`
}
