/** `tcp-send`: turns its options into options of `send`, and calls it. */
import { statSync } from 'node:fs'
import { isatty } from 'node:tty'
import { defaults } from '../defaults.js'
import type { TransferError } from '../errors.js'
import type { TransferEvent } from '../events.js'
import { list } from '../list.js'
import { send } from '../send.js'
import type { SendOptions } from '../send-options.js'
import { printable } from '../text.js'
import { type CompressMode, compressModes } from '../transfer/compression.js'
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
import { readEndpoint } from './endpoint.js'
import { checkTreeOptions, readPatterns } from './exclude-options.js'
import { assertNoAddress, passedSockets } from './passed-sockets.js'
import { portFileWriter } from './port-file.js'
import type { Context } from './run.js'
import { sendCommandLine } from './send-command-line.js'
import { assertNoneEmpty, listenCorrection, readSendPositionals } from './send-positionals.js'
import { checkNameOption, parseChoice, usage } from './values.js'
import { assertReachable } from './working-directory.js'

/** The default name of standard input. */
const STDIN_NAME = 'stdin'

/** Runs `tcp-send` with the arguments behind its name. Returns the exit status. */
export async function sendCommand(argv: string[]): Promise<number> {
  return await runCommand(sendCommandLine, argv, sendWith)
}

async function sendWith(args: Arguments, context: Context): Promise<TransferError | null> {
  const isDryRun = args.flag('dry-run')
  const writePort = portFileWriter(isDryRun ? undefined : args.text('port-file'))
  const { usesInput, paths, ...options } = readOptions(args)
  const secret = isDryRun ? {} : await secretFor(args, context, options.listen === true)
  const reporter = await reporterFor('tcp-send', args, context, process.stdout, stdoutLine)
  if (usesInput && isatty(0) && !isDryRun) reporter.note('reading standard input from the terminal; Ctrl-D ends it')
  let exclude: string[] = []
  const check = () => {
    if (usesInput) assertOpen(0)
    assertReachable(paths.filter((path) => path !== '-'))
    exclude = readPatterns(args)
  }
  return await runReported(reporter, check, async () => {
    const onEvent = (event: TransferEvent) => {
      writePort(event)
      return reporter.onEvent(event)
    }
    const { fileEvents } = reporter
    await (isDryRun ? list : send)({ ...options, ...secret, exclude, fileEvents, signal: context.signal, onEvent })
  })
}

/** The text for scripts: what a dry run has found, with its size in bytes. */
function stdoutLine(event: TransferEvent): string | null {
  if (event.event !== 'listed') return null
  const { path, name, kind, size } = event
  const what = kind === 'message' ? '(message)' : path === '-' ? `- (${name})` : path
  const end = kind === 'symlink' ? ' (symlink)' : kind === 'directory' && !path.endsWith('/') ? '/' : ''
  return `${String(size ?? '-').padStart(12)}  ${printable(what, Number.POSITIVE_INFINITY)}${end}`
}

/** The options of `send` that the command line gives. */
interface Options extends SendOptions {
  paths: string[]
  /** True if standard input is a source. */
  usesInput: boolean
}

function readOptions(args: Arguments): Options {
  const listen = args.flag('listen')
  const { paths, ...target } = listen ? readListening(args) : readConnecting(args)
  const sources = readSources(args, paths)
  checkTreeOptions(args)
  const plain = args.flag('plain')
  const expect = readExpectation(args)
  const isSingle = paths.length + (args.text('text') === undefined ? 0 : 1) === 1
  if (plain && !isSingle)
    throw usage('--plain sends a single file: without the protocol nothing marks the end of a file')
  if (plain && args.flag('delta')) throw usage('--delta needs the protocol, so --plain does not go with it')
  if (plain && args.text('text') !== undefined) throw usage('--text needs the protocol, so --plain does not go with it')
  if (plain && args.text('name') !== undefined) throw usage('--plain sends no name, so --name does not go with it')
  if ((expect.size ?? expect.blake3) !== undefined && !isSingle) {
    throw usage('--expect-size and --expect-blake3 are for a single path')
  }
  const count = readCount(args, 'count', 0) ?? defaults.sendCount
  const oneAttempt = args.flag('one-attempt')
  if (oneAttempt && count !== 1) throw usage('--one-attempt and --count exclude each other')
  const usesInput = paths.includes('-') || args.text('text') === '-'
  if (usesInput && count !== 1) throw usage('standard input can be sent only once, so --count does not go with it')
  const pipe = count === 1 ? undefined : paths.find(isFifo)
  if (pipe !== undefined)
    throw usage(`${printable(pipe)} is a pipe and can be sent only once, so --count does not go with it`)
  return {
    ...{ usesInput, paths, sources, listen, ...target, plain, expect, oneAttempt },
    gitignore: args.flag('gitignore'),
    follow: args.flag('follow'),
    delta: args.flag('delta'),
    count: count === 0 ? Number.POSITIVE_INFINITY : count,
    wait: readSeconds(args, 'wait'),
    retry: readRetry(args, listen ? ', so it does not go with --listen' : null),
    timeout: readSeconds(args, 'timeout'),
    compress: readCompress(args),
    allowUnverified: readAllowUnverified(args),
    ...readPeerOptions(args),
  }
}

/** Reads `--compress`. Throws a usage error for `always` with `--plain`. */
function readCompress(args: Arguments): CompressMode | undefined {
  const text = args.text('compress')
  const mode = text === undefined ? undefined : parseChoice('--compress', text, compressModes)
  if (mode === 'always' && args.flag('plain'))
    throw usage('--compress needs the protocol, so --plain does not go with it')
  return mode
}

function isFifo(path: string): boolean {
  try {
    return statSync(path).isFIFO()
  } catch {
    return false
  }
}

type Target = Pick<Options, 'host' | 'port' | 'paths'> & Pick<SendOptions, 'sockets'>

/** Reads the paths and the address of the receiver to connect to. */
function readConnecting(args: Arguments): Target {
  for (const name of ['count', ...listeningOnly]) {
    if (args.text(name) !== undefined) throw usage(`--${name} is for --listen; otherwise give: PATH... HOST PORT`)
  }
  if (args.flag('one-attempt')) throw usage('--one-attempt is for --listen; otherwise there is one attempt anyway')
  return readSendPositionals(args)
}

/** Reads the paths and the address to listen on. */
function readListening(args: Arguments): Target {
  const sockets = passedSockets()
  const { host, port } = readEndpoint(args, 'host', 0)
  const paths = args.positionals
  if (sockets !== undefined) assertNoAddress(args)
  if ((port ?? sockets) === undefined || (paths.length === 0 && args.text('text') === undefined))
    throw listenCorrection(args)
  assertNoneEmpty(paths)
  return { paths, host, port, sockets }
}

/** The sources to send: the message of `--text`, or the paths, with `-` for standard input. */
function readSources(args: Arguments, paths: string[]): SendOptions['sources'] {
  const name = args.text('name')
  const text = args.text('text')
  if (text !== undefined && paths.length > 0)
    throw usage('--text sends a message instead of a file, so there is no path')
  if (text !== undefined && name !== undefined) throw usage('a message has no name, so --name does not go with --text')
  if (text !== undefined) return [{ text: text === '-' ? process.stdin : text }]
  if (name !== undefined && paths.length > 1) throw usage('--name is for a single path')
  // The receiver's system and options are unknown. A name that Linux rejects is rejected everywhere.
  if (name !== undefined) checkNameOption(name, { allowHidden: true, platform: 'linux' })
  if (paths.filter((path) => path === '-').length > 1) throw usage('standard input (-) can be sent only once')
  return paths.map((path) => {
    if (path === '-') return standardInput(name)
    return name === undefined ? path : { path, name }
  })
}

function standardInput(name = STDIN_NAME): { fd: number; name: string; label: string } {
  return { fd: 0, name, label: 'standard input' }
}
