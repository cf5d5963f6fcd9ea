/** The options that both commands share, and how option values become options of the library. */
import { isMeantAsCode } from '../codes.js'
import { defaults } from '../defaults.js'
import { parseNetwork } from '../net/ip.js'
import type { PeerOptions } from '../peers.js'
import { printable } from '../text.js'
import type { Expectation } from '../transfer/expectation.js'
import { LOWEST_LIMIT, type RateOptions } from '../transfer/rate.js'
import { MAX_STREAMS, type Streams, type StreamsOptions } from '../transfer/streams.js'
import type { Arguments } from './arguments.js'
import type { OptionTable } from './command-line.js'
import { DEFAULT_PROGRESS, progressChoices } from './reporter.js'
import { shells } from './shells.js'
import { parseDigest, parseInteger, parseSeconds, parseSize, usage } from './values.js'

export const commonOptions: OptionTable = {
  timeout: {
    value: 'SECONDS',
    fallback: String(defaults.timeout / 1000),
    describe: 'Give up after this many seconds without progress',
  },
  stall: {
    value: 'SECONDS',
    fallback: String(defaults.stall / 1000),
    describe: 'Give up after this many seconds in which the other side is alive, but sends or takes nothing',
  },
  retry: {
    value: 'N',
    fallback: String(defaults.retry),
    describe: 'When connecting: after a break, connect again up to N times and go on where it stopped; 0 means never',
  },
  streams: {
    value: 'N',
    fallback: 'auto',
    describe:
      'Use N connections for a transfer, or at most N as the receiver; auto: as many as help over a long distance',
  },
  limit: {
    value: 'SIZE',
    fallback: 'as fast as possible',
    describe: 'Move at most this much in a second, such as 500K or 10M, over all connections together',
  },
  progress: {
    value: 'HOW',
    choices: progressChoices,
    fallback: DEFAULT_PROGRESS,
    describe: 'Progress display on stderr: auto, bar, lines or none',
  },
  quiet: { short: 'q', describe: 'On stderr, print only failures and refusals' },
  verbose: { short: 'v', describe: 'Print a line with all details for every file, however many there are' },
  json: { describe: 'Print one JSON object per line instead of text' },
  'port-file': { value: 'FILE', describe: 'When listening: write the port to this file, and remove the file at exit' },
  'allow-unverified': {
    describe: 'Accept a file even if the peer sends no digest; the file counts as not verified',
  },
  'key-file': {
    value: 'FILE',
    describe: 'Encrypt everything, and take only peers with the same key, which this file holds (or TCP_TRANSFER_KEY)',
  },
  code: {
    value: 'WORDS',
    takes: isMeantAsCode,
    describe:
      'Encrypt everything: the side that listens makes a code of four words for one transfer, the other one needs them',
  },
  fingerprint: { describe: 'Print the fingerprint of each key, for two people to compare, and exit' },
  receipt: { value: 'FILE', describe: 'Write the digest of each finished file to this file, for "b3sum --check"' },
  completion: { value: 'SHELL', choices: shells, describe: 'Print a completion script for bash, zsh or fish' },
  help: { short: 'h', describe: 'Show this help' },
  version: { short: 'V', describe: 'Show the version' },
}

/** Reads `--expect-size` and `--expect-blake3`. */
export function readExpectation(args: Arguments): Expectation {
  const size = args.text('expect-size')
  const blake3 = args.text('expect-blake3')
  return {
    size: size === undefined ? undefined : parseSize('--expect-size', size),
    blake3: blake3 === undefined ? undefined : parseDigest('--expect-blake3', blake3),
  }
}

/** Reads `--allow-unverified`. Throws a usage error if `--plain` was given, too. */
export function readAllowUnverified(args: Arguments): boolean {
  const isAllowed = args.flag('allow-unverified')
  if (isAllowed && args.flag('plain'))
    throw usage('--plain verifies nothing, so --allow-unverified does not go with it')
  return isAllowed
}

/** The limits of connections, for the options of a command that listens. `condition` comes before each description. */
export function connectionOptions(condition = ''): OptionTable {
  const describe = (text: string) =>
    condition === '' ? text : `${condition}: ${text[0]?.toLowerCase()}${text.slice(1)}`
  return {
    'max-connections': {
      value: 'N',
      fallback: String(defaults.maxConnections),
      describe: describe('Maximum number of simultaneous connections'),
    },
    'max-per-peer': {
      value: 'N',
      fallback: 'no limit of its own',
      describe: describe('Maximum number of those from one address, or from one IPv6 network of 64 bits'),
    },
    'allow-from': {
      value: 'CIDR',
      many: true,
      fallback: 'everybody',
      describe: describe('Only let this address or network connect, such as 10.0.0.0/8; may be repeated'),
    },
    'proxy-from': {
      value: 'CIDR',
      many: true,
      fallback: 'nobody',
      describe: describe('Take the address of a peer from the PROXY header of this load balancer; may be repeated'),
    },
  }
}

/** The options that only a side that listens can use. */
export const listeningOnly = [...Object.keys(connectionOptions()), 'port-file', 'metrics']

/** Reads `--stall`, `--limit`, `--streams` and the options of `connectionOptions`. */
export function readPeerOptions(args: Arguments): PeerOptions & RateOptions & StreamsOptions {
  const [networks, proxies] = [args.list('allow-from'), args.list('proxy-from')]
  const limit = args.text('limit')
  for (const network of networks) parseNetwork(network)
  for (const network of proxies) parseNetwork(network, '--proxy-from')
  if (args.flag('plain') && args.flag('stall'))
    throw usage('--plain has no heartbeats, so --timeout is enough and --stall does not go with it')
  return {
    stall: readSeconds(args, 'stall'),
    limit: limit === undefined ? undefined : parseLimit(limit),
    streams: readStreams(args),
    maxConnections: readCount(args, 'max-connections'),
    maxPerPeer: readCount(args, 'max-per-peer'),
    allowFrom: networks.length > 0 ? networks : undefined,
    proxyFrom: proxies,
  }
}

/** Reads `--streams`. */
function readStreams(args: Arguments): Streams | undefined {
  const text = args.text('streams')
  if (text === undefined || text === 'auto') return text
  const streams = parseInteger('--streams', text, 1, MAX_STREAMS)
  if (streams > 1 && args.flag('plain'))
    throw usage('--streams needs the protocol, so --plain does not go with several')
  return streams
}

/** The most tries of `--retry`. */
const MAX_RETRY = 1000

/**
 * Reads `--retry`. Throws a usage error for a side that listens, or whose peer could not go on.
 *
 * @param listening for a side that listens, what the error says of that
 */
export function readRetry(args: Arguments, listening: string | null): number | undefined {
  const text = args.text('retry')
  if (text === undefined) return undefined
  if (listening !== null) throw usage(`--retry is for a side that connects${listening}`)
  if (args.flag('plain')) throw usage('--retry needs the protocol, so --plain does not go with it')
  return parseInteger('--retry', text, 0, MAX_RETRY)
}

function parseLimit(text: string): number {
  const limit = parseSize('--limit', text)
  if (limit >= LOWEST_LIMIT) return limit
  throw usage(`--limit must be at least 1K (1024 bytes in a second), not "${printable(text, 40)}"`)
}

/** Reads an option in seconds as milliseconds. */
export function readSeconds(args: Arguments, name: string): number | undefined {
  const text = args.text(name)
  return text === undefined ? undefined : parseSeconds(`--${name}`, text)
}

/** Reads an option that is a whole number of at least `minimum`. */
export function readCount(args: Arguments, name: string, minimum = 1): number | undefined {
  const text = args.text(name)
  return text === undefined ? undefined : parseInteger(`--${name}`, text, minimum, 1_000_000_000)
}

const exitStatuses = [
  '0 stored, verified and durable',
  '1 internal error',
  '2 wrong usage or unsupported Node.js version',
  '3 cannot connect, listen or resolve',
  '4 key missing or not the same',
  '5 refused by the receiver',
  '6 broken or incomplete transfer',
  '7 digest mismatch or missing digest',
  '8 cannot read or write a local file',
  '9 timeout',
  '10 the --exec command failed',
  '129 hung up',
  '130 interrupted',
  '143 terminated',
]

/** The last paragraph of the help. */
export const exitCodesHelp = `Exit status: ${exitStatuses.join('; ')}.`
