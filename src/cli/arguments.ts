/** The command line: yargs reads it, and what is wrong with it is said in one line of ours. */
import { shellWord } from '../text.js'
import type { CommandLine, Option } from './command-line.js'
import { checkOptionValue, checkPositional, misreadGroup, unknownOption } from './option-errors.js'
import { createParser } from './parser.js'
import { usage } from './values.js'

export interface Arguments {
  positionals: string[]
  /** The value of a string option, if it was given. */
  text(name: string): string | undefined
  flag(name: string): boolean
  list(name: string): string[]
  /** The options as words for a shell, less those of the given names: what a hint repeats before what it corrects. */
  typed(...except: string[]): string[]
}

type Values = Record<string, string | true | string[] | undefined> & { _: string[]; '--'?: string[] }

/** The parsed arguments. `--help` and `--version` win over the rest of the line, whatever is wrong with it. */
export function parseArguments(line: CommandLine, args: string[]): Arguments {
  const { options } = line
  const values = read(line, args)
  const given = new Map<string, string[]>()
  const wish = Object.keys(values).find((name) => name === 'help' || name === 'version')
  if (wish) given.set(wish, [])
  else {
    for (const [name, value] of Object.entries(values)) {
      if (Object.hasOwn(options, name)) given.set(name, valuesOf(args, name, options[name] as Option, value))
    }
    checkNames(line, values)
    for (const word of values._) checkPositional(line, word)
  }
  return {
    positionals: wish ? [] : [...values._, ...(values['--'] ?? [])],
    text: (name) => given.get(name)?.[0],
    flag: (name) => given.has(name),
    list: (name) => given.get(name) ?? [],
    typed: (...except) =>
      [...given].flatMap(([name, list]) => {
        if (except.includes(name)) return []
        return options[name]?.value ? list.flatMap((value) => [`--${name}`, shellWord(value)]) : [`--${name}`]
      }),
  }
}

/** What yargs makes of the words. Those that it would misread are kept from it, and are an error unless help is wanted. */
function read(line: CommandLine, args: string[]): Values {
  const end = args.includes('--') ? args.indexOf('--') : args.length
  const faults = args.map((word, index) => (index < end ? misreadGroup(line, word) : null))
  const sound = args.filter((_word, index) => faults[index] === null)
  const values = createParser(line, sound).parseSync() as unknown as Values
  const fault = faults.find((fault) => fault !== null)
  if (fault && !values.help && !values.version) throw fault
  return values
}

/** The values of an option, none for a switch. */
function valuesOf(args: string[], name: string, option: Option, value: Values[string]): string[] {
  if (option.value === undefined) return []
  const list = [value].flat() as string[]
  for (const text of list) checkOptionValue(args, name, option, text)
  if (list.length > 1 && !option.many) throw usage(`--${name} was given more than once`)
  return list
}

/** Throws if there is a name that is no option: yargs takes `--no-quiet` or `--name.x` for one beside `--quiet`, `--name`. */
function checkNames(line: CommandLine, values: Values): void {
  const letters = Object.values(line.options).map(({ short }) => short)
  const known = [...Object.keys(line.options), ...letters, '_', '--', '$0']
  const name = Object.keys(values).find((name) => !known.includes(name))
  if (name !== undefined) throw unknownOption(line, name.length > 1 ? `--${name}` : `-${name}`)
}
