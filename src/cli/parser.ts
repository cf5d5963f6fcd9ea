/** yargs as both commands use it: it reads the command line and lays out the help, from one table of options. */
import './working-directory.js'
import yargs, { type Argv, type Options } from 'yargs'
import type { CommandLine, Option } from './command-line.js'
import { misusedOption } from './option-errors.js'

/** The parser of `line` for `args`. It neither prints nor exits; what is wrong with `args` it throws in our words. */
export function createParser(line: CommandLine, args: readonly string[]): Argv {
  const options = Object.entries(line.options).map(([name, option]) => [name, yargsOption(name, option)] as const)
  return (
    yargs(args)
      .scriptName(line.command)
      .usage(line.usage.map((way) => `${line.command} ${way}`).join('\n'))
      // What yargs would do for these two by itself also takes a file called "help" for the option.
      .help(false)
      .version(false)
      .options(Object.fromEntries(options))
      .example(line.examples)
      .epilogue(line.epilogue)
      .locale('en')
      .exitProcess(false)
      .fail((text) => {
        throw misusedOption(line.options, text)
      })
      .parserConfiguration({
        'parse-positional-numbers': false,
        'boolean-negation': false,
        'dot-notation': false,
        'camel-case-expansion': false,
        // An unknown option is said in our words, with the dashes that were typed.
        'unknown-options-as-args': true,
        'populate--': true,
      })
  )
}

function yargsOption(name: string, { short, value, fallback, describe }: Option): Options {
  return {
    type: value ? 'string' : 'boolean',
    // A switch takes nothing, not even a path that happens to be called "true".
    nargs: value ? 1 : 0,
    // These two win over the rest of the line, whatever is wrong with it.
    skipValidation: name === 'help' || name === 'version',
    describe: fallback === undefined ? describe : `${describe} (default: ${fallback})`,
    ...(short && { alias: short }),
  }
}
