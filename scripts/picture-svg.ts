/** Draws terminals that change in time, as one SVG file that repeats itself. Without animation it shows the end. */

/** What a terminal shows from a time on, in milliseconds. */
export interface Frame {
  at: number
  rows: readonly string[]
}

interface Window {
  title: string
  frames: readonly Frame[]
}

/** A row of a terminal with the same text from one time to another. */
interface Shown {
  row: number
  text: string
  from: number
  to: number
}

/** Sizes in pixels. */
const [CHARACTER, LINE, MARGIN, TITLE] = [7.83, 18, 12, 26]

/** @param end when the picture begins anew, in milliseconds */
export function draw(windows: readonly Window[], { columns, end }: { columns: number; end: number }): string {
  const width = Math.ceil(columns * CHARACTER + 2 * MARGIN)
  const styles: string[] = []
  let top = 0
  const parts = windows.map(({ title, frames }) => {
    const rows = Math.max(...frames.map(({ rows }) => rows.length))
    const height = TITLE + rows * LINE + 2 * MARGIN
    const lines = intervals(frames, end).map(({ row, text, from, to }) => {
      const [start, stop] = [from, to].map((time) => `${((100 * time) / end).toFixed(2)}%`)
      const y = TITLE + MARGIN + (row + 0.75) * LINE
      const name = `s${styles.length}`
      const hidden = to < end ? `${stop},100%{opacity:0}` : ''
      styles.push(`@keyframes ${name}{0%{opacity:0}${start}{opacity:1}${hidden}}`)
      const last = to < end ? ' opacity="0"' : ''
      return `<text x="${MARGIN}" y="${y}"${last} style="animation-name:${name}">${escaped(text)}</text>`
    })
    const part = `<g transform="translate(0 ${top})">
<rect width="${width}" height="${height}" rx="8" fill="#16181d"/>
<text x="${MARGIN}" y="18" class="title">${escaped(title)}</text>
${lines.join('\n')}
</g>`
    top += height + MARGIN
    return part
  })
  const height = top - MARGIN
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<title>tcp-recv waits on one machine; tcp-send sends a file and a directory from another</title>
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d7dae0;white-space:pre}
.title{fill:#8b93a1}
[style]{animation:${(end / 1000).toFixed(2)}s step-end infinite}
${styles.join('\n')}
@media (prefers-reduced-motion:reduce){[style]{animation:none}}
</style>
${parts.join('\n')}
</svg>
`
}

/** From when to when each row has which text. */
function intervals(frames: readonly Frame[], end: number): Shown[] {
  const shown: Shown[] = []
  const last: (Shown | undefined)[] = []
  for (const { at, rows } of frames) {
    for (let row = 0; row < Math.max(rows.length, last.length); row++) {
      const text = rows[row] ?? ''
      const before = last[row]
      if (before?.text === text) continue
      if (before) before.to = at
      const next = text === '' ? undefined : { row, text, from: at, to: end }
      if (next) shown.push(next)
      last[row] = next
    }
  }
  return shown.filter(({ from, to }) => to > from)
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
}
