/** bench/chart.svg from bench/results.json: a bar for the median of each candidate of `file`, a whisker from min to max. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const WIDTH = 820
const LEFT = 300
const RIGHT = 90
const TOP = 64
const STEP = 34

/** Colours for a light and for a dark page; the background belongs to the picture, so that text is never lost on it. */
const STYLE = `
    .back { fill: #ffffff; stroke: #d0d7de } text { fill: #1f2328; font: 13px system-ui, sans-serif }
    .soft { fill: #59636e } .title { font-size: 16px; font-weight: 600 } .grid { stroke: #d8dee4 }
    .bar { fill: #9aa7b5 } .ours .bar { fill: #0969da } .ours text { font-weight: 600 } .whisker { stroke: #1f2328 }
    @media (prefers-color-scheme: dark) {
      .back { fill: #0d1117; stroke: #30363d } text { fill: #e6edf3 } .soft { fill: #9198a1 } .grid { stroke: #262c34 }
      .bar { fill: #5a6675 } .ours .bar { fill: #4493f8 } .whisker { stroke: #e6edf3 }
    }`

/**
 * @param {import('./report.js').Results} results
 * @returns {string | null} null if `file` was not measured
 */
export function drawChart({ sections, size, date }) {
  const section = sections.find(({ name }) => name === 'file')
  const bars = (section?.rows ?? []).flatMap(({ id, label, promises, throughput }) =>
    throughput ? [{ id, label, promises, ...throughput }] : [],
  )
  if (section === undefined || bars.length === 0) return null
  bars.sort((a, b) => b.median - a.median)
  const scale = (WIDTH - LEFT - RIGHT) / Math.max(...bars.map(({ max }) => max))
  const x = (/** @type {number} */ value) => (LEFT + value * scale).toFixed(1)
  const bottom = TOP + bars.length * STEP
  const height = bottom + 40

  const ticks = []
  for (let value = 0; LEFT + value * scale <= WIDTH - RIGHT; value += 0.5) {
    ticks.push(
      `<line class="grid" x1="${x(value)}" x2="${x(value)}" y1="${TOP}" y2="${bottom}"/>`,
      `<text class="soft" x="${x(value)}" y="${bottom + 18}" text-anchor="middle">${value}</text>`,
    )
  }
  const rows = bars.map(({ id, label, promises, median, min, max }, index) => {
    const y = TOP + index * STEP
    const middle = y + STEP / 2
    return `<g${id === 'ours' ? ' class="ours"' : ''}>
    <text x="${LEFT - 10}" y="${middle - 2}" text-anchor="end">${escapeText(label)}</text>
    <text class="soft" x="${LEFT - 10}" y="${middle + 11}" text-anchor="end" style="font-size:11px">promises: ${escapeText(promises)}</text>
    <rect class="bar" x="${LEFT}" y="${y + 7}" width="${(median * scale).toFixed(1)}" height="${STEP - 14}" rx="2"/>
    <path class="whisker" d="M${x(min)} ${middle - 4}v8M${x(min)} ${middle}H${x(max)}M${x(max)} ${middle - 4}v8" fill="none"/>
    <text x="${Number(x(max)) + 8}" y="${middle + 5}">${median.toFixed(2)}</text>
  </g>`
  })
  const subtitle = `GB/s, median of ${section.rounds} runs with min and max; ${(size / 1e9).toFixed(1)} GB, loopback, ${date.slice(0, 10)}`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeText(`${section.title}: ${subtitle}`)}">
  <style>${STYLE}
  </style>
  <rect class="back" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>
  <text class="title" x="20" y="28">${escapeText(section.title)}</text>
  <text class="soft" x="20" y="48">${escapeText(subtitle)}</text>
  ${ticks.join('\n  ')}
  ${rows.join('\n  ')}
</svg>
`
}

/** @param {string} text */
function escapeText(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

const here = (/** @type {string} */ name) => new URL(name, import.meta.url)

/** Draws what results.json has; nothing if that has no `file`. */
export function writeChart() {
  const chart = drawChart(JSON.parse(readFileSync(here('results.json'), 'utf8')))
  if (chart !== null) writeFileSync(here('chart.svg'), chart)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeChart()
