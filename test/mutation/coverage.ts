/** Which tests run which code: recorded once, and again when something changes that a test has loaded. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkout, filesIn, type Workbench } from './workbench.ts'

/** What one test did when it ran alone. */
export interface Record {
  test: string
  passed: boolean
  seconds: number
  /** For each file of `dist`, which parts ran: from, to, from, to, … */
  ran: { [file: string]: number[] }
}

interface Script {
  url: string
  functions: { ranges: { startOffset: number; endOffset: number; count: number }[] }[]
}

const cache = join(tmpdir(), `tcp-mutation-cache-${hash(checkout)}`)
const LONGEST = 180

/** What a test was and what it had loaded when it was recorded. */
type Versions = { [path: string]: string }

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function versions(root: string, paths: string[]): Versions {
  return Object.fromEntries(paths.map((path) => [path, hash(readFileSync(join(root, path), 'utf8'))]))
}

export async function record(workbench: Workbench, test: string): Promise<Record> {
  const { root } = workbench
  const path = join(cache, `${test.replaceAll('/', '_')}.json`)
  const own = [test, ...filesIn(root, 'test/fixtures', '.ts')]
  try {
    const found: Record & { versions: Versions } = JSON.parse(readFileSync(path, 'utf8'))
    const now = versions(root, [...own, ...Object.keys(found.ran)])
    if (JSON.stringify(now) === JSON.stringify(found.versions)) return found
  } catch {
    // There is no record yet, or one of a file that is there no more.
  }
  const folder = mkdtempSync(join(root, 'coverage-'))
  const { how, seconds } = await workbench.run(test, LONGEST, { NODE_V8_COVERAGE: folder })
  const found: Record = { test, passed: how === 'passed', seconds, ran: readCoverage(root, folder) }
  rmSync(folder, { recursive: true })
  if (!found.passed) return found
  mkdirSync(cache, { recursive: true })
  writeFileSync(path, JSON.stringify({ ...found, versions: versions(root, [...own, ...Object.keys(found.ran)]) }))
  return found
}

/** What a process left; nothing if it was killed while it wrote that. */
function readReport(path: string): Script[] {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).result
  } catch {
    return []
  }
}

/** What ran in any of the processes. */
function readCoverage(root: string, folder: string): Record['ran'] {
  const painted = new Map<string, Uint8Array>()
  for (const name of readdirSync(folder)) {
    for (const { url, functions } of readReport(join(folder, name))) {
      if (!url.startsWith(`file://${root}/dist/`)) continue
      const file = fileURLToPath(url).slice(root.length + 1)
      const ranges = functions.flatMap(({ ranges }) => ranges)
      // An inner range says it better than the one around it.
      ranges.sort((one, other) => one.startOffset - other.startOffset || other.endOffset - one.endOffset)
      const own = new Uint8Array(Math.max(...ranges.map(({ endOffset }) => endOffset)))
      for (const { startOffset, endOffset, count } of ranges) own.fill(count > 0 ? 1 : 0, startOffset, endOffset)
      const all = painted.get(file) ?? own
      for (const [place, ran] of own.entries()) if (ran) all[place] = 1
      painted.set(file, all)
    }
  }
  return Object.fromEntries([...painted].map(([file, places]) => [file, edges(places)]))
}

function edges(places: Uint8Array): number[] {
  const found: number[] = []
  for (let place = 0; place <= places.length; place++) {
    if ((places[place] ?? 0) !== (places[place - 1] ?? 0)) found.push(place)
  }
  return found
}

/** Did the test run what is at this place of a file of `dist`? */
export function hasRun({ ran }: Record, file: string, place: number): boolean {
  const edges = ran[file] ?? []
  const next = edges.findIndex((edge) => edge > place)
  return next % 2 === 1
}

/** How much code the test ran there, in characters. */
export function lengthOf(edges: number[]): number {
  return edges.reduce((sum, edge, index) => sum + (index % 2 === 1 ? edge : -edge), 0)
}
