/** `--exclude` and `--exclude-from`: the parts of directories that are not sent. */
import { readFileSync } from 'node:fs'
import { localError } from '../disk/local-error.js'
import type { Arguments } from './arguments.js'
import { usage } from './values.js'
import { assertReachable } from './working-directory.js'

/** The options that are about the parts of a directory. */
const treeOptions = ['exclude', 'exclude-from', 'gitignore', 'follow']

/** Throws a usage error for an empty value, and for an option about directories where none can be sent. */
export function checkTreeOptions(args: Arguments): void {
  const given = treeOptions.find((name) => args.flag(name))
  if (given !== undefined && args.flag('plain')) throw usage(`--plain sends a single file, so --${given} has no use`)
  if (given !== undefined && args.text('text') !== undefined)
    throw usage(`--text sends a message instead of a directory, so --${given} has no use`)
  for (const name of ['exclude', 'exclude-from']) {
    if (args.list(name).includes('')) throw usage(`--${name} is empty`)
  }
  if (args.list('exclude-from').includes('-'))
    throw usage('--exclude-from takes a file and does not read standard input; for a file of that name, type ./-')
}

/**
 * Reads the patterns of all files of `--exclude-from`, and after them those of `--exclude`, so that the latter decide.
 * Throws a `local-file` error for a file that cannot be read.
 */
export function readPatterns(args: Arguments): string[] {
  const paths = args.list('exclude-from')
  assertReachable(paths)
  return [...paths.flatMap(patternsIn), ...args.list('exclude')]
}

function patternsIn(path: string): string[] {
  try {
    // As git does, this ignores a byte order mark.
    return readFileSync(path, 'utf8')
      .replace(/^\ufeff/, '')
      .split(/\r?\n/)
  } catch (error) {
    throw localError('cannot read', path, error)
  }
}
