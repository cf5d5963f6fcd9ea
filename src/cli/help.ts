/** The help: yargs lays it out. The command line is not read by it, so that every word of an error is ours. */
import './working-directory.js'
import yargs, { type Options } from 'yargs'
import type { CommandLine, Option, OptionTable } from './arguments.js'

/** What `--help` prints. */
export async function help(line: CommandLine): Promise<string> {
  // Two names that yargs keeps for itself.
  const { help, version, ...options } = line.options as OptionTable & Record<'help' | 'version', Option>
  const text = await yargs([])
    .scriptName(line.command)
    .usage(line.usage.map((way) => `${line.command} ${way}`).join('\n'))
    .options(yargsOptions(options))
    .example(line.examples)
    .epilogue(line.epilogue)
    .help('help', help.describe)
    .alias('help', `${help.short}`)
    .version('version', version.describe, '')
    .alias('version', `${version.short}`)
    .locale('en')
    .wrap(Math.min(100, process.stdout.columns || 100))
    .getHelp()
  // Each option's description says what it takes; yargs' "[string]" behind it would say less.
  return text.replace(/\s*\[(string|boolean|array)\]$/gm, '')
}

function yargsOptions(table: OptionTable): Record<string, Options> {
  const entries = Object.entries(table).map(([name, { short, value, many, fallback, describe }]) => {
    const type = many ? 'array' : value ? 'string' : 'boolean'
    const text = fallback === undefined ? describe : `${describe} (default: ${fallback})`
    return [name, { type, describe: text, ...(short && { alias: short }) } as const]
  })
  return Object.fromEntries(entries)
}
