/**
 * The shape of the source: imports point one way, from the commands down to the protocol, and what a command does to its
 * process is done nowhere else.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import t from 'tap'
import { importsOf, type SourceFile, sourceFiles } from './fixtures/source-files.ts'
import { startedByTap, testsOfSuites } from './fixtures/suite.ts'

/** What every layer may use: errors, events, defaults, media types, results at hand, and how text and system errors are shown. */
const base = ['base']

/**
 * The layers, from the top down: which files belong to each, and which layers these may import besides their own.
 * ARCHITECTURE.md shows the same picture.
 */
const layers: Record<string, { has: RegExp; imports: readonly string[] }> = {
  bin: { has: /^bin\//, imports: ['cli'] },
  cli: {
    has: /^src\/cli\//,
    imports: ['library', 'chat', 'transfer', 'stores', 'disk', 'net', ...base],
  },
  library: {
    has: /^src\/(?:index|chat|send|send-options|receive|receive-options|receiving|stored-files|list|partial|offer|option-checks|hooks|peers|summary)\.ts$/,
    imports: ['chat', 'transfer', 'access', 'links', 'stores', 'sources', 'protocol', ...base],
  },
  chat: { has: /^src\/chat\//, imports: ['access', 'net', 'protocol', ...base] },
  transfer: {
    has: /^src\/transfer\//,
    imports: ['access', 'links', 'stores', 'sources', 'disk', 'net', 'protocol', ...base],
  },
  access: { has: /^src\/access\//, imports: ['net', 'protocol', ...base] },
  links: { has: /^src\/links\//, imports: ['net', 'protocol', ...base] },
  stores: { has: /^src\/stores\//, imports: ['disk', 'protocol', ...base] },
  sources: { has: /^src\/sources\//, imports: ['disk', 'protocol', ...base] },
  disk: { has: /^src\/disk\//, imports: base },
  net: { has: /^src\/net\//, imports: ['protocol', ...base] },
  protocol: { has: /^src\/protocol\//, imports: base },
  base: {
    has: /^src\/(?:events|event-values|errors|system-errors|text|defaults|media-type|at-hand|keys|codes|code-words|package)\.ts$/,
    imports: [],
  },
}

const { imports: subpaths } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  imports: Record<string, { unbundled: string }>
}

const files = [...sourceFiles('bin', '.js'), ...sourceFiles('src', '.ts')]

function layerOf(path: string): string | undefined {
  return Object.keys(layers).find((name) => layers[name]?.has.test(path))
}

/** The source file that an import of `file` leads to; null for a package or a part of Node. */
function target(file: SourceFile, name: string): string | null {
  if (name.startsWith('#'))
    return join(subpaths[name]?.unbundled ?? '').replace(/^dist\/unbundled\/(.*)\.cjs$/, 'src/cli/$1.ts')
  return name.startsWith('.') ? join(dirname(file.path), name).replace(/\.js$/, '.ts') : null
}

const inner = files.flatMap((file) =>
  importsOf(file).flatMap((name) => {
    const to = target(file, name)
    return to === null ? [] : [{ from: file.path, to }]
  }),
)

t.test('has one layer for every file, and a file for every import', async (t) => {
  const paths = files.map(({ path }) => path)
  const layersOf = (path: string) => Object.values(layers).filter(({ has }) => has.test(path))
  t.strictSame(
    paths.filter((path) => layersOf(path).length !== 1),
    [],
  )
  t.strictSame(
    inner.filter(({ to }) => !paths.includes(to)),
    [],
  )
})

t.test('imports only from its own layer and from those that the table allows', async (t) => {
  const wrong = inner.filter(({ from, to }) => {
    const [above = '', below = ''] = [layerOf(from), layerOf(to)]
    return above !== below && !layers[above]?.imports.includes(below)
  })
  t.strictSame(wrong, [])
})

t.test('allows nothing upwards, and nothing that no file needs', async (t) => {
  const names = Object.keys(layers)
  for (const [index, name] of names.entries()) {
    for (const below of layers[name]?.imports ?? []) {
      t.ok(names.indexOf(below) > index, `${below} is below ${name}`)
      const isUsed = inner.some(({ from, to }) => layerOf(from) === name && layerOf(to) === below)
      t.ok(isUsed || below === 'base', `${name} needs ${below}`)
    }
  }
})

t.test('has no file that is too long for one sitting', async (t) => {
  const lengths = files.map(({ path }) => {
    const text = readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
    return { path, lines: text.split('\n').length - 1 }
  })
  t.strictSame(
    lengths.filter(({ lines }) => lines > 250),
    [],
  )
})

t.test('lets the commands be started by nothing but their own module', async (t) => {
  t.strictSame(
    inner.filter(({ from }) => from.startsWith('bin/')),
    [
      { from: 'bin/tcp-chat.js', to: 'src/cli/chat-command.ts' },
      { from: 'bin/tcp-recv.js', to: 'src/cli/receive-command.ts' },
      { from: 'bin/tcp-send.js', to: 'src/cli/send-command.ts' },
    ],
  )
})

t.test('imports in no circle', async (t) => {
  const next = (path: string) => inner.filter(({ from }) => from === path).map(({ to }) => to)
  for (const { path } of files) {
    const reached = new Set(next(path))
    for (const one of reached) for (const further of next(one)) reached.add(further)
    t.notOk(reached.has(path), path)
  }
})

/** The files whose code holds what `pattern` finds. */
function filesWith(pattern: RegExp, isMeant: (path: string) => boolean): string[] {
  return files.filter(({ path, code }) => isMeant(path) && pattern.test(code)).map(({ path }) => path)
}

const isCommand = (path: string) => path.startsWith('src/cli/') || path.startsWith('bin/')
const isProtocol = (path: string) => path.startsWith('src/protocol/')

t.test('prints, exits and reads what belongs to the process only in the commands', async (t) => {
  const ofTheProcess =
    /\bprocess\s*(?:\.|\?\.|\[\s*')\s*(?:stdout|stderr|stdin|exit|exitCode|abort|argv|env|on|once)\b|\bconsole\b/
  t.strictSame(
    filesWith(ofTheProcess, (path) => !isCommand(path)),
    [],
  )
  t.not(filesWith(ofTheProcess, isCommand).length, 0, 'and there they are found')
  // Nor under another name.
  t.strictSame(
    filesWith(/=\s*process\b(?!\.)|'(?:node:)?(?:process|console)'|\bglobalThis\b/, (path) => !isCommand(path)),
    [],
  )
})

t.test('sets the exit status only where the process begins, but for who interrupts twice', async (t) => {
  t.strictSame(
    filesWith(/\bprocess\.exitCode\b/, () => true),
    ['bin/tcp-chat.js', 'bin/tcp-recv.js', 'bin/tcp-send.js'],
  )
  t.strictSame(
    filesWith(/\bprocess\.exit\(/, () => true),
    ['src/cli/run.ts'],
  )
})

t.test('keeps sockets, files and clocks out of the protocol', async (t) => {
  const outer = files
    .filter(({ path }) => isProtocol(path))
    .flatMap((file) => importsOf(file).filter((name) => !name.startsWith('.')))
  t.strictSame(outer, [])
  t.strictSame(
    filesWith(/\b(?:setTimeout|setInterval|setImmediate|performance|Date|process|async|await|Promise)\b/, isProtocol),
    [],
  )
})

t.test('calls the file system in one module, the commands and what the kernel tells of a socket aside', async (t) => {
  const callers = files.filter(({ path, code }) => {
    if (isCommand(path)) return false
    const names = [...code.matchAll(/import (.*) from '(?:node:)?fs(?:\/promises)?'/g)].map(
      ([, what]) => what as string,
    )
    // Constants and types call nothing; what is open already, and whether /proc is there, may be asked elsewhere.
    return names.some(
      (what) => what.replace(/^type .*|\b(?:constants|existsSync|fstatSync|type \w+)\b|[{},\s]/g, '') !== '',
    )
  })
  t.strictSame(
    callers.map(({ path }) => path),
    ['src/disk/disk.ts', 'src/net/delivered.ts'],
  )
})

t.test('every test file runs in one process: its own, or that of a suite', async (t) => {
  const suites = readdirSync(new URL('suites/', import.meta.url)).map((name) =>
    readFileSync(new URL(`suites/${name}`, import.meta.url), 'utf8'),
  )
  const calls = suites.flatMap((code) => [
    ...code.matchAll(/runSuite\(\[(.*?)\](?:, \{ part: (\d+), of: (\d+) \})?\)/g),
  ])
  const parts = calls.flatMap(([, folders = '', part = '1', of = '1']) =>
    [...folders.matchAll(/'(.*?)'/g)].map(([, folder]) => `${folder}: ${part} of ${of}`),
  )
  const folders = [...new Set(parts.map((part) => part.replace(/:.*/, '')))]
  for (const folder of folders) {
    const own = parts.filter((part) => part.startsWith(`${folder}:`))
    t.strictSame(
      own.sort(),
      own.map((_, index) => `${folder}: ${index + 1} of ${own.length}`),
    )
  }
  const paths = readdirSync(new URL('.', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => `test/${path}`)
  const alone = paths.filter((path) => startedByTap().some((pattern) => pattern.test(path)))
  t.strictSame([...alone, ...folders.flatMap(testsOfSuites)].sort(), paths.sort())
})
