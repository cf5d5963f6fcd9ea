/** Lays out the line that a person types on the rows of a terminal. */
import stringWidth from 'string-width'
import { printable } from '../text.js'

/** A laid out line. */
export interface Layout {
  /** The text of each row, of which none is wider than the terminal. */
  rows: string[]
  /** The index of the row in which the cursor is. */
  row: number
  /** The column of the cursor, counted from 0. */
  column: number
}

const graphemes = new Intl.Segmenter()

/** A character as it is shown: one that a terminal could obey is a replacement, and a tab is a space. */
function shown(character: string): string {
  return character === '\t' ? ' ' : printable(character) === character ? character : '\ufffd'
}

/**
 * Lays out `text` on rows of `columns` columns. What a person sees as one character is never divided, even if it takes
 * two columns or consists of several code points.
 *
 * @param cursor the index in `text` before which the cursor stands
 */
export function layOut(text: string, cursor: number, columns: number): Layout {
  const rows = ['']
  let column = 0
  let found: { row: number; column: number } | undefined
  for (const { segment, index } of graphemes.segment(text)) {
    const character = shown(segment)
    const width = stringWidth(character)
    if (column + width > columns && column > 0) {
      rows.push('')
      column = 0
    }
    if (cursor < index + segment.length) found ??= { row: rows.length - 1, column }
    rows[rows.length - 1] += character
    column += width
  }
  if (!found && column >= columns) {
    rows.push('')
    column = 0
  }
  return { rows, ...(found ?? { row: rows.length - 1, column }) }
}

/** The number of rows that `text` takes. */
export function heightOf(text: string, columns: number): number {
  return layOut(text, -1, columns).rows.length
}

/** The `height` rows of a layout around the cursor, if it has more. */
export function around({ rows, row, column }: Layout, height: number): Layout {
  const first = Math.max(0, row + 1 - height)
  return { rows: rows.slice(first, first + height), row: row - first, column }
}
