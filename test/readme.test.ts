/** What README.md and ARCHITECTURE.md list is compared with the code, so that neither drifts from the other. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { chatCommandLine } from '../dist/cli/chat-command-line.js'
import { receiveCommandLine } from '../dist/cli/receive-command-line.js'
import { sendCommandLine } from '../dist/cli/send-command-line.js'
import { exitCodes, reasons } from '../dist/errors.js'
import { MAX_CONTROL } from '../dist/protocol/limits.js'
import { eventFields } from './fixtures/json-events.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const architecture = readFileSync(new URL('../ARCHITECTURE.md', import.meta.url), 'utf8')
const results = JSON.parse(readFileSync(new URL('../bench/results.json', import.meta.url), 'utf8'))
const root = fileURLToPath(new URL('..', import.meta.url))
const packageJson = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

/** The text between a `<!-- NAME:start … -->` and its end. */
function part(name: string, text = readme): string {
  return new RegExp(`<!-- ${name}:start[^>]*-->([^]*?)<!-- ${name}:end -->`).exec(text)?.[1] ?? ''
}

/** The cells of each row of the tables in `text`. */
function rows(text: string): string[][] {
  const lines = text.split('\n').filter((line) => line.startsWith('|') && !/^\|[-| :]+$/.test(line))
  return lines.map((line) => line.slice(2, -2).split(/ ?\| /))
}

/** The options that the rows name, with what stands for their value. */
function optionsIn(text: string): string[] {
  return rows(text).flatMap(([first = '']) =>
    [...first.matchAll(/`--([a-z0-9-]+)(?: ([A-Z]+))?`/g)].map(([, name, value]) => `${name} ${value ?? ''}`.trim()),
  )
}

t.test('lists every option of each command with its value, and no other', async (t) => {
  const [receiver = '', sender = '', both = ''] = part('options').split(/\n(?=\| (?:`tcp-send`|both) \|)/)
  const common = optionsIn(both)
  for (const [line, own] of [
    [receiveCommandLine, receiver],
    [sendCommandLine, sender],
  ] as const) {
    const inCode = Object.entries(line.options).map(([name, { value }]) => `${name} ${value ?? ''}`.trim())
    t.strictSame([...optionsIn(own), ...common].sort(), inCode.sort(), line.command)
  }
  const inCode = Object.entries(chatCommandLine.options).map(([name, { value }]) => `${name} ${value ?? ''}`.trim())
  t.strictSame(optionsIn(part('chat-options')).sort(), inCode.sort(), 'tcp-chat')
})

t.test('gives the letters, defaults and choices that the commands have', async (t) => {
  for (const { command, options } of [receiveCommandLine, sendCommandLine, chatCommandLine]) {
    for (const [name, { short, fallback, choices = [] }] of Object.entries(options)) {
      const row = part(command === 'tcp-chat' ? 'chat-options' : 'options')
        .split('\n')
        .find((line) => line.includes(`\`--${name} `) || line.includes(`\`--${name}\``))
      if (short) t.ok(row?.includes(`\`-${short}\`, \`--${name}`), `-${short}, --${name}`)
      for (const choice of choices) t.ok(row?.includes(`\`${choice}\``), `--${name} ${choice}`)
      if (/^\d{2,}$/.test(fallback ?? '')) t.ok(row?.includes(`default ${fallback}`), `--${name}: ${fallback}`)
    }
  }
})

t.test('lists every exit status with its code', async (t) => {
  const table = rows(readme.split('## Exit status')[1]?.split('## Events')[0] ?? '').slice(1)
  const listed = table.flatMap(([statuses = '', words = '']) => {
    const codes = words.replaceAll('`', '').split(', ')
    return statuses.split(', ').map((status, index) => [codes[index], Number(status)])
  })
  t.strictSame(Object.fromEntries(listed), { '': 0, ...exitCodes })
})

t.test('lists every reason', async (t) => {
  const listed = rows(part('reasons'))
    .slice(1)
    .flatMap(([first = '']) => first.replaceAll('`', '').split(', '))
  t.strictSame(listed.sort(), Object.keys(reasons).sort())
})

t.test('lists every event with its fields', async (t) => {
  const listed = rows(part('events')).slice(1)
  const fields = Object.fromEntries(
    listed.map(([event = '', , what = '']) => [
      event.replaceAll('`', ''),
      [...what.matchAll(/`([a-zA-Z0-9]+)`/g)].map(([, name]) => name).sort(),
    ]),
  )
  const inCode = Object.entries(eventFields).map(([event, checks]) => [event, Object.keys(checks).sort()])
  t.strictSame(fields, Object.fromEntries(inCode))
})

t.test('names every source file once', async (t) => {
  const listed = rows(part('files', architecture))
    .slice(1)
    .flatMap(([first = '']) => {
      let folder = ''
      return [...first.matchAll(/`([^`]+)`/g)].map(([, path = '']) => {
        folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : folder
        return path.includes('/') ? path : folder + path
      })
    })
  const files = ['bin', 'src'].flatMap((folder) =>
    readdirSync(new URL(`../${folder}`, import.meta.url), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => relative(root, join(parentPath, name))),
  )
  t.strictSame(listed.sort(), files.sort())
})

t.test('names every dependency with its reason, and no other', async (t) => {
  const listed = rows(part('dependencies', architecture))
    .slice(1)
    .flatMap(([first = '']) => [...first.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name))
  const { dependencies, devDependencies } = packageJson as Record<string, Record<string, string>>
  const names = Object.keys({ ...dependencies, ...devDependencies }).map((name) =>
    name.replace(/^@types\/.*/, '@types/'),
  )
  t.strictSame(listed.sort(), [...new Set(names)].sort())
})

t.test('names the Node that it needs, and the limit of a header', async (t) => {
  t.ok(readme.includes(packageJson.engines.node))
  t.ok(readme.includes(`${MAX_CONTROL / 1024} KiB`))
})

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(path: string): string[] {
  const headings = readFileSync(join(root, path), 'utf8').matchAll(/^#+ (.*)$/gm)
  return [...headings].map(([, text = '']) =>
    text
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
}

t.test('links to files and headings that exist, as the other documents do', async (t) => {
  const fixtures = ['fixtures/python/README.md', 'fixtures/transcripts/README.md']
  for (const path of [
    'README.md',
    'ARCHITECTURE.md',
    'CHANGELOG.md',
    'SECURITY.md',
    'bench/README.md',
    'src/protocol/README.md',
    ...fixtures,
  ]) {
    const text = readFileSync(join(root, path), 'utf8')
    for (const [, link = ''] of text.matchAll(/\]\(((?!https:)[^)]+)\)/g)) {
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : join(dirname(path), file)
      t.ok(existsSync(join(root, target)), `${path}: ${link}`)
      if (anchor !== undefined) t.ok(anchors(target).includes(anchor), `${path}: ${link}`)
    }
  }
})

/** What the benchmark's own file gives, which is not typed. */
interface Hours {
  readHours(): object[]
  ranges(hours: object[]): { id: string; speed: [number, number]; quotient: [number, number] | null }[]
}

t.test('compares with the range of what the benchmark has measured in different hours', async (t) => {
  const file = results.sections.find(({ name }: { name: string }) => name === 'file')
  type Row = { id: string; label: string; promises: string }
  const described = new Map<string, Row>(file.rows.map((row: Row) => [row.id, row]))
  const show = ([least, most]: [number, number]) => `${least.toFixed(2)} – ${most.toFixed(2)}`
  const { ranges, readHours } = (await import(`${new URL('../bench/hours.js', import.meta.url)}`)) as Hours
  const hours = readHours()
  const expected = ranges(hours)
    .sort((a, b) => b.speed[1] - a.speed[1])
    .map(({ id, speed, quotient }) => {
      const { label = '', promises = '' } = described.get(id) ?? {}
      return [label, promises, show(speed), quotient ? show(quotient) : '']
    })
  t.strictSame(rows(part('comparison')).slice(1), expected)
  t.match(readme, new RegExp(`medians of ${hours.length} runs`))
})
