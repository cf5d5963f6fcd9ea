/** From runs to tables. */

/**
 * @typedef {import('./measure.js').Outcome} Outcome
 * @typedef {{ median: number, min: number, max: number }} Spread
 */

/**
 * @typedef {object} Row
 * @property {string} id
 * @property {string} label
 * @property {string} promises
 * @property {number | null} bytes
 * @property {Spread | null} seconds     of the runs without a problem, as all that follows
 * @property {Spread | null} throughput  GB/s (10^9 bytes a second)
 * @property {{ sender: number, receiver: number | null, total: number } | null} cpu  seconds, medians
 * @property {{ sender: number, receiver: number | null } | null} memory  peak bytes, the worst run
 * @property {boolean} isChecked        whether the results were compared with what was sent
 * @property {Outcome[]} runs
 */

/**
 * @typedef {object} Section
 * @property {string} name
 * @property {string} title
 * @property {number} rounds
 * @property {{ id: string, title: string, isBaseFirst: boolean }} ratio
 * @property {Row[]} rows
 */

/**
 * @typedef {object} Results
 * @property {string} date
 * @property {Record<string, string | number>} machine
 * @property {number} size
 * @property {{ id: string, reason: string }[]} skipped
 * @property {Section[]} sections
 */

/**
 * @param {import('./workloads.js').Candidate} candidate @param {Outcome[]} runs
 * @returns {Row}
 */
export function summarise({ id, label, promises, bytes, check }, runs) {
  const good = runs.filter(({ problem }) => problem === null)
  const rates = bytes === null ? [] : good.map(({ seconds }) => bytes / seconds / 1e9)
  const senders = good.flatMap(({ sender }) => sender ?? [])
  const receivers = good.flatMap(({ receiver }) => receiver ?? [])
  const cpu = (/** @type {{ cpu: number }[]} */ sides) => median(sides.map((side) => side.cpu))
  const memory = (/** @type {{ memory: number }[]} */ sides) => Math.max(...sides.map((side) => side.memory))
  const hasReceivers = receivers.length > 0
  const totals = good.map(({ sender, receiver }) => (sender?.cpu ?? 0) + (receiver?.cpu ?? 0))
  return {
    id,
    label,
    promises,
    bytes,
    seconds: spread(good.map(({ seconds }) => seconds)),
    throughput: spread(rates),
    cpu: senders.length
      ? { sender: cpu(senders), receiver: hasReceivers ? cpu(receivers) : null, total: median(totals) }
      : null,
    memory: senders.length ? { sender: memory(senders), receiver: hasReceivers ? memory(receivers) : null } : null,
    isChecked: check !== undefined,
    runs,
  }
}

/** @param {number[]} values @returns {Spread | null} */
function spread(values) {
  if (values.length === 0) return null
  const round = (/** @type {number} */ value) => Number(value.toFixed(4))
  return { median: round(median(values)), min: round(Math.min(...values)), max: round(Math.max(...values)) }
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low = 0, high = 0] = [sorted[sorted.length % 2 === 1 ? middle : middle - 1], sorted[middle]]
  return Number(((low + high) / 2).toFixed(4))
}

/** @param {Results} results */
export function toMarkdown({ date, machine, size, skipped, sections }) {
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`)
  return [
    '# Results',
    `${date.slice(0, 10)}; ${facts.join('; ')}; file of ${size} bytes. All on 127.0.0.1.`,
    'Medians, with the least and the most in brackets. CPU is user + system seconds of all processes of a side; memory is ' +
      'the peak of its largest process in the worst run. What is measured and how: `bench/README.md`.',
    ...sections.map((section) => `## ${section.title}\n${section.rounds} runs each.\n\n${table(section)}`),
    ...(skipped.length ? [`Skipped: ${skipped.map(({ id, reason }) => `${id} (${reason})`).join('; ')}.`] : []),
  ]
    .join('\n\n')
    .concat('\n')
}

/** @param {Section} section */
function table({ ratio, rows }) {
  const isTimed = rows.every(({ bytes }) => bytes === null)
  const base = rows.find(({ id }) => id === ratio.id)
  const speed = isTimed ? 'ms' : 'GB/s'
  const compared = isTimed ? 'time' : 'GB/s'
  const head = ['', 'promises', speed, 'CPU s, send + recv', 'peak MB, send / recv']
  head.push(`${compared}, ${ratio.title}`, `CPU, ${ratio.title}`, 'intact')
  const ordered = rows.toSorted((a, b) => (b.throughput?.median ?? 0) - (a.throughput?.median ?? 0))
  const lines = ordered.map((row) => [
    row.id === 'ours' ? `**${row.label}**` : row.label,
    row.promises,
    isTimed ? showSpread(row.seconds, 1000, 0) : showSpread(row.throughput, 1, 2),
    row.cpu ? [row.cpu.sender, row.cpu.receiver].flatMap((side) => side?.toFixed(2) ?? []).join(' + ') : '–',
    row.memory ? [row.memory.sender, row.memory.receiver].flatMap(showMemory).join(' / ') : '–',
    isTimed
      ? quotient(ratio, base?.seconds?.median, row.seconds?.median)
      : quotient(ratio, base?.throughput?.median, row.throughput?.median),
    quotient(ratio, base?.cpu?.total, row.cpu?.total),
    showProblems(row),
  ])
  const rule = head.map((_, column) => (column < 2 ? '---' : '--:'))
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** @param {Spread | null} spread @param {number} factor @param {number} digits */
function showSpread(spread, factor, digits) {
  if (spread === null) return '–'
  const [middle, min, max] = [spread.median, spread.min, spread.max].map((value) => (value * factor).toFixed(digits))
  return `${middle} (${min} – ${max})`
}

/** @param {number | null} bytes */
function showMemory(bytes) {
  return bytes === null ? [] : [(bytes / 1e6).toFixed(0)]
}

/** @param {Section['ratio']} ratio @param {number | undefined} base @param {number | undefined} value */
function quotient({ isBaseFirst }, base, value) {
  if (!base || !value) return '–'
  return (isBaseFirst ? base / value : value / base).toFixed(2)
}

/** @param {Row} row */
function showProblems({ runs, isChecked }) {
  const problems = runs.flatMap(({ problem }) => problem ?? [])
  const [first] = problems
  if (first === undefined) return isChecked ? 'yes' : '–'
  return `**NO, ${problems.length} of ${runs.length}: ${first.replaceAll('|', '/')}**`
}
