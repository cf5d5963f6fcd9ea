/**
 * The usage errors for words that begin with a dash. Each message is one line and says what to type instead. This
 * module only rejects words. yargs decides what an accepted word means and which value an option gets.
 */
import { existsSync } from 'node:fs'
import type { TransferError } from '../errors.js'
import { printable, shellWord } from '../text.js'
import type { CommandLine, Option, OptionTable } from './command-line.js'
import { suggestion } from './suggestions.js'
import { usage } from './values.js'

/** The error for an unknown option. `word` is the word that contains it, for example the group `-avz` for `-z`. */
export function unknownOption(line: CommandLine, name: string, word = name): TransferError {
  const place = word.startsWith('--') || word === name ? '' : ` in "${printable(word, 40)}"`
  const file = existsSync(word) ? `; type ${shellWord(`./${word}`)} for the file` : ''
  const hint =
    file || suggestion(line.command, Object.keys(line.options), name) || `; ${line.command} --help lists them`
  return usage(`unknown option ${printable(name, 40)}${place}${hint}`)
}

/** The error for an option without its value, or for a switch with a value. `yargsText` is the message of yargs. */
export function misusedOption(table: OptionTable, yargsText: string): TransferError {
  const key = yargsText.replace(/^.*: /, '')
  const typed = key.length > 1 ? `--${key}` : `-${key}`
  const option = Object.hasOwn(table, key) ? table[key] : findByLetter(table, key)
  if (option?.value === undefined) return usage(`${typed} takes no value; type ${typed} alone`)
  return usage(`${typed} needs a value: ${typed} ${option.value}`)
}

/**
 * The error for a word with a single dash that yargs would misread; null for any other word. yargs reads `-port` as -p,
 * -o, -r and -t, and `-q5` as -q switched off.
 */
export function shortGroupError(line: CommandLine, word: string): TransferError | null {
  if (!/^-[^-]./su.test(word)) return null
  const name = word.slice(1).replace(/=.*$/s, '')
  if (Object.hasOwn(line.options, name)) return unknownOption(line, `-${name}`, word)
  const letters = [...word.slice(1)]
  for (const [index, letter] of letters.entries()) {
    const option = findByLetter(line.options, letter)
    // yargs keeps a word with an unknown first letter as a positional argument, which `checkPositional` rejects.
    if (!option) return index === 0 ? null : unknownOption(line, /\w/.test(letter) ? `-${letter}` : word, word)
    const rest = letters.slice(index + 1).join('')
    if (/^=./s.test(rest)) return null
    if (!option.value) continue
    if (/^\d*$/.test(rest)) return null
    const value = rest === '=' ? option.value : shellWord(rest)
    return usage(`the value of -${letter} is joined with =: -${letter}=${value}`)
  }
  return null
}

/** Throws if the value of an option looks like another option or like `--`, unless it was joined with `=`. */
export function checkOptionValue(args: readonly string[], name: string, option: Option, value: string): void {
  const isJoined = [name, `${option.short}`].some((key) => args.some((word) => word.endsWith(`${key}=${value}`)))
  if (isJoined || !/^-./s.test(value)) return
  const joined = value === '--' ? '' : `; one that begins with a dash is joined with =: --${name}=${shellWord(value)}`
  throw usage(`--${name} needs a value: --${name} ${option.value}${joined}`)
}

/** Throws if a positional argument is an unknown option, or an option typed with a typographic dash. */
export function checkPositional(line: CommandLine, word: string): void {
  if (/^-./s.test(word)) throw unknownOption(line, word.replace(/^(--[^=]+)=.*$|^(-[^-]).*$/su, '$1$2'), word)
  // Word processors and web pages replace the ASCII dashes of an option by typographic ones.
  const [, name = ''] = /^[-\u2010-\u2015\u2212]+([a-z-]+)/.exec(word) ?? []
  if (Object.hasOwn(line.options, name)) {
    throw usage(`"${printable(word, 40)}" begins with a typographic dash; type --${name}`)
  }
}

function findByLetter(table: OptionTable, letter: string): Option | undefined {
  return Object.values(table).find(({ short }) => short === letter)
}
