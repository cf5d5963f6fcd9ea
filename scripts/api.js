/**
 * Writes API.md: what the comments of the published types say, as a page (`npm run api`). A test compares the two, so the
 * page says what the code says.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { publishedTypes } from './published-types.js'

const page = new URL('../API.md', import.meta.url)

/** What the tables are about, in this order. */
const tables = {
  SendOptions: 'Options of `send`',
  ReceiveOptions: 'Options of `receive`',
  Receiving: 'What `receive` returns',
  Received: 'The summary of `receive`',
  Summary: 'The summary of `send`, `list`, `listPartial` and `cleanPartial`',
  ListOptions: 'Options of `list`',
  PartialOptions: 'Options of `listPartial` and `cleanPartial`',
  ChatOptions: 'Options of `chat`',
  Talk: 'What `chat` resolves with',
}

const head = `# The library

<!-- npm run api writes this page from the comments of the code. -->

\`\`\`js
import { receive, send } from 'tcp-send-recv'
\`\`\`

Every function returns a promise. It rejects with a \`TransferError\`, whose \`code\` and \`reason\` are those of the
[exit status](README.md#exit-status) and of the [events](README.md#events). An option that is \`undefined\` counts as left
out. Except for \`chat\`, any other value that makes no sense is an error with the code \`usage\`, whose message begins with
the name of the option.
`

function cell(text) {
  return text.replaceAll('|', '\\|')
}

/** The text of the page. */
export function apiPage() {
  const published = new Map(publishedTypes().map((one) => [one.name, one]))
  const functions = [...published.values()].filter(({ text }) => /^export declare (async )?function/m.test(text))
  const lines = functions.map(({ name, doc }) => `| \`${name}\` | ${cell(doc)} |`)
  const parts = Object.entries(tables).map(([name, title]) => {
    const rows = published.get(name).members.map(({ name, type, doc }) => `| \`${name}\` | ${type} | ${cell(doc)} |`)
    return `## ${title}\n\n| name | type | meaning |\n|---|---|---|\n${rows.join('\n')}\n`
  })
  return [head, `## Functions\n\n| function | what it does |\n|---|---|\n${lines.join('\n')}\n`, ...parts].join('\n')
}

/* c8 ignore next: only where this is the program, and not in a test */
if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, apiPage())
