/**
 * Every example of the README does what the text around it says, in the shell that the text names. What is shown as code
 * there is found by a pattern, or has a reason below why it is not run; a test fails for a line that has neither.
 */
import t from 'tap'
import { directories } from './fixtures/readme-directories.ts'
import { findExamples } from './fixtures/readme-examples.ts'
import { scripts } from './fixtures/readme-scripts.ts'
import { talks } from './fixtures/readme-talks.ts'
import { transfers } from './fixtures/readme-transfers.ts'

t.jobs = 2

const notRun: { pattern: RegExp; why: string }[] = [
  {
    pattern: /^npm ci && npm (start|test) .*\n^npm ci && npm (start|test) .*\n^npm install --global \. .*$/,
    why: 'they install, and run these tests',
  },
  { pattern: /^npm run build:executable .*$/, why: 'test/bin/executable.test.ts runs it' },
]
const examples = [...transfers, ...directories, ...talks, ...scripts]

const { found, left } = findExamples([...notRun, ...examples].map(({ pattern }) => pattern))

t.test('every line of code in the README is run, or has a reason why not', async (t) => {
  t.strictSame(left, [])
  for (const { why } of notRun) t.comment(`not run: ${why}`)
})

for (const [index, { title, skip, run }] of examples.entries()) {
  t.test(title, { buffered: true, ...(skip ? { skip } : {}) }, async (t) => {
    const text = found[notRun.length + index] as string
    await run(t, text.split('\n'), text)
  })
}
