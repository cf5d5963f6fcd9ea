/**
 * The words of `tcp-send` that are no options. What only comes near a path, a host and a port (another order, a missing
 * part, a URL, an address of scp) is not guessed: the error says what to type.
 */
import { existsSync } from 'node:fs'
import type { TransferError } from '../errors.js'
import { shellWord } from '../text.js'
import type { Arguments } from './arguments.js'
import { type Guess, guess, readHost, splitPlace } from './place.js'
import { parseInteger, usage } from './values.js'

export interface Destination {
  paths: string[]
  host: string
  port: number
}

/** The words of `tcp-send`: `PATH... HOST PORT` or `PATH... HOST:PORT`; for a message without a path. */
export function readDestination(args: Arguments): Destination {
  const words = args.positionals
  const isMessage = args.text('text') !== undefined
  for (const name of ['host', 'port']) {
    if (args.text(name) !== undefined)
      throw correction(args, `--${name} is for --listen; the host and the port come last`)
  }
  const last = words.at(-1) ?? ''
  const place = splitPlace(last)
  const { host, port } = place ?? { host: words.at(-2) ?? '', port: last }
  const paths = words.slice(0, place ? -1 : -2)
  checkEmpty(words, place ? ['the host'] : ['the host', 'the port'])
  if (words.length < (place ? 1 : 2) || (paths.length === 0 && !isMessage) || !/^\d+$/.test(port) || guess(host)?.note)
    throw correction(args)
  if (place && paths.length > 0 && existsSync(last)) {
    const file = shellWord(`./${last}`)
    throw usage(
      `"${last}" is a file here and an address, too; type ${file} for the file, "${host} ${port}" for the address`,
    )
  }
  return { paths, host: readHost('the host', host), port: parseInteger('the port', port, 1, 65535) }
}

/** A variable that is not set leaves an empty word, and not an absent one. */
export function checkEmpty(words: readonly string[], last: readonly string[] = []): void {
  const place = words.indexOf('')
  if (place >= 0) throw usage(`${last[place - words.length + last.length] ?? 'a path'} is empty`)
}

/** What somebody must have meant whose words are no destination: what is missing or in the wrong place, and what to type. */
function correction(args: Arguments, ...notes: string[]): TransferError {
  const isMessage = args.text('text') !== undefined
  let { host, port }: Guess = {}
  const paths: string[] = []
  for (const word of args.positionals) {
    const part = guess(word)
    if (part?.note) notes.push(part.note)
    if (part && (part.host === undefined || host === undefined) && (part.port === undefined || port === undefined)) {
      host ??= part.host
      port ??= part.port
    } else paths.push(word)
  }
  host ??= args.text('host')
  port ??= args.text('port')
  // One word without a file of that name may be either; a single one is rather a path.
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

/** `tcp-send --listen` without a port or a path. */
export function listenCorrection(args: Arguments): TransferError {
  const port = args.text('port') ?? args.positionals.find((word) => /^:?\d+$/.test(word))?.replace(':', '')
  const paths = args.positionals.filter((word) => !/^:?\d+$/.test(word))
  const isComplete = paths.length > 0 || args.text('text') !== undefined
  const note = isComplete ? 'the port is given with --port' : 'the path is missing'
  const words = [...(isComplete ? paths : ['file.txt'])].map(shellWord)
  return usage(`${note}: ${['tcp-send', ...args.typed('port'), '--port', port ?? '9000', ...words].join(' ')}`)
}
