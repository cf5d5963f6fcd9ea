/** Configures yargs, which parses the command line and lays out the help of both commands. */
import './working-directory.js'
import yargs, { type Argv, type Options } from 'yargs'
import type { CommandLine, Option } from './command-line.js'
import { misusedOption } from './option-errors.js'

/** Creates the parser of `line` for `args`. It neither prints nor exits, and throws usage errors of this program. */
export function createParser(line: CommandLine, args: readonly string[]): Argv {
  const options = Object.entries(line.options).map(([name, option]) => [name, yargsOption(name, option)] as const)
  return (
    yargs(args)
      .scriptName(line.command)
      .usage(line.usage.map((way) => `${line.command} ${way}`).join('\n'))
      // The built-in versions of these two would also take a file called "help" for the option.
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
        // Unknown options are kept as typed, for the error messages of option-errors.ts.
        'unknown-options-as-args': true,
        'populate--': true,
      })
  )
}

function yargsOption(name: string, { short, value, fallback, describe }: Option): Options {
  return {
    type: value ? 'string' : 'boolean',
    // A switch takes no value, not even a path called "true".
    nargs: value ? 1 : 0,
    // These two take precedence over errors in the rest of the command line.
    skipValidation: name === 'help' || name === 'version',
    describe: fallback === undefined ? describe : `${describe} (default: ${fallback})`,
    ...(short && { alias: short }),
  }
}
