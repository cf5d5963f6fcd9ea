/**
 * What is wrong with words that begin with a dash, in one line that says what to type. These checks only reject: what a
 * word is, and which value an option has, yargs decides.
 */
import { existsSync } from 'node:fs'
import type { TransferError } from '../errors.js'
import { printable, shellWord } from '../text.js'
import type { CommandLine, Option, OptionTable } from './command-line.js'
import { suggestion } from './suggestions.js'
import { usage } from './values.js'

/** An option that there is not: `word` is where it stands, which differs in a group such as `-avz`. */
export function unknownOption(line: CommandLine, name: string, word = name): TransferError {
  const place = word.startsWith('--') || word === name ? '' : ` in "${printable(word, 40)}"`
  const file = existsSync(word) ? `; if the file is meant: ${shellWord(`./${word}`)}` : ''
  const hint =
    file || suggestion(line.command, Object.keys(line.options), name) || `; ${line.command} --help lists them`
  return usage(`unknown option ${printable(name, 40)}${place}${hint}`)
}

/** What yargs says of an option without its value, or of a switch with one, in our words. */
export function misusedOption(table: OptionTable, yargsText: string): TransferError {
  const key = yargsText.replace(/^.*: /, '')
  const typed = key.length > 1 ? `--${key}` : `-${key}`
  const option = Object.hasOwn(table, key) ? table[key] : byLetter(table, key)
  if (option?.value === undefined) return usage(`${typed} takes no value; type ${typed} alone`)
  return usage(`${typed} needs a value: ${typed} ${option.value}`)
}

/**
 * What is wrong with a group of letters that yargs would misread, null for any other word. Of `-port` it makes -p, -o, -r
 * and -t, and `-q5` is a -q that is off to it.
 */
export function misreadGroup(line: CommandLine, word: string): TransferError | null {
  if (!/^-[^-]./su.test(word)) return null
  const name = word.slice(1).replace(/=.*$/s, '')
  if (Object.hasOwn(line.options, name)) return unknownOption(line, `-${name}`, word)
  const letters = [...word.slice(1)]
  for (const [index, letter] of letters.entries()) {
    const option = byLetter(line.options, letter)
    // What begins with a letter that there is not yargs leaves as it is.
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

/** Throws if yargs took for the value of an option what looks like another option, or like the end of all options. */
export function checkOptionValue(args: readonly string[], name: string, option: Option, value: string): void {
  const isJoined = [name, `${option.short}`].some((key) => args.some((word) => word.endsWith(`${key}=${value}`)))
  if (isJoined || !/^-./s.test(value)) return
  const joined = value === '--' ? '' : `; one that begins with a dash is joined with =: --${name}=${shellWord(value)}`
  throw usage(`--${name} needs a value: --${name} ${option.value}${joined}`)
}

/** Throws if a word among the paths is an option that there is not, or begins with a dash that is none. */
export function checkPositional(line: CommandLine, word: string): void {
  if (/^-./s.test(word)) throw unknownOption(line, word.replace(/^(--[^=]+)=.*$|^(-[^-]).*$/su, '$1$2'), word)
  // Programs for writing and web pages turn the dashes of an option into others.
  const [, name = ''] = /^[-\u2010-\u2015\u2212]+([a-z-]+)/.exec(word) ?? []
  if (Object.hasOwn(line.options, name)) {
    throw usage(`"${printable(word, 40)}" begins with a dash that is none on a command line; type --${name}`)
  }
}

function byLetter(table: OptionTable, letter: string): Option | undefined {
  return Object.values(table).find(({ short }) => short === letter)
}
