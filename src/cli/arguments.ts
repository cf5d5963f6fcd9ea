/** The command line, read by Node's own parser; what is wrong with an option is said here, in one line. */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { printable, shellWord } from '../text.js'
import { suggestion } from './suggestions.js'
import { usage } from './values.js'

/** One option: the help, the completions and the manual page are all made from this. */
export interface Option {
  /** The letter that stands for it behind a single dash. */
  short?: string
  /** What its value stands for, such as `SECONDS`; an option without one is a switch. */
  value?: string
  /** True if it may be given more than once. */
  many?: boolean
  /** The values it takes, where they are few. */
  choices?: readonly string[]
  /** What holds when it is not given. */
  fallback?: string
  describe: string
}

export type OptionTable = Record<string, Option>

export interface CommandLine {
  command: string
  /** One line of what it is for. */
  purpose: string
  /** The ways to call it, without the command's name. */
  usage: string[]
  options: OptionTable
  examples: [line: string, meaning: string][]
  epilogue: string
}

export interface Arguments {
  positionals: string[]
  /** The value of a string option, if it was given. */
  text(name: string): string | undefined
  flag(name: string): boolean
  list(name: string): string[]
  /** The options as words for a shell, less those of the given names: what a hint repeats before what it corrects. */
  typed(...except: string[]): string[]
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number]
type OptionToken = Token & { kind: 'option' }

/** The parsed arguments. `--help` and `--version` win over the rest of the line, whatever is wrong with it. */
export function parseArguments(line: CommandLine, args: string[]): Arguments {
  const tokens = tokensOf(line.options, args)
  const wish = tokens.find((token) => token.kind === 'option' && (token.name === 'help' || token.name === 'version'))
  const values = new Map<string, string[]>()
  const positionals: string[] = []
  const typed: { name: string; words: string[] }[] = []
  let isLiteral = false
  for (const token of wish ? [wish] : tokens) {
    const word = args[token.index] as string
    if (token.kind === 'option') {
      const { name } = token
      const value = readOption(line, token, word)
      const { value: takesValue, many } = line.options[name] as Option
      const given = values.get(name)
      if (given && takesValue && !many) throw usage(`--${name} was given more than once`)
      values.set(name, [...(given ?? []), value])
      typed.push({ name, words: !takesValue ? [`--${name}`] : [`--${name}`, shellWord(value)] })
    } else if (token.kind === 'option-terminator') {
      // To the parser a dash in a group of letters ends the options, too.
      if (word !== '--') throw usage(unknown(line, word))
      isLiteral = true
    } else {
      if (!isLiteral) checkDash(line.options, token.value)
      positionals.push(token.value)
    }
  }
  return {
    positionals,
    text: (name) => values.get(name)?.[0],
    flag: (name) => values.has(name),
    list: (name) => values.get(name) ?? [],
    typed: (...except) => typed.filter(({ name }) => !except.includes(name)).flatMap(({ words }) => words),
  }
}

function tokensOf(table: OptionTable, args: string[]): Token[] {
  const options = Object.entries(table).map(([name, { short, value }]) => {
    return [name, { type: value ? 'string' : 'boolean', multiple: true, ...(short && { short }) }] as const
  })
  // What is wrong is for us to say, so the parser is not to throw.
  const lenient = { strict: false, allowPositionals: true, tokens: true } as const
  return parseArgs({ args, options: Object.fromEntries(options), ...lenient }).tokens
}

/** The value of an option, empty for a switch. Throws what is wrong with it. */
function readOption(line: CommandLine, token: OptionToken, word: string): string {
  const { name, rawName, value, inlineValue } = token
  const isLong = rawName.startsWith('--')
  const option = Object.hasOwn(line.options, name) ? line.options[name] : undefined
  const whole = word.slice(1)
  // The letters of -port are -p with the value "ort"; nobody means that.
  if (!isLong && whole.length > 1 && Object.hasOwn(line.options, whole)) throw usage(unknown(line, word))
  if (!option) throw usage(unknown(line, rawName, word))
  if (option.value === undefined) {
    if (value === undefined) return ''
    throw usage(`${rawName} takes no value; type ${rawName} alone`)
  }
  if (inlineValue) return isLong ? value : value.replace(/^=/, '')
  if (value !== undefined && !/^-./.test(value)) return value
  const need = `${rawName} needs a value: ${rawName} ${option.value}`
  if (value === undefined || value === '--' || isOption(line.options, value)) throw usage(need)
  throw usage(`${need}; one that begins with a dash is joined with =: --${name}=${shellWord(value)}`)
}

/** True for a word that is surely an option of `table`. */
function isOption(table: OptionTable, word: string): boolean {
  if (word.startsWith('--')) return Object.hasOwn(table, word.replace(/^--|=.*$/gs, ''))
  return Object.values(table).some(({ short }) => short === word[1])
}

/** What to say of an option that there is not: `word` is where it stands, which differs in a group such as `-avz`. */
function unknown(line: CommandLine, name: string, word = name): string {
  const place = word.startsWith('--') || word === name ? '' : ` in "${printable(word, 40)}"`
  const file = existsSync(word) ? `; if the file is meant: ${shellWord(`./${word}`)}` : ''
  const hint =
    file || suggestion(line.command, Object.keys(line.options), name) || `; ${line.command} --help lists them`
  return `unknown option ${printable(name, 40)}${place}${hint}`
}

/** Programs for writing and web pages turn the dashes of an option into others. */
function checkDash(table: OptionTable, word: string): void {
  const [, name = ''] = /^[-\u2010-\u2015\u2212]+([a-z-]+)/.exec(word) ?? []
  if (!word.startsWith('-') && Object.hasOwn(table, name)) {
    throw usage(`"${printable(word, 40)}" begins with a dash that is none on a command line; type --${name}`)
  }
}
