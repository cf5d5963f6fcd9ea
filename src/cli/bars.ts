/** Progress on a terminal. Loaded only where there is one: what draws the bars takes a while to start. */
import { Writable } from 'node:stream'
import cliProgress, { type SingleBar } from 'cli-progress'
import type { TransferEvent } from '../events.js'
import { barRows, fitText } from './bar-rows.js'
import { type Pace, Paces, type Progress } from './progress.js'
import { Screen } from './screen.js'

const { MultiBar } = cliProgress

/** Bars that are shown at once; with more files than that under way, a row says how many more. */
const MOST_BARS = 8

/** The time between two drawings, in milliseconds. */
const INTERVAL = 100

interface File {
  pace: Pace
}

/** For terminals: a bar for each file under way, and below them what there is to know of the rest. */
export class BarProgress implements Progress {
  readonly #screen: Screen
  readonly #bars: InstanceType<typeof MultiBar>
  readonly #frame = new Frame()
  readonly #paces = new Paces()
  /** The files that have a pace, in the order in which they had one first. */
  readonly #files = new Map<string, File>()
  readonly #shown = new Map<File, SingleBar>()
  #rows = new Map<File, string>()
  #status: string | null = null
  #nextStatus = 0

  constructor(stream: NodeJS.WriteStream) {
    this.#screen = new Screen(stream)
    this.#bars = new MultiBar({
      // The library keeps the bars and the time; its frames are texts that the screen puts on the terminal.
      stream: this.#frame,
      noTTYOutput: true,
      notTTYSchedule: INTERVAL,
      format: (_options, _params, { file }: { file: File }) => `${this.#rows.get(file)}`,
      clearOnComplete: true,
      // The commands end on their own signals; the library's handlers would exit first.
      gracefulExit: false,
    })
    this.#bars.on('redraw-pre', () => this.#layOut())
    this.#bars.on('redraw-post', () => this.#draw(this.#frame.text.split('\n')))
    this.#screen.onResize(() => (this.#bars.isActive ? this.#bars.update() : this.#draw([])))
  }

  update(event: TransferEvent): void {
    if (event.event === 'progress') {
      const pace = this.#paces.follow(event)
      if (pace) this.#follow(Paces.key(event), pace)
    } else {
      for (const key of this.#paces.forget(event)) this.#forget(key)
    }
  }

  #follow(key: string, pace: Pace): void {
    const file = this.#files.get(key)
    if (file) {
      file.pace = pace
      this.#shown.get(file)?.update(pace.bytes)
    } else {
      this.#files.set(key, { pace })
      this.#fill()
    }
  }

  #forget(key: string): void {
    const file = this.#files.get(key)
    if (!file) return
    this.#files.delete(key)
    const bar = this.#shown.get(file)
    this.#shown.delete(file)
    this.#fill()
    if (bar) this.#bars.remove(bar)
    if (this.#shown.size === 0) this.#bars.stop()
  }

  /** Gives free places to the files that have waited longest. */
  #fill(): void {
    for (const file of this.#files.values()) {
      if (this.#shown.size === MOST_BARS) return
      const { size, bytes } = file.pace
      if (!this.#shown.has(file)) this.#shown.set(file, this.#bars.create(size ?? 0, bytes, { file }))
    }
  }

  /** Only all bars together tell how wide their columns are. */
  #layOut(): void {
    this.#frame.text = ''
    const files = [...this.#shown.keys()]
    const paces = files.map(({ pace }) => pace)
    this.#rows = new Map(barRows(paces, this.#screen.columns).map((row, place) => [files[place] as File, row]))
  }

  #draw(drawn: string[]): void {
    const bars = drawn.slice(0, this.#shown.size).slice(0, Math.max(1, this.#screen.mostRows - 1))
    const more = this.#files.size - bars.length
    const rest = [...(more > 0 ? [`${more} more under way`] : []), ...(this.#status === null ? [] : [this.#status])]
    this.#screen.show([...bars, ...(rest.length > 0 ? [fitText(rest.join('; '), this.#screen.columns - 1)] : [])])
  }

  status(text: string | null): void {
    this.#status = text
    const now = performance.now()
    if (this.#bars.isActive || (text !== null && now < this.#nextStatus)) return
    this.#nextStatus = now + INTERVAL
    this.#draw([])
  }

  line(text: string): void {
    this.#screen.line(text)
  }

  around(write: () => void): void {
    this.#screen.around(write)
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

/** Where the library draws: a stream that is no terminal, of any width. */
class Frame extends Writable {
  readonly columns = Number.POSITIVE_INFINITY
  text = ''

  override _write(text: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += text
    done()
  }
}
