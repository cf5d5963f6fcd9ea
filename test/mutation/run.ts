/** Which faults in the code does no test notice? See README.md. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { hasRun, lengthOf, type Record, record } from './coverage.ts'
import { type Mutation, mutationsOf } from './mutations.ts'
import { checkout, filesIn, Workbench } from './workbench.ts'

interface Mutant extends Mutation {
  /** In `dist`, and where it comes from. */
  file: string
  source: string
  line: number
  /** For a person. */
  shown: string
}

type Verdict = 'killed' | 'survived' | 'never ran'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '15' },
    minutes: { type: 'string', default: '90' },
  },
})

for (const [signal, status] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
  process.once(signal, () => process.exit(status))
}

/** The mutants of one file of `dist`; none if its source is there no more. */
function mutantsIn(file: string): Mutant[] {
  const source = file.replace(/^dist\/(.*)js$/, 'src/$1ts')
  if (!existsSync(join(checkout, source))) return []
  const read = (path: string) => readFileSync(join(checkout, path), 'utf8')
  const [code, lines] = [read(file), read(source).split('\n')]
  const map = new SourceMap(JSON.parse(read(`${file}.map`)) as SourceMapPayload)
  const short = (text: string) => text.replace(/\s+/g, ' ').slice(0, 90)
  return mutationsOf(code).map((mutation) => {
    const before = code.slice(0, mutation.start).split('\n')
    const entry = map.findEntry(before.length - 1, before.at(-1)?.length ?? 0)
    const line = 'originalLine' in entry ? entry.originalLine + 1 : 0
    const change = `${short(code.slice(mutation.start, mutation.end))}  =>  ${short(mutation.text)}`
    return { ...mutation, file, source, line, shown: `${change}  in: ${lines[line - 1]?.trim()}` }
  })
}

/** `src/net`, `src/net/feed.ts` or `src/net/feed.ts:157`. */
function isWanted({ source, line }: Mutant): boolean {
  if (positionals.length === 0) return true
  return positionals.some((given) => {
    const [, path, only] = /^(.*?)(?::(\d+))?$/.exec(relative(checkout, given)) as unknown as [string, string, string?]
    return (source === path || source.startsWith(`${path}/`)) && (only === undefined || line === Number(only))
  })
}

/** In an order that the seed alone decides, so that those tried in a given time are a fair sample. */
function shuffled<T>(all: T[], seed: number): T[] {
  let state = seed
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  return all
    .map((one) => ({ one, rank: next() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ one }) => one)
}

/** Works through `tasks`, each workbench on one at a time. */
async function share<T>(tasks: Iterable<T>, work: (workbench: Workbench, task: T) => Promise<void>): Promise<void> {
  const queue = tasks[Symbol.iterator]()
  const worker = async (workbench: Workbench) => {
    for (let next = queue.next(); !next.done; next = queue.next()) await work(workbench, next.value)
  }
  await Promise.all(workbenches.map(worker))
}

/** How often a test has noticed a mutant of a file: it will notice others. */
const kills = new Map<string, number>()

/** What it costs to ask a test about a file. A test that runs little else is about this file. */
function cost({ test, seconds, ran }: Record, file: string): number {
  const all = Object.values(ran).reduce((sum, edges) => sum + lengthOf(edges), 0)
  return (seconds * all) / lengthOf(ran[file] ?? []) / (1 + (kills.get(`${test} ${file}`) ?? 0))
}

async function judge(workbench: Workbench, mutant: Mutant): Promise<Verdict> {
  const covering = records.filter((record) => hasRun(record, mutant.file, mutant.start))
  covering.sort((one, other) => cost(one, mutant.file) - cost(other, mutant.file))
  if (covering.length === 0) return 'never ran'
  const path = join(workbench.root, mutant.file)
  const code = readFileSync(path, 'utf8')
  writeFileSync(path, code.slice(0, mutant.start) + mutant.text + code.slice(mutant.end))
  try {
    let used = 0
    for (const { test, seconds } of covering) {
      if (used > Number(values.seconds)) break
      used += seconds
      const { how } = await workbench.run(test, 3 * seconds + 3)
      if (how === 'passed') continue
      const key = `${test} ${mutant.file}`
      kills.set(key, (kills.get(key) ?? 0) + 1)
      return 'killed'
    }
    return 'survived'
  } finally {
    writeFileSync(path, code)
  }
}

const mutants = filesIn(checkout, 'dist', '.js').flatMap(mutantsIn).filter(isWanted)
const sample = shuffled(mutants, Number(values.seed)).slice(0, Number(values.sample))
console.error(`${mutants.length} mutants, of which ${sample.length} are to be tried`)

const workbenches = Array.from({ length: Number(values.jobs) }, () => new Workbench())
const records: Record[] = []
await share(workbenches[0]?.tests() ?? [], async (workbench, test) => {
  const found = await record(workbench, test)
  if (found.passed) records.push(found)
  else console.error(`${test} fails without any mutation and is left out`)
})

const start = performance.now()
const verdicts = new Map<Mutant, Verdict>()
await share(sample, async (workbench, mutant) => {
  if (performance.now() - start > Number(values.minutes) * 60_000) return
  const verdict = await judge(workbench, mutant)
  verdicts.set(mutant, verdict)
  if (verdict !== 'killed') console.log(`${mutant.source}:${mutant.line} ${verdict}: ${mutant.shown}`)
  if (verdicts.size % 100 === 0) console.error(`${verdicts.size} of ${sample.length}`)
})

const count = (source: string, wanted: Verdict) =>
  [...verdicts].filter(([mutant, verdict]) => mutant.source.startsWith(source) && verdict === wanted).length
console.log('\ntried  killed  survived  never ran  score')
for (const source of [...new Set([...verdicts.keys()].map(({ source }) => source))].sort().concat('')) {
  const numbers = (['killed', 'survived', 'never ran'] as const).map((verdict) => count(source, verdict))
  const tried = numbers.reduce((sum, number) => sum + number, 0)
  const score = `${((100 * (numbers[0] ?? 0)) / tried).toFixed(1)} %`
  const cells = [tried, ...numbers, score].map((cell, index) => String(cell).padStart([5, 6, 8, 9, 7][index] ?? 0))
  console.log(`${cells.join('  ')}  ${source || 'all'}`)
}
console.error(`${((performance.now() - start) / 60_000).toFixed(1)} minutes`)
