/**
 * Parses option values: numbers, sizes, times. Each function throws a usage error that quotes the option and the value.
 */
import { TransferError } from '../errors.js'
import { printable } from '../text.js'
import { type NameRules, nameProblem } from '../transfer/names.js'

/** An error in the command line (exit 2). */
export function usage(message: string): TransferError {
  return new TransferError('usage', message)
}

/** Parses a whole number from `minimum` to `maximum`. */
export function parseInteger(option: string, text: string, minimum: number, maximum: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= minimum && value <= maximum) return value
  throw usage(`${option} must be a whole number from ${minimum} to ${maximum}, not "${printable(text, 40)}"`)
}

/** The longest timer in seconds. Node sets longer ones to 1 ms (lib/internal/timers.js, TIMEOUT_MAX). */
const MAX_SECONDS = (2 ** 31 - 1) / 1000

/** Parses seconds above 0, with or without decimals. Returns milliseconds, rounded up. */
export function parseSeconds(option: string, text: string): number {
  const seconds = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN
  if (seconds > 0 && seconds <= MAX_SECONDS) return Math.ceil(seconds * 1000)
  throw usage(`${option} must be a number of seconds above 0, not "${printable(text, 40)}"`)
}

/** Units as in GNU dd and truncate: K, M, G, T and KiB, MiB, … are powers of 1024; kB, MB, … are powers of 1000. */
const units = new Map<string, number>([
  ['', 1],
  ['b', 1],
])
for (const [index, letter] of ['k', 'm', 'g', 't'].entries()) {
  units.set(letter, 1024 ** (index + 1))
  units.set(`${letter}ib`, 1024 ** (index + 1))
  units.set(`${letter}b`, 1000 ** (index + 1))
}

/** Parses a size such as `1500`, `10M`, `1.5GiB` or `2GB`. Returns bytes, rounded down. */
export function parseSize(option: string, text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? []
  const factor = units.get(unit.toLowerCase())
  // A double holds 15 decimal digits. Without the rounding, 1.005 kB would be 1004.9999999999999 bytes, not 1005.
  const product = Number(number) * (factor ?? Number.NaN)
  const bytes = number?.includes('.') ? Math.floor(Number(product.toPrecision(15))) : product
  if (Number.isSafeInteger(bytes)) return bytes
  throw usage(`${option} must be a size such as 1500, 10M (MiB) or 2GB, not "${printable(text, 40)}"`)
}

/** Milliseconds of each unit of a time. */
const timeUnits = new Map<string, number>([
  ['s', 1000],
  ['m', 60 * 1000],
  ['h', 60 * 60 * 1000],
  ['d', 24 * 60 * 60 * 1000],
])

/** Parses a time such as `90s`, `12h` or `1.5d`. Returns milliseconds, rounded up. Only 0 needs no unit. */
export function parseTime(option: string, text: string): number {
  if (text === '0') return 0
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? []
  // As for a size: 2.007 s would be 2007.0000000000002 ms, and rounded up 2008.
  const time = Math.ceil(Number((Number(number) * (timeUnits.get(unit) ?? Number.NaN)).toPrecision(15)))
  if (Number.isSafeInteger(time)) return time
  throw usage(`${option} must be a time such as 90s, 30m, 12h or 7d, or 0, not "${printable(text, 40)}"`)
}

/** Returns `text` if it is one of `choices`. */
export function parseChoice<T extends string>(option: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === text)
  if (choice !== undefined) return choice
  throw usage(`${option} must be one of ${choices.join(', ')}, not "${printable(text, 40)}"`)
}

/** Parses a digest of 64 hexadecimal digits. Returns it in lower case. */
export function parseDigest(option: string, text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase()
  throw usage(`${option} must be 64 hexadecimal digits, as b3sum prints them, not "${printable(text, 80)}"`)
}

/** Throws a usage error for a `--name` that no receiver with these rules would store. */
export function checkNameOption(name: string, rules: NameRules): void {
  const problem = nameProblem(name, rules)
  if (problem !== null) throw usage(`--name cannot be the name of a file: ${problem}`)
}
