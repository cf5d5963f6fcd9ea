/** What a bar looks like: one row for each file, with what is known of it in columns that stand below each other. */
import stringWidth from 'string-width'
import { formatBytes, formatDuration } from './format.js'
import { type Pace, percent } from './progress.js'

/** One column to the right of the name, and of the track where there is one. */
interface Column {
  text(pace: Pace): string
  /** What it takes at least, so that it does not move with every digit. */
  least: number
}

const known = ({ bytes, size }: Pace) => (size === null ? '' : percent(bytes, size))
const share: Column = { text: known, least: 5 }
/** Where there is no column for the amount, it stands in for a share that nobody knows. */
const shareOrAmount: Column = { text: (pace) => known(pace) || formatBytes(pace.bytes), least: 5 }
const amount: Column = {
  text: ({ bytes, size }) =>
    size === null ? `${formatBytes(bytes)} of ?` : `${formatBytes(bytes)}/${formatBytes(size)}`,
  least: 15,
}
const speed: Column = { text: ({ rate }) => `${formatBytes(rate)}/s`, least: 9 }
const left: Column = { text: ({ left }) => (left === null ? '' : formatDuration(left)), least: 4 }

/** What is shown, from wide terminals to narrow ones, and how many columns of a long name must still be seen beside it. */
const layouts: { columns: Column[]; hasTrack: boolean; name: number }[] = [
  { columns: [share, amount, speed, left], hasTrack: true, name: 24 },
  { columns: [share, amount, speed, left], hasTrack: false, name: 20 },
  { columns: [shareOrAmount, speed, left], hasTrack: false, name: 12 },
  { columns: [shareOrAmount, left], hasTrack: false, name: 8 },
  { columns: [shareOrAmount], hasTrack: false, name: 0 },
]

const [LEAST_TRACK, MOST_TRACK] = [10, 40]

/** A row for each pace, in at most `columns` columns. A name that does not fit is cut. */
export function barRows(paces: readonly Pace[], columns: number): string[] {
  const room = columns - 1
  const longest = Math.max(...paces.map(({ name }) => stringWidth(name)))
  const areAllUnknown = paces.every(({ size }) => size === null)
  for (const layout of layouts) {
    if (layout.hasTrack && areAllUnknown) continue
    const cells = layout.columns.map((column) => alignRight(paces.map(column.text), column.least))
    const facts = paces.map((_, row) => cells.map((column) => `  ${column[row]}`).join(''))
    const track = layout.hasTrack ? LEAST_TRACK + 2 : 0
    const free = room - Number(facts[0]?.length) - track
    if (free < Math.min(longest, layout.name)) continue
    const width = Math.min(longest, Math.max(0, free))
    return paces.map((pace, row) => {
      const bar = layout.hasTrack ? drawTrack(pace, LEAST_TRACK + free - width) : ''
      return fitText(`${padText(fitText(pace.name, width), width)}${bar}${facts[row]}`, room).trimEnd()
    })
  }
  return paces.map(({ name }) => fitText(name, room))
}

function alignRight(texts: readonly string[], least: number): string[] {
  const width = Math.max(least, ...texts.map((text) => text.length))
  return texts.map((text) => text.padStart(width))
}

/** The track of a file whose size nobody knows is left blank. */
function drawTrack({ bytes, size }: Pace, room: number): string {
  const width = Math.min(MOST_TRACK, room) - 2
  if (size === null) return ' '.repeat(width + 4)
  const done = Math.floor(Math.min(1, bytes / size) * width)
  return `  [${'='.repeat(done)}${' '.repeat(width - done)}]`
}

function padText(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)))
}

/** `text` in at most `width` columns, with an ellipsis where it was cut; wide characters count double. */
export function fitText(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  if (width <= 0) return ''
  let kept = ''
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(kept + segment) > width - 1) break
    kept += segment
  }
  return `${kept}…`
}
