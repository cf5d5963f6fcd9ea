// Prints "N passed, N failed" from a TAP report: tap's own last summary line, such as "# { total: 31, pass: 31 }".
import { readFileSync } from 'node:fs'

const report = readFileSync(process.argv[2], 'utf8')
const summary = [...report.matchAll(/^# \{ (total: .*) \}$/gm)].at(-1)?.[1] ?? ''
const count = (name) => Number(new RegExp(`${name}: (\\d+)`).exec(summary)?.[1] ?? 0)
const [passed, failed, skipped] = [count('pass'), count('fail'), count('skip')]
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
