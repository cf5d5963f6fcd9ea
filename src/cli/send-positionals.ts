/**
 * The positional arguments of `tcp-send`: paths, a host and a port.
 *
 * A command line that is only close to the syntax (another order, a missing part, a URL, an scp address) is never
 * accepted. It is a usage error, and the message contains the corrected command.
 */
import { existsSync } from 'node:fs'
import type { TransferError } from '../errors.js'
import { printable, shellWord } from '../text.js'
import type { Arguments } from './arguments.js'
import { type EndpointGuess, guessEndpoint, readHost, splitEndpoint } from './endpoint.js'
import { parseInteger, usage } from './values.js'

/** The positional arguments of `tcp-send` when it connects to a receiver. */
export interface SendPositionals {
  paths: string[]
  host: string
  port: number
}

/**
 * Reads `PATH... HOST PORT` or `PATH... HOST:PORT`. With `--text` the paths may be absent. Throws a usage error for
 * anything else, and for a last word that is both `HOST:PORT` and the name of an existing file.
 */
export function readSendPositionals(args: Arguments): SendPositionals {
  const words = args.positionals
  const isMessage = args.text('text') !== undefined
  for (const name of ['host', 'port']) {
    if (args.text(name) !== undefined)
      throw correction(args, `--${name} is for --listen; the host and the port come last`)
  }
  const last = words.at(-1) ?? ''
  const endpoint = splitEndpoint(last)
  const { host, port } = endpoint ?? { host: words.at(-2) ?? '', port: last }
  const paths = words.slice(0, endpoint ? -1 : -2)
  if (!endpoint && words.length > (isMessage ? 0 : 1)) assertNoWordAsPort(last)
  assertNoneEmpty(words, endpoint ? ['the host'] : ['the host', 'the port'])
  if (
    words.length < (endpoint ? 1 : 2) ||
    (paths.length === 0 && !isMessage) ||
    !/^\d+$/.test(port) ||
    guessEndpoint(host)?.note
  )
    throw correction(args)
  if (endpoint && paths.length > 0 && existsSync(last)) {
    const file = shellWord(`./${last}`)
    throw usage(
      `"${last}" is a file here and an address, too; type ${file} for the file, "${host} ${port}" for the address`,
    )
  }
  return { paths, host: readHost('the host', host), port: parseInteger('the port', port, 1, 65535) }
}

/** Throws a usage error for `host:word`, which is neither an address nor a file. */
function assertNoWordAsPort(word: string): void {
  const [, host, port] = /^([^@/:[\]\s]+):([^/:\s]+)$/.exec(word) ?? []
  if (host === undefined || port === undefined || existsSync(word)) return
  const folder = 'the receiver chooses the folder, with tcp-recv --out'
  throw usage(
    `the port in "${printable(word, 80)}" must be a whole number from 1 to 65535, such as ${printable(host, 80)}:9000; ${folder}`,
  )
}

/**
 * Throws a usage error if a word is empty, as when a script passes a quoted variable that is not set. `lastNames` names
 * the last words for the message; the others are paths.
 */
export function assertNoneEmpty(words: readonly string[], lastNames: readonly string[] = []): void {
  const index = words.indexOf('')
  if (index >= 0) throw usage(`${lastNames[index - words.length + lastNames.length] ?? 'a path'} is empty`)
}

/** A usage error that says what is missing or misplaced, followed by the corrected command. `notes` come first. */
function correction(args: Arguments, ...notes: string[]): TransferError {
  const isMessage = args.text('text') !== undefined
  let { host, port }: EndpointGuess = {}
  const paths: string[] = []
  for (const word of args.positionals) {
    const part = guessEndpoint(word)
    if (part?.note) notes.push(part.note)
    if (part && (part.host === undefined || host === undefined) && (part.port === undefined || port === undefined)) {
      host ??= part.host
      port ??= part.port
    } else paths.push(word)
  }
  host ??= args.text('host')
  port ??= args.text('port')
  // A word that names no file is a path or a host. A single word is more likely a path.
  const name = paths.findLastIndex((word) => word !== '-' && !existsSync(word))
  if (host === undefined && name >= 0 && (isMessage || args.positionals.length > 1)) [host] = paths.splice(name, 1)
  const missing = [
    ...(isMessage || paths.length > 0 ? [] : ['the path']),
    ...(host === undefined ? ['the host'] : []),
    ...(port === undefined ? ['the port'] : []),
  ]
  if (missing.length > 0) notes.push(`${list(missing)} ${missing.length > 1 ? 'are' : 'is'} missing`)
  if (notes.length === 0) notes.push('the host and the port come last')
  const files = isMessage ? [] : paths.length > 0 ? paths : ['file.txt']
  const words = [...files, host ?? 'host', port ?? '9000'].map(shellWord)
  return usage(`${notes.join('; ')}: ${['tcp-send', ...args.typed('host', 'port'), ...words].join(' ')}`)
}

function list(parts: readonly string[]): string {
  return parts.join(', ').replace(/, ([^,]*)$/, ' and $1')
}

/** The usage error for `tcp-send --listen` without a port or a path, with the corrected command. */
export function listenCorrection(args: Arguments): TransferError {
  const port = args.text('port') ?? args.positionals.find((word) => /^:?\d+$/.test(word))?.replace(':', '')
  const paths = args.positionals.filter((word) => !/^:?\d+$/.test(word))
  const isComplete = paths.length > 0 || args.text('text') !== undefined
  const note = isComplete ? 'the port is given with --port' : 'the path is missing'
  const words = [...(isComplete ? paths : ['file.txt'])].map(shellWord)
  return usage(`${note}: ${['tcp-send', ...args.typed('port'), '--port', port ?? '9000', ...words].join(' ')}`)
}
