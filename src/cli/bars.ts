/** Progress on a terminal. Loaded only where there is one: what draws the bars takes a while to start. */
import cliProgress, { type SingleBar } from 'cli-progress'
import stringWidth from 'string-width'
import type { TransferEvent } from '../events.js'
import { formatBytes, formatDuration } from './format.js'
import { type Pace, Paces, type Progress, percent } from './progress.js'

const { MultiBar } = cliProgress

/** Bars that are shown at once; with more files than that under way, the others come when a place is free. */
const MOST_BARS = 8

/** For terminals: a bar for each file under way. */
export class BarProgress implements Progress {
  readonly #bars: InstanceType<typeof MultiBar>
  readonly #paces = new Paces()
  readonly #shown = new Map<string, SingleBar>()
  /** For a process that does not wait for its end (a second Ctrl-C): the terminal must get its cursor back. */
  readonly #onExit = () => void this.#bars.stop()

  constructor(stream: NodeJS.WriteStream) {
    process.once('exit', this.#onExit)
    this.#bars = new MultiBar({
      stream,
      format: (_options, _params, payload: { pace: Pace }) => drawBar(payload.pace, stream.columns || 80),
      clearOnComplete: true,
      hideCursor: true,
      // The lines above the bars may be longer than the terminal is wide; the bars never are.
      linewrap: true,
      // Without it the library does not draw a bar again that a line has pushed away.
      forceRedraw: true,
      emptyOnZero: true,
      // The commands end on their own signals; the library's handlers would exit first.
      gracefulExit: false,
    })
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
    process.off('exit', this.#onExit)
    this.#bars.stop()
  }
}

/** One bar in at most `columns` columns. What does not fit is left out: first the bar, then the amount, last the name. */
export function drawBar({ name, bytes, size, rate, left }: Pace, columns: number): string {
  const room = Math.max(20, columns - 1)
  const speed = `${formatBytes(rate)}/s`
  const tail =
    size === null || left === null
      ? [`${formatBytes(bytes)} of ?`, speed]
      : [percent(bytes, size).padStart(5), speed, formatDuration(left)]
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

/** `text` in at most `width` columns, with an ellipsis where it was cut; wide characters count double. */
export function fitText(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  let kept = ''
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(kept + segment) > width - 1) break
    kept += segment
  }
  return `${kept}…`
}
