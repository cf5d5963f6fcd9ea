/** `tcp-recv`: its options, and the call of the library that they stand for. */
import { createWriteStream, fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { isatty } from 'node:tty'
import type { TransferEvent } from '../events.js'
import { formatAddress } from '../net/address.js'
import { type ReceiveOptions, receive } from '../receive.js'
import { isTypePattern } from '../sources/media-type.js'
import { ifExistsChoices } from '../stores/final-name.js'
import { printable } from '../text.js'
import { isExpecting } from '../transfer/expectation.js'
import type { Arguments } from './arguments.js'
import { reporterFor, runCommand, runReported } from './command.js'
import type { CommandLine, OptionTable } from './command-line.js'
import {
  commonOptions,
  exitCodesHelp,
  readAllowUnverified,
  readCount,
  readExpectation,
  readSeconds,
} from './common-options.js'
import { assertOpen } from './descriptors.js'
import { readEndpoint } from './endpoint.js'
import { splitCommand } from './exec.js'
import { checkProgram, shellWarning } from './exec-program.js'
import { portFileWriter } from './port-file.js'
import { unexpectedPositionals } from './receive-positionals.js'
import type { Context } from './run.js'
import { checkNameOption, parseChoice, parseSize, usage } from './values.js'
import { assertReachable } from './working-directory.js'

const options: OptionTable = {
  port: { short: 'p', value: 'PORT', describe: 'Listen on this port; 0 picks a free port' },
  host: { value: 'ADDRESS', fallback: 'all interfaces', describe: 'Listen on this address, or on ADDRESS:PORT' },
  connect: {
    value: 'HOST',
    describe:
      'Fetch one transfer from a listening sender (tcp-send --listen) at HOST or HOST:PORT instead of listening',
  },
  out: {
    short: 'o',
    value: 'DIR',
    fallback: '.',
    describe: 'SendPositionals folder, created if missing; - writes one file to standard output',
  },
  once: { describe: 'Exit after one successful transfer' },
  count: { value: 'N', describe: 'Exit after N successful transfers' },
  'one-attempt': { describe: 'Exit after the first transfer with its exit status, even if it failed' },
  wait: {
    value: 'SECONDS',
    describe: 'Wait this many seconds for a sender; with --connect, keep trying to connect for as long',
  },
  'if-exists': {
    value: 'WHAT',
    choices: ifExistsChoices,
    fallback: 'backup',
    describe: 'If the name is taken: backup (store as file_bak.txt), overwrite, skip or fail',
  },
  accept: { value: 'TYPE', many: true, describe: 'Accept only this MIME type, such as image/*; may be repeated' },
  'max-size': { value: 'SIZE', describe: 'Maximum size of a file, such as 500M or 2GB' },
  'max-files': { value: 'N', fallback: '100000', describe: 'Maximum number of files per transfer' },
  'max-connections': { value: 'N', fallback: '256', describe: 'Maximum number of simultaneous connections' },
  'allow-hidden': { describe: 'Accept names that begin with a dot, such as .bashrc' },
  'text-only': { describe: 'Accept only messages (tcp-send --text), no files' },
  exec: {
    value: 'COMMAND',
    describe: 'Run this command after each stored file, without a shell; the README lists its environment',
  },
  plain: { describe: 'Use no protocol: all bytes up to the end of the stream are one file; the end is not verified' },
  name: { value: 'NAME', fallback: 'received', describe: 'With --plain: store the file under this name' },
  'expect-size': { value: 'SIZE', describe: 'With --plain: fail and store nothing unless the file has this size' },
  'expect-blake3': {
    value: 'DIGEST',
    describe: 'With --plain: fail and store nothing unless the file has this BLAKE3 digest',
  },
  ...commonOptions,
}

export const receiveCommandLine: CommandLine = {
  command: 'tcp-recv',
  purpose: 'receive files over TCP',
  usage: [
    '[options] --port PORT [--out DIR]',
    '[options] --port PORT --out -   (standard output)',
    '[options] --connect HOST --port PORT [--out DIR]',
  ],
  options,
  examples: [
    ['tcp-recv --port 9000 --out dir', 'Store every file in dir, until Ctrl-C'],
    ['path=$(tcp-recv --once --port 9000 --out dir)', 'Receive one transfer; print the path of each file'],
    ['tcp-recv --port 9000 --out - | tar -x', 'Unpack one archive; fail unless its end is verified'],
    ['tcp-recv --port 0 --port-file port --out dir', 'Listen on any free port and write it to a file'],
    ['tcp-recv --connect host --port 9000 --out dir', 'Fetch from: tcp-send --listen --port 9000 file.txt'],
    ['tcp-recv --plain --port 9000 --name file.txt', 'Receive from: nc -N host 9000 <file.txt'],
  ],
  epilogue: exitCodesHelp,
}

export async function receiveCommand(argv: string[]): Promise<number> {
  return await runCommand(receiveCommandLine, argv, receiveWith)
}

async function receiveWith(args: Arguments, context: Context): Promise<void> {
  const writePort = portFileWriter(args.text('port-file'))
  const call = readCall(args)
  const output = call.out === '-' ? standardOutput() : null
  // Standard output carries the file, so what else would go there goes to stderr.
  const stdout = output ? process.stderr : process.stdout
  const reporter = await reporterFor('tcp-recv', args, context, stdout, output ? () => null : printedLine)
  const exec = args.text('exec')
  const warning = exec === undefined ? null : shellWarning(exec)
  if (warning !== null) reporter.note(`warning: ${warning}`)
  const check = () => (output ? assertOpen(1) : assertReachable([call.out]))
  await runReported(reporter, check, async () => {
    const hook = exec === undefined ? undefined : (await import('./exec.js')).createExecHook(exec, context.signal)
    await receive({
      ...call,
      out: output ?? call.out,
      signal: context.signal,
      onEvent: (event) => {
        writePort(event)
        reporter.onEvent(event)
      },
      afterStored: hook && ((event) => reporter.aside(() => hook(event))),
    })
  }).finally(() => output?.destroy())
}

/** What a script reads: the path of a stored file, or a message as one line that cannot be mistaken for two. */
function printedLine(event: TransferEvent): string | null {
  if (event.event === 'message') return printable(event.text, Number.POSITIVE_INFINITY)
  return event.event === 'stored' ? event.path : null
}

type Call = ReceiveOptions & { out: string }

function readCall(args: Arguments): Call {
  if (args.positionals.length > 0) throw unexpectedPositionals(args)
  const out = args.text('out') ?? '.'
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
  const limit = args.text('max-size')
  const maxSize = limit === undefined ? undefined : parseSize('--max-size', limit)
  return {
    ...readMeeting(args, out),
    ...readPlain(args, maxSize),
    out,
    accept,
    wait: readSeconds(args, 'wait'),
    timeout: readSeconds(args, 'timeout'),
    allowUnverified: readAllowUnverified(args),
    ifExists: parseChoice('--if-exists', args.text('if-exists') ?? 'backup', ifExistsChoices),
    maxSize,
    maxFiles: readCount(args, 'max-files'),
    maxConnections: readCount(args, 'max-connections'),
    allowHidden: args.flag('allow-hidden'),
    textOnly: args.flag('text-only'),
  }
}

/** Where the sender is met, and how often. */
function readMeeting(args: Arguments, out: string): Pick<Call, 'port' | 'host' | 'connect' | 'count' | 'oneAttempt'> {
  const connect = args.text('connect') !== undefined
  const { host, port } = readEndpoint(args, connect ? 'connect' : 'host', connect ? 1 : 0)
  const count = readCount(args, 'count')
  const oneAttempt = args.flag('one-attempt')
  const once = args.flag('once') || oneAttempt
  if (port === undefined) {
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
  if (connect && args.text('port-file') !== undefined)
    throw usage('--port-file is for listening, so it does not go with --connect')
  return { port, host, connect, count: once ? 1 : count, oneAttempt }
}

function readPlain(args: Arguments, maxSize = Number.POSITIVE_INFINITY): Pick<Call, 'plain' | 'name' | 'expect'> {
  const plain = args.flag('plain')
  const name = args.text('name')
  const expect = readExpectation(args)
  if (!plain && name !== undefined) throw usage('--name is for --plain; otherwise the sender names the file')
  if (!plain && isExpecting(expect))
    throw usage('--expect-size and --expect-blake3 are for --plain here; otherwise all is verified')
  if ((expect.size ?? 0) > maxSize) throw usage('--expect-size is beyond --max-size, so no file could be right')
  if (name !== undefined) checkNameOption(name, process.platform)
  if (plain && args.flag('text-only')) throw usage('--text-only needs the protocol, so --plain does not go with it')
  if (plain && args.list('accept').length > 0)
    throw usage('--accept needs the protocol, so --plain does not go with it')
  return { plain, name, expect }
}

/**
 * Standard output as a stream that never blocks the process: `process.stdout` writes to a pipe synchronously (Node's
 * documentation, "A note on process I/O"), so a reader that has stopped would stop the heartbeats and the signals too.
 */
function standardOutput(): Writable {
  const fd = 1
  const stats = fstatSync(fd)
  if (isatty(fd)) throw usage('--out - will not write a file to a terminal; use a pipe or a redirection')
  return stats.isFIFO() || stats.isSocket()
    ? new Socket({ fd, readable: false, writable: true })
    : createWriteStream('', { fd, autoClose: false })
}
