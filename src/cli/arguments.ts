/** yargs, tamed: no printing, no exiting, one clear usage error, and every option at most once. */
import yargs, { type Options } from 'yargs'
import { usage } from './values.js'

/** An option's place in the help. `type` is yargs': a string takes one value, an array one each time it is given. */
export type OptionTable = Record<string, Options & { describe: string; type: 'string' | 'boolean' | 'array' }>

export interface CommandLine {
  command: string
  /** The lines after "Usage:", without the command's name. */
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

/** The parsed arguments; or the text that `--help` or `--version` asks for. */
export async function parseArguments(line: CommandLine, version: string, args: string[]): Promise<Arguments | string> {
  const parser = yargs(args)
    .scriptName(line.command)
    .usage(line.usage.map((text) => `${line.command} ${text}`).join('\n'))
    .options(line.options)
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
    throw usage((error as Error).message.replace(/^Unknown arguments?: /, 'unknown option: '))
  }
  // Each option's description says what it takes; yargs' "[string]" behind it would say less.
  if (output !== '') return output.replace(/\s*\[(string|boolean|array)\]$/gm, '')
  for (const [name, { type }] of Object.entries(line.options)) {
    if (type !== 'array' && Array.isArray(values[name])) throw usage(`--${name} was given more than once`)
  }
  return {
    positionals: (values._ as unknown[]).map(String),
    text: (name) => values[name] as string | undefined,
    flag: (name) => values[name] === true,
    list: (name) => (values[name] as string[] | undefined) ?? [],
  }
}
