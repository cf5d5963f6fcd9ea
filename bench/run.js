/** The benchmark: node bench/run.js [--only file,disk,…] [--rounds N] [--size BYTES] [--peers a,b]. See README.md. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { writeChart } from './chart.js'
import { diskFolder, hasRoom, makeSources, memoryFolder, removeFolders } from './files.js'
import { readHours } from './hours.js'
import { hasTime, killAll, measure } from './measure.js'
import { keyPeers, peers as openPeers, ours, preparePeer, useKey } from './peers.js'
import { summarise, toMarkdown } from './report.js'
import { MANY, workloads } from './workloads.js'

/** The workloads that are measured with a key. */
const KEYED = 'file,pipe,small'

const here = (/** @type {string} */ name) => new URL(name, import.meta.url)
const say = (/** @type {string} */ text) => console.error(text)

process.on('exit', () => {
  killAll()
  removeFolders()
})
for (const [signal, status] of /** @type {const} */ ([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])) {
  process.on(signal, () => process.exit(status))
}

const { only, rounds, size, wanted, isKeyed } = readOptions()
const peers = isKeyed ? keyPeers : openPeers
/** What is measured with a key is another table. */
const kept = isKeyed ? 'results-key' : 'results'
if (!existsSync(here('../dist/index.js'))) stop('there is no build: npm run build')
if (!hasTime) say('no /usr/bin/time (package "time"): CPU and memory are skipped')

const work = memoryFolder()
const needsDisk = only.includes('disk') || only.includes('tree-disk')
const disk = needsDisk ? diskFolder() : null
if (needsDisk && disk === null) say('no temporary folder is on a real disk: "disk" and "tree-disk" are skipped')
if (!hasRoom(work, 2.2 * size)) stop(`no room for twice ${size} bytes in memory; give a smaller --size`)
if (disk !== null && !hasRoom(disk, 1.2 * size)) stop(`no room for ${size} bytes on the disk; give a smaller --size`)

if (isKeyed) useKey(work)

/** @type {{ id: string, reason: string }[]} */
const skipped = []
const present = peers.filter((peer) => {
  if (!wanted.includes(peer.id)) return false
  const reason = preparePeer(peer, work)
  if (reason !== null) {
    say(`${peer.id} is skipped: ${reason}`)
    skipped.push({ id: peer.id, reason })
  }
  return reason === null
})
say(`making a file of ${size} bytes`)
const setup = { work, disk, size, peers: present, ...makeSources(work, size, MANY) }

/** @type {import('./report.js').Results} */
const results = { date: new Date().toISOString(), machine: describeMachine(), size, skipped, sections: keptSections() }
const order = Object.keys(workloads)
for (const name of only) {
  const { title, ratio, times = 1, candidates } = /** @type {import('./workloads.js').Workload} */ (workloads[name])
  const taking = candidates(setup)
  const outcomes = taking.map(() => /** @type {import('./measure.js').Outcome[]} */ ([]))
  for (let round = 0; round < rounds * times; round++) {
    // In another order each round, so that nobody always comes after the same one.
    for (const index of shuffled(taking.length)) {
      const { id, task, before, check } = /** @type {import('./workloads.js').Candidate} */ (taking[index])
      before?.()
      const outcome = await measure(task, work)
      outcome.problem ??= check?.() ?? null
      outcomes[index]?.push(outcome)
      say(`${name} ${round + 1}/${rounds * times} ${id}: ${outcome.seconds.toFixed(3)} s ${outcome.problem ?? ''}`)
    }
  }
  const rows = taking.map((candidate, index) => summarise(candidate, outcomes[index] ?? []))
  if (rows.length > 0) results.sections.push({ name, title, rounds: rounds * times, ratio, rows })
  results.sections.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
  // Written after each workload: what is measured is kept, whatever comes.
  writeFileSync(here(`${kept}.json`), `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(here(`${kept}.md`), toMarkdown(results))
}
if (only.includes('file') && !isKeyed) addHour()
if (!isKeyed) writeChart()
console.log(toMarkdown(results))

/** Adds the medians of `file` to hours.json. A shorter run, or one of a smaller file, is a look and no claim. */
function addHour() {
  const section = results.sections.find(({ name }) => name === 'file')
  if (!section || section.rounds < 5 || size !== 2 * 1024 ** 3) return
  const measured = section.rows.flatMap(({ id, throughput }) => (throughput ? [[id, throughput.median]] : []))
  const { date, machine } = results
  const hour = { date, node: machine.Node, rounds: section.rounds, throughput: Object.fromEntries(measured) }
  const lines = [...readHours(), hour].map((one) => `  ${JSON.stringify(one)}`)
  writeFileSync(here('hours.json'), `[\n${lines.join(',\n')}\n]\n`)
}

/** What was measured of other workloads before, if it was the same file on the same machine. */
function keptSections() {
  if (!existsSync(here(`${kept}.json`))) return []
  /** @type {import('./report.js').Results} */
  const before = JSON.parse(readFileSync(here(`${kept}.json`), 'utf8'))
  const { CPU, Node, Linux } = describeMachine()
  const isSame =
    [before.size, before.machine.CPU, before.machine.Node, before.machine.Linux].join() ===
    [size, CPU, Node, Linux].join()
  return isSame ? before.sections.filter(({ name }) => !only.includes(name)) : []
}

/** The numbers below `length` in any order. @param {number} length */
function shuffled(length) {
  const places = Array.from({ length }, (_, index) => ({ index, by: Math.random() }))
  return places.sort((a, b) => a.by - b.by).map(({ index }) => index)
}

function readOptions() {
  const values = readArguments()
  const [, digits, unit] = /^(\d+)([KMG]?)$/.exec(values.size) ?? stop(`--size ${values.size} is not a number of bytes`)
  const readable = values.key ? keyPeers : openPeers
  const options = {
    only: (values.only ?? (values.key ? KEYED : Object.keys(workloads).join())).split(','),
    rounds: Number(values.rounds),
    size: Number(digits) * 1024 ** ' KMG'.indexOf(unit || ' '),
    wanted: (values.peers ?? readable.map(({ id }) => id).join()).split(','),
    isKeyed: values.key,
  }
  if (!(options.rounds >= 1)) stop('--rounds must be at least 1')
  for (const name of options.only) if (!(name in workloads)) stop(`--only knows ${Object.keys(workloads)}, not ${name}`)
  for (const id of options.wanted) {
    if (![...readable, ours, { id: 'none' }].some((peer) => peer.id === id)) {
      stop(`--peers knows ${readable.map((peer) => peer.id)} and none, not ${id}`)
    }
  }
  return options
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string' },
        rounds: { type: 'string', default: '5' },
        size: { type: 'string', default: '2G' },
        peers: { type: 'string' },
        key: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    return stop(/** @type {Error} */ (error).message)
  }
}

function describeMachine() {
  return {
    CPU: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    'memory GB': Math.round(totalmem() / 1e9),
    Linux: release(),
    Node: process.version,
    'load at the start': Number(loadavg()[0]?.toFixed(2)),
  }
}

/** @param {string} message @returns {never} */
function stop(message) {
  say(`bench: ${message}`)
  process.exit(2)
}
