/** Lays out the help with yargs. */
import type { CommandLine } from './command-line.js'
import { createParser } from './parser.js'

/** The text that `--help` prints, at most 100 columns wide. */
export async function help(line: CommandLine): Promise<string> {
  const parser = createParser(line, []).wrap(Math.min(100, process.stdout.columns || 100))
  // The descriptions say what the options take, so the "[string]" of yargs adds nothing.
  return (await parser.getHelp()).replace(/\s*\[(string|boolean)\]$/gm, '')
}
