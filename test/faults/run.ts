/** What becomes of a transfer when the system fails it, at every call? See README.md. */
import { parseArgs } from 'node:util'
import { errors } from './errors.ts'
import { kills } from './kills.ts'
import { power } from './power.ts'
import { short } from './short.ts'
import { withoutStrace } from './strace.ts'
import { Tally } from './tally.ts'
import { type Transfer, transfers } from './transfers.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    sample: { type: 'string' },
    only: { type: 'string', default: '' },
  },
})

const parts: Record<string, (tally: Tally, some: readonly Transfer[]) => Promise<void>> = {
  errors,
  kills,
  short,
  power,
}

const chosen = transfers.filter(({ title }) => title.includes(values.only))
if (chosen.length === 0) throw new Error(`there is no transfer ${values.only}`)

const missing = withoutStrace()
if (missing) {
  console.error(missing)
  process.exit(2)
}

const tally = new Tally(Number(values.sample ?? (values.quick ? 20 : 1)))
for (const [signal, status] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
  process.once(signal, () => {
    tally.print()
    process.exit(status)
  })
}
for (const name of positionals.length > 0 ? positionals : Object.keys(parts)) {
  const part = parts[name]
  if (!part) throw new Error(`there is no part ${name}: ${Object.keys(parts).join(', ')}`)
  await part(tally, chosen)
}
tally.print()
if (tally.problems.length > 0) process.exitCode = 1
