/**
 * The shape of the source: imports point one way, from the commands down to the protocol, and what a command does to its
 * process is done nowhere else.
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import t from 'tap'
import { importsOf, type SourceFile, sourceFiles } from './fixtures/source-files.ts'

/** Each layer may import from those below it, and from itself only where that is said. */
const layers: { name: string; has: RegExp; isOne?: boolean }[] = [
  { name: 'bin', has: /^bin\// },
  { name: 'cli', has: /^src\/cli\//, isOne: true },
  { name: 'engine', has: /^src\/(?!events|text|errors|memory|system-errors)[\w-]+\.ts$/, isOne: true },
  { name: 'net', has: /^src\/net\//, isOne: true },
  { name: 'files', has: /^src\/files\//, isOne: true },
  { name: 'protocol', has: /^src\/protocol\//, isOne: true },
  { name: 'events', has: /^src\/events\.ts$/ },
  { name: 'text', has: /^src\/text\.ts$/ },
  { name: 'memory', has: /^src\/memory\.ts$/ },
  { name: 'system errors', has: /^src\/system-errors\.ts$/ },
  { name: 'errors', has: /^src\/errors\.ts$/ },
]

/** Neighbours of one height, which know nothing of each other. */
const strangers = ['net files', 'files net', 'protocol events', 'events text']

const { imports: subpaths } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  imports: Record<string, { unbundled: string }>
}

const files = [...sourceFiles('bin', '.js'), ...sourceFiles('src', '.ts')]

function layerOf(path: string): number {
  return layers.findIndex(({ has }) => has.test(path))
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

t.test('has a layer for every file, and a file for every import', async (t) => {
  const paths = files.map(({ path }) => path)
  t.strictSame(
    paths.filter((path) => layerOf(path) < 0),
    [],
  )
  t.strictSame(
    inner.filter(({ to }) => !paths.includes(to)),
    [],
  )
  for (const { name } of layers)
    t.ok(inner.some(({ from, to }) => [from, to].some((path) => layers[layerOf(path)]?.name === name)))
})

t.test('imports only from lower layers, or from its own', async (t) => {
  const wrong = inner.filter(({ from, to }) => {
    const [above, below] = [layerOf(from), layerOf(to)]
    if (above === below) return !layers[above]?.isOne
    return above > below || strangers.includes(`${layers[above]?.name} ${layers[below]?.name}`)
  })
  t.strictSame(wrong, [])
})

t.test('lets the commands be started by nothing but their own module', async (t) => {
  t.strictSame(
    inner.filter(({ from }) => from.startsWith('bin/')),
    [
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
    ['bin/tcp-recv.js', 'bin/tcp-send.js'],
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
    return names.some((what) => what.replace(/\b(?:constants|existsSync|fstatSync|type \w+)\b|[{},\s]/g, '') !== '')
  })
  t.strictSame(
    callers.map(({ path }) => path),
    ['src/files/disk.ts', 'src/net/delivered.ts'],
  )
})
