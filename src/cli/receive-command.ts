/** `tcp-recv`: turns its options into options of `receive`, and calls it. */
import { createWriteStream, fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { isatty } from 'node:tty'
import { defaults } from '../defaults.js'
import type { TransferError } from '../errors.js'
import type { TransferEvent } from '../events.js'
import type { KeyOption } from '../keys.js'
import { isTypePattern } from '../media-type.js'
import { formatAddress } from '../net/address.js'
import { receive } from '../receive.js'
import type { ReceiveOptions } from '../receive-options.js'
import { ifExistsChoices } from '../stores/final-name.js'
import { printable } from '../text.js'
import { isExpecting } from '../transfer/expectation.js'
import type { Arguments } from './arguments.js'
import { reporterFor, runCommand, runReported, secretFor } from './command.js'
import {
  listeningOnly,
  readAllowUnverified,
  readCount,
  readExpectation,
  readPeerOptions,
  readRetry,
  readSeconds,
} from './common-options.js'
import { assertOpen } from './descriptors.js'
import { readEndpoint, splitEndpoint } from './endpoint.js'
import { splitCommand } from './exec.js'
import { checkProgram, shellWarning } from './exec-program.js'
import type { Metrics } from './metrics.js'
import { partialWith } from './partial-command.js'
import { assertNoAddress, passedSockets } from './passed-sockets.js'
import { portFileWriter } from './port-file.js'
import { DEFAULT_OUT, inflateChoices, receiveCommandLine } from './receive-command-line.js'
import { unexpectedPositionals } from './receive-positionals.js'
import type { Reporter } from './reporter.js'
import type { Context } from './run.js'
import { checkNameOption, parseChoice, parseInteger, parseSize, parseTime, usage } from './values.js'
import { assertReachable } from './working-directory.js'

/** Runs `tcp-recv` with the arguments behind its name. Returns the exit status. */
export async function receiveCommand(argv: string[]): Promise<number> {
  return await runCommand(receiveCommandLine, argv, receiveWith)
}

async function receiveWith(args: Arguments, context: Context): Promise<TransferError | null> {
  if (args.flag('list-partial') || args.flag('clean')) return await partialWith(args, context)
  const writePort = portFileWriter(args.text('port-file'))
  const options = readOptions(args)
  const secret = await secretFor(args, context, !options.connect)
  const perKeyFolder = readPerKeyFolder(args, secret.key?.())
  const output = options.out === '-' ? standardOutput() : null
  // If standard output carries the file, JSON goes to stderr.
  const stdout = output ? process.stderr : process.stdout
  const reporter = await reporterFor('tcp-recv', args, context, stdout, output ? () => null : stdoutLine)
  const metrics = await metricsFor(args, reporter)
  const exec = args.text('exec')
  const warning = exec === undefined ? null : shellWarning(exec)
  if (warning !== null) reporter.note(`warning: ${warning}`)
  const check = () => (output ? assertOpen(1) : assertReachable([options.out]))
  return await runReported(reporter, check, async () => {
    const hook = exec === undefined ? undefined : (await import('./exec.js')).createExecHook(exec, context.signal)
    const receiving = receive({
      ...options,
      ...secret,
      perKeyFolder,
      out: output ?? options.out,
      fileEvents: reporter.fileEvents,
      signal: context.signal,
      onEvent: (event) => {
        writePort(event)
        metrics?.onEvent(event)
        return reporter.onEvent(event)
      },
      afterStored: hook && ((event) => reporter.aside(() => hook(event))),
    })
    if (args.flag('drain')) {
      context.drain = () => {
        reporter.note('takes nothing new, and ends after what is under way')
        metrics?.onDrain()
        receiving.close()
      }
    }
    await receiving
  }).finally(() => output?.destroy())
}

/** Serves what `--metrics` asks for. Returns what must hear of every event, or null. */
async function metricsFor(args: Arguments, reporter: Reporter): Promise<Metrics | null> {
  const text = args.text('metrics')
  if (text === undefined) return null
  const { host, port } = splitEndpoint(text) ?? { host: '127.0.0.1', port: text }
  const where = { host, port: parseInteger('--metrics', port, 0, 65535) }
  const { Metrics, serveMetrics } = await import('./metrics.js')
  const metrics = new Metrics()
  const served = await serveMetrics(metrics, where)
  reporter.note(`metrics: http://${formatAddress(host, served)}/metrics`)
  return metrics
}

/** The text for scripts: the path of a stored file or directory, or a message as a single escaped line. */
function stdoutLine(event: TransferEvent): string | null {
  if (event.event === 'message') return printable(event.text, Number.POSITIVE_INFINITY)
  return event.event === 'stored' && event.directory === undefined ? event.path : null
}

/** The options of `receive` that the command line gives. An `out` of `-` stands for standard output. */
type Options = ReceiveOptions & { out: string }

function readOptions(args: Arguments): Options {
  if (args.positionals.length > 0) throw unexpectedPositionals(args)
  const out = args.text('out') ?? DEFAULT_OUT
  if (out === '') throw usage('--out is empty')
  const accept = args.list('accept')
  for (const type of accept) {
    if (!isTypePattern(type))
      throw usage(`--accept must be a MIME type such as text/plain or image/*, not "${printable(type)}"`)
  }
  const exec = args.text('exec')
  if (exec !== undefined) {
    const [program] = splitCommand(exec)
    if (!program) throw usage('--exec is empty')
    checkProgram(program)
  }
  const maxSizeText = args.text('max-size')
  const maxSize = maxSizeText === undefined ? undefined : parseSize('--max-size', maxSizeText)
  return {
    ...readConnectionOptions(args, out),
    ...readPlainOptions(args, maxSize),
    ...readPeerOptions(args),
    out,
    accept,
    wait: readSeconds(args, 'wait'),
    retry: readRetry(args, args.text('connect') === undefined ? ', as tcp-recv does with --connect' : null),
    timeout: readSeconds(args, 'timeout'),
    compress: parseChoice('--compress', args.text('compress') ?? defaults.compress, inflateChoices),
    allowUnverified: readAllowUnverified(args),
    ifExists: parseChoice('--if-exists', args.text('if-exists') ?? defaults.ifExists, ifExistsChoices),
    maxSize,
    maxFiles: readCount(args, 'max-files'),
    maxDepth: readCount(args, 'max-depth'),
    keepPartial: readKeepPartial(args, out),
    allowHidden: args.flag('allow-hidden'),
    textOnly: args.flag('text-only'),
  }
}

/** Reads `--keep-partial`. Throws a usage error where nothing can be kept. */
function readKeepPartial(args: Arguments, out: string): number | undefined {
  const text = args.text('keep-partial')
  if (text === undefined) return undefined
  if (out === '-') throw usage('--keep-partial needs a folder, so it does not go with --out -')
  if (args.flag('plain')) throw usage('--keep-partial needs the protocol, so --plain does not go with it')
  return parseTime('--keep-partial', text)
}

/** Reads `--per-key-folder`. Throws a usage error if there is no name for a folder, or no place for it. */
function readPerKeyFolder(args: Arguments, keys: KeyOption | undefined): boolean {
  if (!args.flag('per-key-folder')) return false
  if (args.text('out') === '-') throw usage('--per-key-folder needs a folder, so it does not go with --out -')
  if (typeof keys !== 'object') throw usage('--per-key-folder needs keys with names: a line of --key-file is NAME KEY')
  return true
}

/** Reads the options for listening or connecting, and for the number of transfers. */
function readConnectionOptions(
  args: Arguments,
  out: string,
): Pick<Options, 'port' | 'host' | 'sockets' | 'connect' | 'count' | 'oneAttempt'> {
  const connect = args.text('connect') !== undefined
  const sockets = connect ? undefined : passedSockets()
  const { host, port } = readEndpoint(args, connect ? 'connect' : 'host', connect ? 1 : 0)
  const count = readCount(args, 'count')
  const oneAttempt = args.flag('one-attempt')
  const once = args.flag('once') || oneAttempt
  if (args.flag('drain') && (once || connect || count !== undefined || out === '-'))
    throw usage('--drain is for a receiver without an end of its own')
  if (sockets !== undefined) assertNoAddress(args)
  else if (port === undefined) {
    throw usage(
      connect
        ? `--connect needs a port, too: --connect ${formatAddress(String(host), 9000)}`
        : '--port is needed: tcp-recv --port 9000 --out dir',
    )
  }
  if (once && count !== undefined)
    throw usage(`--${oneAttempt ? 'one-attempt' : 'once'} and --count exclude each other`)
  if (out === '-' && count !== undefined) throw usage('--out - takes one file, so --count does not go with it')
  if (connect && count !== undefined) throw usage('--connect makes one transfer, so --count does not go with it')
  if (connect && args.text('host') !== undefined) throw usage('--host is for listening, --connect names the sender')
  const unused = listeningOnly.find((name) => args.text(name) !== undefined)
  if (connect && unused !== undefined) throw usage(`--${unused} is for listening, so it does not go with --connect`)
  return { port, host, sockets, connect, count: once ? 1 : count, oneAttempt }
}

/** Reads `--plain` and the options that need it. Throws a usage error for options that need the protocol. */
function readPlainOptions(
  args: Arguments,
  maxSize = Number.POSITIVE_INFINITY,
): Pick<Options, 'plain' | 'name' | 'expect'> {
  const plain = args.flag('plain')
  const name = args.text('name')
  const expect = readExpectation(args)
  if (!plain && name !== undefined) throw usage('--name is for --plain; otherwise the sender names the file')
  if (!plain && isExpecting(expect))
    throw usage('--expect-size and --expect-blake3 are for --plain; the protocol verifies every file')
  if ((expect.size ?? 0) > maxSize) throw usage('--expect-size is above --max-size, so no file can match')
  if (name !== undefined) checkNameOption(name, { allowHidden: args.flag('allow-hidden'), platform: process.platform })
  if (plain && args.flag('text-only')) throw usage('--text-only needs the protocol, so --plain does not go with it')
  if (plain && args.list('accept').length > 0)
    throw usage('--accept needs the protocol, so --plain does not go with it')
  return { plain, name, expect }
}

/**
 * Opens standard output as a stream that never blocks the process. `process.stdout` writes to a pipe synchronously
 * (Node's documentation, "A note on process I/O"), so a stalled reader would also stall heartbeats and signals.
 */
function standardOutput(): Writable {
  const fd = 1
  const stats = fstatSync(fd)
  if (isatty(fd)) throw usage('--out - will not write a file to a terminal; use a pipe or a redirection')
  return stats.isFIFO() || stats.isSocket()
    ? new Socket({ fd, readable: false, writable: true })
    : createWriteStream('', { fd, autoClose: false })
}
