/** A long run over the decoders. A stream that makes something new happen becomes a seed of others. */
import { type Case, type GrammarName, grammars, type Parts, partsOf, readCase, readCorpus } from './corpus.ts'
import { judge, watchAllocations } from './decoders.ts'
import { Findings } from './findings.ts'
import { minimise } from './minimise.ts'
import { mutate } from './mutate.ts'
import { Random } from './random.ts'

/** A longer seed would slow down everything that comes from it. */
const LONGEST_SEED = 1024
const MOST_SEEDS = 5_000

interface Seeds {
  corpus: Parts[]
  found: Parts[]
}

export class DecoderRun {
  inputs = 0
  readonly signatures = new Set<number>()
  readonly findings = new Findings()
  readonly #random: Random
  readonly #seed: number
  readonly #seeds = Object.fromEntries(grammars.map((name) => [name, { corpus: [], found: [] }])) as unknown as Record<
    GrammarName,
    Seeds
  >

  constructor(seed: number) {
    this.#seed = seed
    this.#random = new Random(seed)
    // Nobody reads the stack of a ProtocolError, and it takes longer than everything else.
    Error.stackTraceLimit = 0
    watchAllocations()
  }

  /** Tries the corpus itself. */
  async begin(): Promise<void> {
    for (const one of readCorpus()) {
      this.#seeds[one.grammar].corpus.push(partsOf(one))
      await this.#try(one, one.name)
    }
  }

  /** Tries `count` other streams. */
  async go(count: number): Promise<void> {
    for (let end = this.inputs + count; this.inputs < end; ) {
      const grammar = this.#random.pick(grammars)
      const seeds = this.#seeds[grammar]
      const bytes = mutate(this.#pick(seeds), this.#pick(seeds), this.#random)
      await this.#try({ grammar, bytes }, `input ${this.inputs} of seed ${this.#seed}`)
    }
  }

  #pick({ corpus, found }: Seeds): Parts {
    return this.#random.pick(found.length > 0 && !this.#random.once(3) ? found : corpus)
  }

  async #try(tried: Case, origin: string): Promise<void> {
    this.inputs++
    const { problem, signature } = judge(tried, this.#random)
    if (!this.signatures.has(signature)) {
      this.signatures.add(signature)
      const { found } = this.#seeds[tried.grammar]
      const isSeed = tried.bytes.length <= LONGEST_SEED && found.length < MOST_SEEDS
      if (isSeed) found.push(partsOf({ ...tried, bytes: Buffer.from(tried.bytes) }))
    }
    if (problem === null || !this.findings.isNew(problem)) return
    const smaller = await minimise(tried, (other) => problemsOf(other, 8).includes(problem))
    this.findings.keep(problem, smaller, origin)
  }
}

/** What is wrong with a stream, cut in several ways. */
export function problemsOf(tried: Case, times: number): string[] {
  const random = new Random(1)
  const problems = Array.from({ length: times }, () => judge(tried, random).problem)
  return problems.filter((problem) => problem !== null)
}

/** @param limits whichever comes first */
export async function fuzzDecoders(seed: number, limits: { inputs: number; minutes: number }): Promise<number> {
  const run = new DecoderRun(seed)
  const start = performance.now()
  const seconds = () => (performance.now() - start) / 1000
  const line = () =>
    `${run.inputs} inputs in ${seconds().toFixed(0)} s (${(run.inputs / seconds()).toFixed(0)} a second), ` +
    `${run.signatures.size} signatures; ${run.findings.summary()}`
  await run.begin()
  let told = 0
  while (run.inputs < limits.inputs && seconds() < 60 * limits.minutes) {
    await run.go(Math.min(2000, limits.inputs - run.inputs))
    if (seconds() < told + 10) continue
    told = seconds()
    console.error(line())
  }
  console.log(`seed ${seed}: ${line()}`)
  return run.findings.count
}

/** Tries streams in files again. */
export function tryAgain(paths: readonly string[]): number {
  watchAllocations()
  const problems = paths.flatMap((path) => problemsOf(readCase(path), 100))
  for (const problem of new Set(problems)) console.log(problem)
  return problems.length
}
