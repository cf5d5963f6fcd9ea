/** yargs, tamed: no printing, no exiting, one clear usage error, and every value given at most once. */
import yargs, { type Options } from 'yargs'
import { printable } from '../text.js'
import { usage } from './values.js'

/** One option: the help, the completions and the manual page are all made from this. */
export interface Option {
  /** What its value stands for, such as `SECONDS`; an option without one is a switch. */
  value?: string
  /** True if it may be given more than once. */
  many?: boolean
  /** The values it takes, where they are few. */
  choices?: readonly string[]
  /** What holds when it is not given. */
  fallback?: string
  describe: string
}

export type OptionTable = Record<string, Option>

export interface CommandLine {
  command: string
  /** One line of what it is for. */
  purpose: string
  /** The ways to call it, without the command's name. */
  usage: string[]
  options: OptionTable
  examples: [line: string, meaning: string][]
  epilogue: string
}

export interface Arguments {
  positionals: string[]
  /** The value of a string option, if it was given. */
  text(name: string): string | undefined
  flag(name: string): boolean
  list(name: string): string[]
}

function yargsOptions(table: OptionTable): Record<string, Options> {
  const entries = Object.entries(table).map(([name, { value, many, fallback, describe }]) => {
    const type = many ? 'array' : value ? 'string' : 'boolean'
    const text = fallback === undefined ? describe : `${describe} (default: ${fallback})`
    // A switch takes nothing, not even a path that happens to be called "true".
    return [name, { type, describe: text, ...(value ? { requiresArg: true } : { nargs: 0 }) } as const]
  })
  return Object.fromEntries(entries)
}

/** The parsed arguments; or the text that `--help` or `--version` asks for. */
export async function parseArguments(line: CommandLine, version: string, args: string[]): Promise<Arguments | string> {
  const parser = yargs(args)
    .scriptName(line.command)
    .usage(line.usage.map((text) => `${line.command} ${text}`).join('\n'))
    .options(yargsOptions(line.options))
    .example(line.examples)
    .epilogue(line.epilogue)
    .version(version)
    .help()
    .alias('help', 'h')
    .locale('en')
    .wrap(Math.min(100, process.stdout.columns || 100))
    .strictOptions()
    .exitProcess(false)
    .fail(false)
    .parserConfiguration({
      'parse-positional-numbers': false,
      'greedy-arrays': false,
      'boolean-negation': false,
      'dot-notation': false,
      'camel-case-expansion': false,
    })
  let output = ''
  let values: Record<string, unknown>
  try {
    values = await parser.parseAsync(args, {}, (_error, _values, text) => {
      output = text
    })
  } catch (error) {
    throw usage(printable((error as Error).message.replace(/^Unknown arguments?: /, 'unknown option: ')))
  }
  // Each option's description says what it takes; yargs' "[string]" behind it would say less.
  if (output !== '') return output.replace(/\s*\[(string|boolean|array)\]$/gm, '')
  for (const [name, { many }] of Object.entries(line.options)) {
    if (!many && Array.isArray(values[name])) throw usage(`--${name} was given more than once`)
  }
  return {
    positionals: (values._ as unknown[]).map(String),
    text: (name) => values[name] as string | undefined,
    flag: (name) => values[name] === true,
    list: (name) => (values[name] as string[] | undefined) ?? [],
  }
}
