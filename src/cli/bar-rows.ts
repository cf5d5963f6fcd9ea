/**
 * The layout of progress bars: one row for each file, with its name, a bar and columns of figures.
 *
 * All rows share one layout, so that their columns line up. `layouts` lists the layouts from wide to narrow terminals;
 * the first one that leaves enough room for the names is used.
 */
import stringWidth from 'string-width'
import { formatBytes, formatDuration } from './format.js'
import { type FileProgress, filesText, percent } from './progress.js'

/** A column of figures, right of the name and the bar. */
interface Column {
  text(progress: FileProgress): string
  /** The least width, so that the column does not move with every digit. */
  minWidth: number
}

const shareText = ({ bytes, size }: FileProgress) => (size === null ? '' : percent(bytes, size))
const share: Column = { text: shareText, minWidth: 5 }
/** For layouts without a column for the amount: a file of unknown size shows its amount instead of its share. */
const shareOrAmount: Column = { text: (progress) => shareText(progress) || formatBytes(progress.bytes), minWidth: 5 }
const amount: Column = {
  text: ({ bytes, size, tree }) => {
    if (size !== null) return `${formatBytes(bytes)}/${formatBytes(size)}`
    return tree?.known ? `${formatBytes(bytes)}/${formatBytes(tree.known.bytes)}+` : `${formatBytes(bytes)} of ?`
  },
  minWidth: 15,
}
const speed: Column = { text: ({ rate }) => `${formatBytes(rate)}/s`, minWidth: 9 }
const left: Column = {
  text: ({ secondsLeft }) => (secondsLeft === null ? '' : formatDuration(secondsLeft)),
  minWidth: 4,
}

/** The layouts, the widest first. A layout is used if it leaves at least `minName` columns for a long name. */
const layouts: { columns: Column[]; hasBar: boolean; minName: number }[] = [
  { columns: [share, amount, speed, left], hasBar: true, minName: 24 },
  { columns: [share, amount, speed, left], hasBar: false, minName: 20 },
  { columns: [shareOrAmount, speed, left], hasBar: false, minName: 12 },
  { columns: [shareOrAmount, left], hasBar: false, minName: 8 },
  { columns: [shareOrAmount], hasBar: false, minName: 0 },
]

/** The width of a bar with its brackets. */
const [MIN_BAR, MAX_BAR] = [10, 40]

/** A row for each file, each narrower than the `columns` of the terminal. A name that does not fit is cut. */
export function barRows(files: readonly FileProgress[], columns: number): string[] {
  const room = columns - 1
  const longest = Math.max(...files.map(({ name }) => stringWidth(name)))
  const areAllUnknown = files.every(({ size }) => size === null)
  for (const layout of layouts) {
    if (layout.hasBar && areAllUnknown) continue
    const cells = layout.columns.map((column) => alignRight(files.map(column.text), column.minWidth))
    const figures = files.map((_, row) => cells.map((column) => `  ${column[row]}`).join(''))
    const barWidth = layout.hasBar ? MIN_BAR + 2 : 0
    const free = room - Number(figures[0]?.length) - barWidth
    if (free < Math.min(longest, layout.minName)) continue
    const width = Math.min(longest, Math.max(0, free))
    return files.map((file, row) => {
      const bar = layout.hasBar ? drawBar(file, MIN_BAR + free - width) : ''
      return fitText(`${padText(fitText(file.name, width), width)}${bar}${figures[row]}`, room).trimEnd()
    })
  }
  return files.map(({ name }) => fitText(name, room))
}

/** The row below that of a directory; null for a file. */
export function treeRow({ tree }: FileProgress, columns: number): string | null {
  return tree && fitText(`  ${filesText(tree)}${tree.current === '' ? '' : `, ${tree.current}`}`, columns - 1)
}

function alignRight(texts: readonly string[], minWidth: number): string[] {
  const width = Math.max(minWidth, ...texts.map((text) => text.length))
  return texts.map((text) => text.padStart(width))
}

/** A bar of at most `room` columns behind two spaces; blank for a file of unknown size. */
function drawBar({ bytes, size }: FileProgress, room: number): string {
  const width = Math.min(MAX_BAR, room) - 2
  if (size === null) return ' '.repeat(width + 4)
  const done = Math.floor(Math.min(1, bytes / size) * width)
  return `  [${'='.repeat(done)}${' '.repeat(width - done)}]`
}

function padText(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)))
}

/** `text` in at most `width` columns, cut with an ellipsis if it is longer. Wide characters count as two columns. */
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
