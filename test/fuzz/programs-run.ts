/** A long run over whole programs, in processes of their own, which may crash or hang. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Findings } from './findings.ts'
import type { Told } from './worker.ts'

const worker = fileURLToPath(new URL('worker.ts', import.meta.url))

/** No batch takes so long, and making a smaller one neither: seconds. */
const LONGEST = 600

export class ProgramsRun {
  readonly findings = new Findings()
  #batches = 0
  #sessions = 0
  readonly #kinds: Record<string, number> = {}

  /** @param args of the worker */
  async go(...args: readonly string[]): Promise<void> {
    const child = fork(worker, args)
    let current: unknown = null
    let timer = this.#watch(child)
    child.on('message', (told: Told) => {
      clearTimeout(timer)
      timer = this.#watch(child)
      if (told.what === 'batch') current = told.batch
      if (told.what === 'problems') this.#found(told.problems, told.batch)
      if (told.what !== 'done') return
      this.#batches += told.batches
      this.#sessions += told.sessions
      for (const [kind, count] of Object.entries(told.kinds)) this.#kinds[kind] = (this.#kinds[kind] ?? 0) + count
    })
    const how = await new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
    clearTimeout(timer)
    if (how !== 0) this.#found([`a process ends with ${how}`], current)
  }

  #watch(child: ChildProcess): NodeJS.Timeout {
    return setTimeout(() => child.kill('SIGKILL'), 1000 * LONGEST)
  }

  #found(problems: readonly string[], batch: unknown): void {
    for (const problem of problems) if (this.findings.isNew(problem)) this.findings.note(problem, { batch })
  }

  summary(): string {
    const kinds = Object.entries(this.#kinds).map(([kind, count]) => `${count} ${kind}`)
    return `${this.#batches} batches with ${this.#sessions} sessions (${kinds.join(', ')}); ${this.findings.summary()}`
  }
}

export async function fuzzPrograms(
  seed: number,
  { jobs, minutes, only }: { jobs: number; minutes: number; only: string | undefined },
): Promise<number> {
  const run = new ProgramsRun()
  const end = performance.now() + 60_000 * minutes
  const job = async (first: number) => {
    // A new process every ten minutes, or after a crash, has other seeds.
    for (let next = first; performance.now() < end; next += 100_000) {
      const left = (end - performance.now()) / 60_000
      await run.go(String(next), String(Math.min(10, left)), ...(only === undefined ? [] : [only]))
      console.error(run.summary())
    }
  }
  await Promise.all(Array.from({ length: jobs }, (_, number) => job(seed + number * 10_000_000)))
  console.log(`seed ${seed}: ${run.summary()}`)
  return run.findings.count
}

/** Tries batches in files again. */
export async function tryBatchesAgain(paths: readonly string[]): Promise<number> {
  const run = new ProgramsRun()
  for (const path of paths) await run.go(path, 'again')
  console.log(run.findings.summary())
  return run.findings.count
}
