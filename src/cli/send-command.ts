/** `tcp-send`: its options, and the call of the library that they stand for. */
import { statSync } from 'node:fs'
import { isatty } from 'node:tty'
import type { OnEvent } from '../events.js'
import { type SendOptions, send } from '../send.js'
import { printable } from '../text.js'
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
import { portFileWriter } from './port-file.js'
import type { Context } from './run.js'
import { assertNoneEmpty, listenCorrection, readSendPositionals } from './send-positionals.js'
import { checkNameOption, usage } from './values.js'
import { assertReachable } from './working-directory.js'

/** The name of standard input when nobody gave it one. */
const STDIN_NAME = 'stdin'

const options: OptionTable = {
  name: { value: 'NAME', describe: 'Send the file under this name instead of its own' },
  text: {
    value: 'MESSAGE',
    describe: 'Send a message instead of a file; the receiver prints it (- reads standard input)',
  },
  wait: {
    value: 'SECONDS',
    describe: 'Keep trying to connect for this many seconds; with --listen, wait this long for a receiver',
  },
  listen: { describe: 'Listen for receivers (tcp-recv --connect) instead of connecting' },
  port: { short: 'p', value: 'PORT', describe: 'With --listen: listen on this port; 0 picks a free port' },
  host: {
    value: 'ADDRESS',
    fallback: 'all interfaces',
    describe: 'With --listen: listen on this address, or on ADDRESS:PORT',
  },
  count: { value: 'N', fallback: '1', describe: 'With --listen: exit after N successful transfers; 0 means never' },
  'one-attempt': { describe: 'With --listen: exit after the first transfer with its exit status, even if it failed' },
  'max-connections': {
    value: 'N',
    fallback: '256',
    describe: 'With --listen: maximum number of simultaneous connections',
  },
  plain: { describe: 'Use no protocol: send the bytes of one file and end the stream; nothing is confirmed' },
  'expect-size': { value: 'SIZE', describe: 'Fail unless the input has this size; nothing is stored then' },
  'expect-blake3': {
    value: 'DIGEST',
    describe: 'Fail unless the input has this BLAKE3 digest; nothing is stored then',
  },
  ...commonOptions,
}

export const sendCommandLine: CommandLine = {
  command: 'tcp-send',
  purpose: 'send files over TCP',
  usage: [
    '[options] PATH... HOST PORT   (or HOST:PORT)',
    '[options] --name NAME - HOST PORT   (standard input)',
    '[options] --listen --port PORT PATH...',
    '[options] --text MESSAGE HOST PORT',
  ],
  options,
  examples: [
    ['tcp-send file.txt host 9000', 'Send a file to: tcp-recv --port 9000 --out dir'],
    ['tcp-send a.txt b.txt host 9000', 'Send two files over one connection'],
    ['pg_dump db | tcp-send --name db.sql - host 9000', 'Send what a command prints; use "set -o pipefail"'],
    ['tcp-send --wait 60 file.txt host 9000', 'Wait up to a minute for the receiver to start'],
    ['tcp-send --listen --port 9000 file.txt', 'Serve a receiver behind NAT: tcp-recv --connect host --port 9000'],
    ['tcp-send --plain file.txt host 9000', 'Send to: nc -l 9000 >file.txt'],
    ['tcp-send --text "build 42 is up" host 9000', 'Send a message'],
  ],
  epilogue: exitCodesHelp,
}

export async function sendCommand(argv: string[]): Promise<number> {
  return await runCommand(sendCommandLine, argv, sendWith)
}

async function sendWith(args: Arguments, context: Context): Promise<void> {
  const writePort = portFileWriter(args.text('port-file'))
  const { usesInput, paths, ...call } = readCall(args)
  const reporter = await reporterFor('tcp-send', args, context, process.stdout, () => null)
  if (usesInput && isatty(0)) reporter.note('reading standard input from the terminal; Ctrl-D ends it')
  const check = () => {
    if (usesInput) assertOpen(0)
    assertReachable(paths.filter((path) => path !== '-'))
  }
  await runReported(reporter, check, async () => {
    const onEvent: OnEvent = (event) => {
      writePort(event)
      reporter.onEvent(event)
    }
    await send({ ...call, signal: context.signal, onEvent })
  })
}

type Call = SendOptions & { usesInput: boolean; paths: string[] }

function readCall(args: Arguments): Call {
  const listen = args.flag('listen')
  const { paths, host, port } = listen ? readListening(args) : readConnecting(args)
  const sources = readSources(args, paths)
  const plain = args.flag('plain')
  const expect = readExpectation(args)
  const single = paths.length + (args.text('text') === undefined ? 0 : 1) === 1
  if (plain && !single) throw usage('--plain sends a single file: without the protocol nothing tells where one ends')
  if (plain && args.text('text') !== undefined) throw usage('--text needs the protocol, so --plain does not go with it')
  if (plain && args.text('name') !== undefined) throw usage('--plain sends no name, so --name does not go with it')
  if ((expect.size ?? expect.blake3) !== undefined && !single) {
    throw usage('--expect-size and --expect-blake3 are for a single path')
  }
  const count = readCount(args, 'count', 0) ?? 1
  const oneAttempt = args.flag('one-attempt')
  if (oneAttempt && count !== 1) throw usage('--one-attempt and --count exclude each other')
  const usesInput = paths.includes('-') || args.text('text') === '-'
  if (usesInput && count !== 1) throw usage('standard input can be sent only once, so --count does not go with it')
  const pipe = count === 1 ? undefined : paths.find(isPipe)
  if (pipe !== undefined)
    throw usage(`${printable(pipe)} is a pipe and can be sent only once, so --count does not go with it`)
  return {
    ...{ usesInput, paths, sources, listen, host, port, plain, expect, oneAttempt },
    count: count === 0 ? Number.POSITIVE_INFINITY : count,
    wait: readSeconds(args, 'wait'),
    timeout: readSeconds(args, 'timeout'),
    allowUnverified: readAllowUnverified(args),
    maxConnections: readCount(args, 'max-connections'),
  }
}

function isPipe(path: string): boolean {
  try {
    return statSync(path).isFIFO()
  } catch {
    return false
  }
}

type Words = Pick<Call, 'host' | 'port'> & { paths: string[] }

function readConnecting(args: Arguments): Words {
  for (const name of ['count', 'max-connections', 'port-file']) {
    if (args.text(name) !== undefined) throw usage(`--${name} is for --listen; otherwise give: PATH... HOST PORT`)
  }
  if (args.flag('one-attempt')) throw usage('--one-attempt is for --listen; otherwise there is one attempt anyway')
  return readSendPositionals(args)
}

function readListening(args: Arguments): Words {
  const { host, port } = readEndpoint(args, 'host', 0)
  const paths = args.positionals
  if (port === undefined || (paths.length === 0 && args.text('text') === undefined)) throw listenCorrection(args)
  assertNoneEmpty(paths)
  return { paths, host, port }
}

function readSources(args: Arguments, paths: string[]): SendOptions['sources'] {
  const name = args.text('name')
  const text = args.text('text')
  if (text !== undefined && paths.length > 0)
    throw usage('--text sends a message instead of a file, so there is no path')
  if (text !== undefined && name !== undefined) throw usage('a message has no name, so --name does not go with --text')
  if (text !== undefined) return [{ text: text === '-' ? process.stdin : text }]
  if (name !== undefined && paths.length > 1) throw usage('--name is for a single path')
  // The receiver's system is not known; what Linux does not take, none does.
  if (name !== undefined) checkNameOption(name, 'linux')
  if (paths.filter((path) => path === '-').length > 1) throw usage('standard input (-) can be sent only once')
  return paths.map((path) => {
    if (path === '-') return standardInput(name)
    return name === undefined ? path : { path, name }
  })
}

function standardInput(name = STDIN_NAME): { fd: number; name: string; label: string } {
  return { fd: 0, name, label: 'standard input' }
}
