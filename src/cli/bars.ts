/**
 * Displays progress as bars on a terminal. This module is only loaded for a terminal, because cli-progress loads
 * slowly.
 *
 * Three parts share the work. cli-progress keeps the list of bars and the redraw timer. `bar-rows.ts` lays out the
 * rows. `screen.ts` puts the rows on the terminal, below the lines.
 */
import { Writable } from 'node:stream'
import cliProgress, { type SingleBar } from 'cli-progress'
import type { TransferEvent } from '../events.js'
import { barRows, fitText, treeRow } from './bar-rows.js'
import { type FileProgress, type ProgressDisplay, ProgressTracker } from './progress.js'
import { Screen } from './screen.js'

const { MultiBar } = cliProgress

/** The largest number of bars. A row below them counts the other files under way. */
const MAX_BARS = 8

/** The time between two drawings, in milliseconds. */
const REDRAW_INTERVAL = 100

/** A file under way, with its latest progress. */
interface TrackedFile {
  progress: FileProgress
}

/** A bar for each file under way, and a row below them for the other files and the status. */
export class BarProgress implements ProgressDisplay {
  readonly #screen: Screen
  readonly #bars: InstanceType<typeof MultiBar>
  readonly #frame = new FrameBuffer()
  readonly #tracker = new ProgressTracker()
  /** The files with known progress by key, the oldest first. */
  readonly #files = new Map<string, TrackedFile>()
  /** The files that have a bar. */
  readonly #shown = new Map<TrackedFile, SingleBar>()
  /** The row of each bar in the current drawing. */
  #rows = new Map<TrackedFile, string>()
  #status: string | null = null
  /** When a status without bars may be drawn again. */
  #nextStatus = 0

  constructor(stream: NodeJS.WriteStream) {
    this.#screen = new Screen(stream)
    this.#bars = new MultiBar({
      // The library draws into a buffer. The screen puts the result on the terminal.
      stream: this.#frame,
      noTTYOutput: true,
      notTTYSchedule: REDRAW_INTERVAL,
      format: (_options, _params, { file }: { file: TrackedFile }) => `${this.#rows.get(file)}`,
      clearOnComplete: true,
      // The signal handlers of the library would exit before the command has ended cleanly.
      gracefulExit: false,
    })
    this.#bars.on('redraw-pre', () => this.#layOut())
    this.#bars.on('redraw-post', () => this.#draw(this.#frame.text.split('\n')))
    this.#screen.onResize(() => (this.#bars.isActive ? this.#bars.update() : this.#draw([])))
  }

  update(event: TransferEvent): void {
    if (event.event === 'progress') {
      const progress = this.#tracker.track(event)
      if (progress) this.#track(ProgressTracker.key(event), progress)
    } else {
      for (const key of this.#tracker.forget(event)) this.#remove(key)
    }
  }

  #track(key: string, progress: FileProgress): void {
    const file = this.#files.get(key)
    if (file) {
      file.progress = progress
      this.#shown.get(file)?.update(progress.bytes)
    } else {
      this.#files.set(key, { progress })
      this.#addBars()
    }
  }

  #remove(key: string): void {
    const file = this.#files.get(key)
    if (!file) return
    this.#files.delete(key)
    const bar = this.#shown.get(file)
    this.#shown.delete(file)
    this.#addBars()
    if (bar) this.#bars.remove(bar)
    if (this.#shown.size === 0) this.#bars.stop()
  }

  /** Creates bars while fewer than `MAX_BARS` are shown, for the oldest files first. */
  #addBars(): void {
    for (const file of this.#files.values()) {
      if (this.#shown.size === MAX_BARS) return
      const { size, bytes } = file.progress
      if (!this.#shown.has(file)) this.#shown.set(file, this.#bars.create(size ?? 0, bytes, { file }))
    }
  }

  /** Lays out all rows before the library asks for each, because the widths of the columns depend on all files. */
  #layOut(): void {
    this.#frame.text = ''
    const files = [...this.#shown.keys()]
    const progress = files.map((file) => file.progress)
    this.#rows = new Map(
      barRows(progress, this.#screen.columns).map((row, index) => [files[index] as TrackedFile, row]),
    )
  }

  /** Shows the rows that the library has drawn, one more for each directory if all have room, and one row with the number of other files and the status. */
  #draw(drawn: string[]): void {
    const { columns, maxRows } = this.#screen
    const bars = drawn.slice(0, this.#shown.size).slice(0, Math.max(1, maxRows - 1))
    const below = [...this.#shown.keys()].slice(0, bars.length).map(({ progress }) => treeRow(progress, columns))
    const hasRoom = bars.length + below.filter((row) => row !== null).length < maxRows
    const rows = bars.flatMap((bar, index) => [bar, ...(hasRoom ? [below[index] ?? []].flat() : [])])
    const more = this.#files.size - bars.length
    const rest = [...(more > 0 ? [`${more} more under way`] : []), ...(this.#status === null ? [] : [this.#status])]
    this.#screen.show([...rows, ...(rest.length > 0 ? [fitText(rest.join('; '), columns - 1)] : [])])
  }

  status(text: string | null): void {
    this.#status = text
    const now = performance.now()
    if (this.#bars.isActive || (text !== null && now < this.#nextStatus)) return
    this.#nextStatus = now + REDRAW_INTERVAL
    this.#draw([])
  }

  line(text: string): void {
    this.#screen.line(text)
  }

  writeAbove(write: () => void): void {
    this.#screen.writeAbove(write)
  }

  pause(): void {
    this.#screen.pause()
  }

  resume(): void {
    this.#screen.resume()
  }

  stop(): void {
    this.#bars.stop()
    this.#screen.show([])
  }
}

/** Keeps what the library draws: a stream of unlimited width that is not a terminal. */
class FrameBuffer extends Writable {
  readonly columns = Number.POSITIVE_INFINITY
  text = ''

  override _write(text: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += text
    done()
  }
}
