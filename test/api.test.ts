/** API.md and the published types: neither says anything else than the code. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { defaults } from '../dist/defaults.js'
import * as library from '../dist/index.js'

interface Published {
  name: string
  members?: { name: string; type: string; isOptional: boolean; doc: string }[]
}

// What writes the page and the types is not typed.
const { apiPage } = (await import(`${new URL('../scripts/api.js', import.meta.url)}`)) as { apiPage(): string }
const types = (await import(`${new URL('../scripts/published-types.js', import.meta.url)}`)) as {
  publishedTypes(): Published[]
  typesFile(): string
}

const published = types.publishedTypes()
const options = published.filter(({ name }) => /^(Send|Receive|List|Partial|Chat)Options$/.test(name))
const path = fileURLToPath(new URL('../dist/types.d.ts', import.meta.url))

t.test('the page says what the comments of the code say (npm run api)', async (t) => {
  t.equal(readFileSync(new URL('../API.md', import.meta.url), 'utf8'), apiPage())
})

t.test('the page links to headings that the README has', async (t) => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  for (const heading of ['Exit status', 'Events']) {
    t.match(readme, new RegExp(`^## ${heading}$`, 'm'))
    t.ok(apiPage().includes(`(README.md#${heading.toLowerCase().replace(' ', '-')})`), heading)
  }
})

t.test('every option has its default, every number its unit', async (t) => {
  t.equal(options.length, 5)
  for (const { name: where, members = [] } of options) {
    for (const { name, type, isOptional, doc } of members) {
      const what = `${where}.${name}`
      if (isOptional && name !== 'port') t.match(doc, /default/i, what)
      if (type === '`number`') t.match(doc, /millisecond|bytes|number|port|How often|connections/i, what)
    }
  }
})

t.test('gives the defaults that the code has', async (t) => {
  const given = new Map(options.flatMap(({ members = [] }) => members.map(({ name, doc }) => [name, doc])))
  for (const [name, value] of Object.entries(defaults)) {
    const doc = given.get(name)
    if (doc === undefined) continue
    const shown = typeof value === 'number' ? `Default ${value.toLocaleString('en')}\\b` : `Default \`${value}\``
    t.match(doc, new RegExp(shown), name)
  }
  for (const name of ['timeout', 'stall', 'wait', 'retry', 'compress', 'ifExists', 'keepPartial', 'maxFiles'])
    t.ok(given.has(name) && name in defaults, name)
})

t.test('the types stand alone, with a name for everything that the library exports', async (t) => {
  const text = readFileSync(path, 'utf8')
  t.equal(text, types.typesFile(), 'they are built anew')
  const program = ts.createProgram([path], {
    noEmit: true,
    strict: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    types: ['node'],
  })
  const file = program.getSourceFile(path)
  const errors = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
  t.strictSame(
    errors.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')),
    [],
  )
  const imports = [...text.matchAll(/from '([^']+)'|import\("([^"]+)"\)/g)].map(([, from, inside]) => from ?? inside)
  t.strictSame(imports, ['node:stream'])
  const names = [...text.matchAll(/^export (?:declare )?(?:async )?(?:function|const|class) (\w+)/gm)].map(
    ([, name]) => name,
  )
  t.strictSame(names.sort(), Object.keys(library).sort())
})
