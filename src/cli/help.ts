/** The help, as yargs lays it out. */
import type { CommandLine } from './command-line.js'
import { createParser } from './parser.js'

/** What `--help` prints. */
export async function help(line: CommandLine): Promise<string> {
  const parser = createParser(line, []).wrap(Math.min(100, process.stdout.columns || 100))
  // Each option's description says what it takes; yargs' "[string]" behind it would say less.
  return (await parser.getHelp()).replace(/\s*\[(string|boolean)\]$/gm, '')
}
