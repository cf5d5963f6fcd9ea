/** `tcp-recv` takes no positional arguments. This module guesses which options they stand for. */
import { existsSync } from 'node:fs'
import type { TransferError } from '../errors.js'
import { printable, shellWord } from '../text.js'
import type { Arguments } from './arguments.js'
import { guessEndpoint } from './endpoint.js'
import { usage } from './values.js'

/** The usage error for a command line with positional arguments; its message contains the corrected command. */
export function unexpectedPositionals(args: Arguments): TransferError {
  const [first = '', second = '', ...more] = args.positionals
  const isPair = more.length === 0 && /^\d+$/.test(second) && guessEndpoint(first) === null && !existsSync(first)
  const parts = isPair ? [{ host: first, port: second }] : args.positionals.map(guessEndpoint)
  const host = parts.find((part) => part?.host !== undefined)?.host
  const port = parts.find((part) => part?.port !== undefined)?.port
  if (host !== undefined) {
    const typed = args.typed('port')
    const fetch = ['tcp-recv', ...typed, '--connect', shellWord(host), '--port', port ?? '9000']
    const wait = ['tcp-recv', ...typed, '--port', port ?? '9000']
    return usage(`to fetch from a sender that listens: ${fetch.join(' ')}; to wait for a sender: ${wait.join(' ')}`)
  }
  const folder = args.positionals.find((_word, index) => parts[index] === null)
  for (const [option, value] of Object.entries({ port, out: folder })) {
    const given = args.text(option)
    if (value !== undefined && given !== undefined) {
      return usage(`"${printable(value, 80)}" is one too many: --${option} is ${shellWord(given)} already`)
    }
  }
  const number = port ?? (args.text('port') === undefined ? '9000' : undefined)
  const notes = [
    ...(port === undefined ? [] : ['the port is given with --port']),
    ...(folder === undefined ? [] : ['the folder is given with --out']),
  ]
  const options = [
    ...(number === undefined ? [] : ['--port', number]),
    ...(folder === undefined ? [] : ['--out', shellWord(folder)]),
  ]
  return usage(`${notes.join(', ')}: ${['tcp-recv', ...args.typed(), ...options].join(' ')}`)
}
