/** What do the decoders and the programs make of input that nobody thought of? See README.md. */
import { parseArgs } from 'node:util'
import { fuzzDecoders, tryAgain } from './decoder-run.ts'
import { fuzzPrograms, tryBatchesAgain } from './programs-run.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: 'Infinity' },
    minutes: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
})
const [what, ...paths] = positionals
const { inputs, jobs, seed, only } = values
const minutes = Number(values.minutes ?? (inputs === 'Infinity' ? 1 : 'Infinity'))

async function run(): Promise<number> {
  if (what === 'decoder' && paths.length > 0) return tryAgain(paths)
  if (what === 'decoder') return await fuzzDecoders(Number(seed), { inputs: Number(inputs), minutes })
  if (what === 'programs' && paths.length > 0) return await tryBatchesAgain(paths)
  if (what === 'programs') return await fuzzPrograms(Number(seed), { jobs: Number(jobs), minutes, only })
  throw new Error('say what to try: decoder or programs')
}

process.exitCode = (await run()) > 0 ? 1 : 0
