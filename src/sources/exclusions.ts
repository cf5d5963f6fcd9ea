/**
 * The parts of a directory that are not sent: the patterns of `--exclude`, and with `--gitignore` those of the
 * `.gitignore` files in it. All have the syntax of `gitignore(5)`.
 */
import ignore, { type Ignore } from 'ignore'

/** Patterns that apply to everything below one directory. */
interface Rules {
  /** The path of that directory, with a slash at its end. Empty for the directory that is sent. */
  below: string
  patterns: Ignore
}

function compile(patterns: string | readonly string[]): Ignore {
  return ignore({ ignorecase: false }).add(patterns)
}

export class Exclusions {
  /** The patterns of the user. They come before those of any file. */
  readonly #given: Rules | null
  /** The patterns of each `.gitignore` on the way to the current directory, the innermost last. */
  readonly #found: Rules[] = []

  /** @param patterns as in a `.gitignore` file at the top of the directory */
  constructor(patterns: readonly string[]) {
    this.#given = patterns.length === 0 ? null : { below: '', patterns: compile(patterns) }
  }

  /** Adds the patterns of a `.gitignore` file. `directory` is the path of its directory; empty for the top. */
  enter(directory: string, text: string): void {
    const patterns = compile(text.replace(/^\ufeff/, ''))
    this.#found.push({ below: directory === '' ? '' : `${directory}/`, patterns })
  }

  /** Removes the patterns of the `.gitignore` file in this directory, if there was one. */
  leave(directory: string): void {
    if (this.#found.at(-1)?.below === `${directory}/`) this.#found.pop()
  }

  /** True if the item is not sent. `path` begins at the directory that is sent, and everything above it is sent. */
  has(path: string, isDirectory: boolean): boolean {
    if (this.#given === null && this.#found.length === 0) return false
    const name = isDirectory ? `${path}/` : path
    const all = [...(this.#given ? [this.#given] : []), ...this.#found.toReversed()]
    for (const [index, { below, patterns }] of all.entries()) {
      const { ignored, unignored } = patterns.test(name.slice(below.length))
      if (unignored && isDirectory) for (const rules of all.slice(index + 1)) allow(rules, path)
      if (ignored || unignored) return ignored
    }
    return false
  }
}

/**
 * Lets these patterns take a directory for one that is sent, because others that count for more say so. Otherwise they
 * would exclude everything in it: for `ignore`, an excluded directory is never entered.
 */
function allow({ below, patterns }: Rules, directory: string): void {
  const name = directory.slice(below.length)
  if (patterns.ignores(`${name}/`)) patterns.add([`!/${name.replace(/[\\*?[\]]/g, '\\$&')}/`])
}
