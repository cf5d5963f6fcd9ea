/**
 * Codes: four words in place of a key, for one transfer. A code has only 32 bits, so it is never used as a key. It lets
 * two sides agree on one (access/cpace.ts), and whoever guesses has three tries.
 *
 * A word says by its syllables whether its position is even or odd, so a word that is missing or swapped is noticed.
 */
import { randomInt } from 'node:crypto'
import { EVEN_WORDS, ODD_WORDS } from './code-words.js'
import { TransferError } from './errors.js'
import { printable } from './text.js'

/** The number of words in a code. */
export const CODE_WORDS = 4

let lists: readonly [readonly string[], readonly string[]] | undefined

/** The words for a position. */
function wordsAt(position: number): readonly string[] {
  lists ??= [EVEN_WORDS.trim().split(/\s/), ODD_WORDS.trim().split(/\s/)]
  return lists[position % 2] as readonly string[]
}

/** A new code: four words, joined with dashes. */
export function newCode(): string {
  return Array.from({ length: CODE_WORDS }, (_, position) => wordsAt(position)[randomInt(256)]).join('-')
}

/** Spaces, dashes and commas, of which there may be several. */
const SEPARATORS = /[\s,-]+/

function split(text: string): string[] {
  return text.toLowerCase().split(SEPARATORS).filter(Boolean)
}

/**
 * The four bytes that a code stands for, however its words are separated. Throws a usage error that says which word is
 * wrong, but repeats no other.
 */
export function parseCode(text: string): Buffer {
  const words = split(text)
  if (words.length !== CODE_WORDS)
    throw new TransferError('usage', `a code has ${CODE_WORDS} words, and not ${words.length}`)
  return Buffer.from(words.map(byteOf))
}

function byteOf(word: string, position: number): number {
  const byte = wordsAt(position).indexOf(word)
  if (byte >= 0) return byte
  const isElsewhere = wordsAt(position + 1).includes(word)
  const problem = isElsewhere
    ? 'stands at the wrong place'
    : `is none; did you mean ${nearest(word, wordsAt(position))}?`
  throw new TransferError('usage', `word ${position + 1} of the code, "${printable(word, 40)}", ${problem}`)
}

/** The word in `words` that takes the fewest changes of letters to be `typed`. */
function nearest(typed: string, words: readonly string[]): string {
  const short = typed.slice(0, 40)
  const distances = words.map((word) => distance(short, word))
  return String(words[distances.indexOf(Math.min(...distances))])
}

/** How many letters must be added, removed or replaced to make `b` of `a` (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1]
    for (const [at, other] of [...b].entries()) {
      const replaced = (row[at] as number) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[at + 1] as number) + 1, (next[at] as number) + 1))
    }
    row = next
  }
  return row.at(-1) as number
}

/** True if a word of the command line is meant as a code, right or wrong, and not as a path. */
export function isMeantAsCode(text: string): boolean {
  const words = split(text)
  if (words.length !== CODE_WORDS || !words.every((word) => /^[a-z]+$/.test(word))) return false
  return /[\s,]/.test(text) || words.filter(isCodeWord).length > 1
}

/** True if `word` is a word of the list. */
export function isCodeWord(word: string): boolean {
  return [0, 1].some((position) => wordsAt(position).includes(word.toLowerCase()))
}

/** The words that the last word of `typed` can become. */
export function completions(typed: string): string[] {
  const words = typed.toLowerCase().split(SEPARATORS)
  const last = String(words.at(-1))
  return words.length > CODE_WORDS ? [] : wordsAt(words.length - 1).filter((word) => word.startsWith(last))
}
