/** Counts what was tried, and tells of every promise that was broken. */
interface Row {
  tried: number
  broken: number
  outcomes: Map<string, number>
}

export class Tally {
  readonly #rows = new Map<string, Row>()
  readonly #sample: number
  readonly #isQuiet: boolean
  readonly #start = performance.now()
  #seen = 0
  /** The promises that were broken, a line each. */
  readonly problems: string[] = []

  /** @param sample of how many faults one is tried */
  constructor(sample = 1, isQuiet = false) {
    this.#sample = sample
    this.#isQuiet = isQuiet
  }

  /** All of them, or a sample. */
  chosen<T>(all: readonly T[]): T[] {
    return all.filter(() => this.#seen++ % this.#sample === 0)
  }

  /** @param outcome what is counted in the table */
  add(title: string, what: string, problems: readonly string[], outcome?: string): void {
    const row = this.#rows.get(title) ?? { tried: 0, broken: 0, outcomes: new Map() }
    this.#rows.set(title, row)
    row.tried++
    if (outcome !== undefined) row.outcomes.set(outcome, (row.outcomes.get(outcome) ?? 0) + 1)
    if (problems.length === 0) return
    row.broken++
    this.problems.push([`${title}: ${what}`, ...problems.map((problem) => problem.trim())].join('\n    '))
    if (!this.#isQuiet) console.log(`BROKEN: ${this.problems.at(-1)}`)
  }

  print(): void {
    console.log('\n tried  broken')
    let tried = 0
    for (const [title, row] of this.#rows) {
      tried += row.tried
      const outcomes = [...row.outcomes].sort().map(([outcome, count]) => `${count} × ${outcome}`)
      console.log(
        `${String(row.tried).padStart(6)}  ${String(row.broken).padStart(6)}  ${title}: ${outcomes.join(', ')}`,
      )
    }
    const minutes = ((performance.now() - this.#start) / 60_000).toFixed(1)
    console.log(`${String(tried).padStart(6)}  ${String(this.problems.length).padStart(6)}  all, in ${minutes} minutes`)
  }
}
