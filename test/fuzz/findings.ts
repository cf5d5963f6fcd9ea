/** What a run has found, as files and lines. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digest } from '../fixtures/peer-frames.ts'
import type { Case } from './corpus.ts'

export class Findings {
  readonly #folder: string
  readonly #counts = new Map<string, number>()

  constructor(folder = join(tmpdir(), 'tcp-send-fuzz')) {
    this.#folder = folder
  }

  get count(): number {
    return this.#counts.size
  }

  /** False if the same has been found before. It is counted all the same. */
  isNew(problem: string): boolean {
    const count = this.#counts.get(problem) ?? 0
    this.#counts.set(problem, count + 1)
    return count === 0
  }

  /** Keeps a stream, and says how to try it again. */
  keep(problem: string, { grammar, bytes }: Case, origin: string): void {
    const folder = join(this.#folder, grammar)
    mkdirSync(folder, { recursive: true })
    const path = join(folder, `${digest(bytes).slice(0, 12)}.bin`)
    writeFileSync(path, bytes)
    writeFileSync(`${path}.txt`, `${problem}\n${origin}\n`)
    console.log(`FOUND ${problem}\n  ${origin}\n  ${bytes.length} bytes; again: npm run fuzz -- decoder ${path}`)
  }

  /** Keeps what cannot be tried again as a stream alone. */
  note(problem: string, facts: object): void {
    mkdirSync(this.#folder, { recursive: true })
    const text = JSON.stringify({ problem, ...facts }, null, 1)
    const path = join(this.#folder, `${digest(text).slice(0, 12)}.json`)
    writeFileSync(path, text)
    console.log(`FOUND ${problem}\n  ${path}`)
  }

  summary(): string {
    const lines = [...this.#counts].map(([problem, count]) => `\n${String(count).padStart(9)} × ${problem}`)
    return lines.length === 0 ? 'nothing was found' : `found:${lines.join('')}`
  }
}
