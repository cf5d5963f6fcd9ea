/** Parses a command line with yargs. Errors in it become usage errors of one line, in the words of this program. */
import { shellWord } from '../text.js'
import type { CommandLine, Option } from './command-line.js'
import { checkOptionValue, checkPositional, shortGroupError, unknownOption } from './option-errors.js'
import { createParser } from './parser.js'
import { usage } from './values.js'

export interface Arguments {
  /** The words that are neither options nor values of options. */
  positionals: string[]
  /** The value of an option, or its first value if it was repeated; undefined if the option was not given. */
  text(name: string): string | undefined
  /** True if the option was given. */
  flag(name: string): boolean
  /** All values of an option. */
  list(name: string): string[]
  /** The given options as shell words, without those in `except`. Error messages repeat them in a corrected command. */
  typed(...except: string[]): string[]
}

type Values = Record<string, string | true | string[] | undefined> & { _: string[]; '--'?: string[] }

/**
 * Parses `args`, the words after the command's name. Throws a usage error for an unknown option, a missing or
 * unexpected value, and a repeated option that allows only one value. With `--help` or `--version` the other words are
 * ignored, even if they are wrong.
 */
export function parseArguments(line: CommandLine, args: string[]): Arguments {
  const { options } = line
  const values = parse(line, args)
  const given = new Map<string, string[]>()
  const request = Object.keys(values).find((name) => name === 'help' || name === 'version')
  if (request) given.set(request, [])
  else {
    for (const [name, value] of Object.entries(values)) {
      if (Object.hasOwn(options, name)) given.set(name, valuesOf(args, name, options[name] as Option, value))
    }
    checkNames(line, values)
    for (const word of values._) checkPositional(line, word)
  }
  return {
    positionals: request ? [] : [...values._, ...(values['--'] ?? [])],
    text: (name) => given.get(name)?.[0],
    flag: (name) => given.has(name),
    list: (name) => given.get(name) ?? [],
    typed: (...except) =>
      [...given].flatMap(([name, list]) => {
        if (except.includes(name)) return []
        const { value, takes } = options[name] as Option
        return value && !takes ? list.flatMap((value) => [`--${name}`, shellWord(value)]) : [`--${name}`]
      }),
  }
}

/**
 * Parses the words with yargs, except those that yargs would misread. Such a word is an error, unless `--help` or
 * `--version` is given.
 */
function parse(line: CommandLine, args: string[]): Values {
  const end = args.includes('--') ? args.indexOf('--') : args.length
  const errors = args.map((word, index) => (index < end ? shortGroupError(line, word) : null))
  const readable = joinOptional(
    line,
    args.filter((_word, index) => errors[index] === null),
  )
  const values = createParser(line, readable).parseSync() as unknown as Values
  const error = errors.find((error) => error !== null)
  if (error && !values.help && !values.version) throw error
  return values
}

/** Stands for the value of an option that has none. Nobody can type it. */
const NONE = '\0'

/** Joins each option whose value may be absent with its value, because yargs would take any word for it. */
function joinOptional({ options }: CommandLine, args: string[]): string[] {
  const end = args.includes('--') ? args.indexOf('--') : args.length
  const joined: string[] = []
  for (let index = 0; index < args.length; index++) {
    const [word = '', next] = args.slice(index, index + 2)
    const takes = index < end && word.startsWith('--') ? options[word.slice(2)]?.takes : undefined
    const isTaken = takes !== undefined && next !== undefined && takes(next)
    joined.push(takes ? `${word}=${isTaken ? next : NONE}` : word)
    if (isTaken) index++
  }
  return joined
}

/** The checked values of an option; empty for a switch. */
function valuesOf(args: string[], name: string, option: Option, value: Values[string]): string[] {
  if (option.value === undefined) return []
  const list = [value].flat() as string[]
  for (const text of list) checkOptionValue(args, name, option, text)
  if (list.length > 1 && !option.many) throw usage(`--${name} was given more than once`)
  return list.filter((text) => text !== NONE)
}

/**
 * Throws for a name that is not an option. yargs accepts `--no-quiet` and `--name.x` if `--quiet` and `--name` exist.
 */
function checkNames(line: CommandLine, values: Values): void {
  const letters = Object.values(line.options).map(({ short }) => short)
  const known = [...Object.keys(line.options), ...letters, '_', '--', '$0']
  const name = Object.keys(values).find((name) => !known.includes(name))
  if (name !== undefined) throw unknownOption(line, name.length > 1 ? `--${name}` : `-${name}`)
}
