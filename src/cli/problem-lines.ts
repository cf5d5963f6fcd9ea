/**
 * Limits the lines about what is left out, refused or failed in one directory: ten thousand of them would hide all the
 * others. The rest is counted, and told when the directory ends.
 */
import type { TransferEvent } from '../events.js'
import { printable } from '../text.js'
import { formatCount } from './format.js'

/** How many problems of one directory have a line each. */
export const MAX_PROBLEMS = 100

interface Problems {
  transfer: number
  directory: string
  count: number
}

export class ProblemLines {
  readonly #maxListed: number
  /** The directories with problems by transfer and name. */
  readonly #directories = new Map<string, Problems>()

  /** @param isVerbose true to list every problem, however many there are */
  constructor(isVerbose: boolean) {
    this.#maxListed = isVerbose ? Number.POSITIVE_INFINITY : MAX_PROBLEMS
  }

  /** Counts a failure or refusal. Returns the text instead of its line: null for its own line, empty for none. */
  instead(event: TransferEvent): string | null {
    if ((event.event !== 'failed' && event.event !== 'refused') || event.directory === undefined) return null
    const { transfer, directory } = event
    const key = keyOf(transfer, directory)
    const problems = this.#directories.get(key) ?? { transfer, directory, count: 0 }
    this.#directories.set(key, problems)
    problems.count++
    if (problems.count <= this.#maxListed) return null
    if (problems.count > this.#maxListed + 1) return ''
    return `more like these in ${shown(directory)} are only counted; --verbose and --json list them all`
  }

  /** The lines about what was not listed in the directories that this event ends. */
  rest(event: TransferEvent): string[] {
    return this.#ended(event).flatMap(({ transfer, directory, count }) => {
      this.#directories.delete(keyOf(transfer, directory))
      const more = count - this.#maxListed
      return more <= 0 ? [] : [`${formatCount(more)} more like these in ${shown(directory)}`]
    })
  }

  #ended(event: TransferEvent): Problems[] {
    const all = [...this.#directories.values()]
    if (event.event === 'done') return all
    if (event.event === 'ended') return all.filter(({ transfer }) => transfer === event.transfer)
    if (!('name' in event) || !('transfer' in event) || event.name === undefined) return []
    if (event.event === 'progress' || event.directory !== undefined) return []
    const problems = this.#directories.get(keyOf(event.transfer, event.name))
    return problems ? [problems] : []
  }
}

function shown(directory: string): string {
  return `${printable(directory, 80)}/`
}

function keyOf(transfer: number, directory: string): string {
  return `${transfer} ${directory}`
}
