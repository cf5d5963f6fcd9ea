// Prints "N passed, N failed" from a TAP report: the sum of tap's own summary lines, such as "# { total: 31, pass: 31 }".
import { readFileSync } from 'node:fs'

const report = readFileSync(process.argv[2], 'utf8')
const summaries = [...report.matchAll(/^# \{ (total: .*) \}$/gm)].map(([, text]) => text)
const count = (name) =>
  summaries.reduce((sum, text) => sum + Number(new RegExp(`${name}: (\\d+)`).exec(text)?.[1] ?? 0), 0)
const [passed, failed, skipped] = [count('pass'), count('fail'), count('skip')]
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
