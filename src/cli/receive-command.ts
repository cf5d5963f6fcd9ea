/** `tcp-recv`: its options, and the call of the library that they stand for. */
import { createWriteStream, fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { isatty } from 'node:tty'
import { ifExistsChoices } from '../files/folder-store.js'
import { isTypePattern } from '../files/media-type.js'
import { type ReceiveOptions, receive } from '../receive.js'
import { type Arguments, type CommandLine, parseArguments } from './arguments.js'
import { commonOptions, exitCodesHelp, packageVersion, readSeconds, readTimeout, reporterFor } from './common.js'
import { type Context, run } from './run.js'
import { parseChoice, parseInteger, parseSize, usage } from './values.js'

const COMMAND = 'tcp-recv'

export const receiveCommandLine: CommandLine = {
  command: COMMAND,
  usage: ['[options] --port PORT [--out DIR]', '[options] --port PORT --out -   (standard output)'],
  options: {
    port: { type: 'string', requiresArg: true, describe: 'The port to listen on; 0 picks a free one' },
    host: { type: 'string', requiresArg: true, describe: 'The address to listen on [default: all, IPv6 and IPv4]' },
    out: {
      type: 'string',
      requiresArg: true,
      describe: 'The folder to store in, made if missing; - is standard output, for one file [default: .]',
    },
    once: { type: 'boolean', describe: 'Exit after one successful transfer' },
    count: { type: 'string', requiresArg: true, describe: 'Exit after so many successful transfers' },
    wait: { type: 'string', requiresArg: true, describe: 'Give up when no sender has come for so many seconds' },
    'if-exists': {
      type: 'string',
      requiresArg: true,
      describe: 'When the name is taken: backup (store as file_bak.txt), overwrite, skip or fail [default: backup]',
    },
    accept: {
      type: 'array',
      requiresArg: true,
      describe: 'Take only this MIME type, such as image/*; may be repeated',
    },
    'max-size': { type: 'string', requiresArg: true, describe: 'The most bytes of one file, such as 500M or 2GB' },
    'max-files': { type: 'string', requiresArg: true, describe: 'The most files of one transfer [default: 100000]' },
    'max-connections': { type: 'string', requiresArg: true, describe: 'The most connections at once [default: 256]' },
    'allow-hidden': { type: 'boolean', describe: 'Take names that begin with a dot, such as .bashrc' },
    ...commonOptions,
  },
  examples: [
    ['$0 --port 9000 --out dir', 'Store what comes into dir until Ctrl-C'],
    ['path=$($0 --once --port 9000 --out dir)', 'Receive one transfer and print the path of each file'],
    ['$0 --port 9000 --out - | tar -x', 'Pass one file on, and fail unless its end is verified'],
    ['$0 --port 0 --json --once --out dir', 'Any free port, told by the first line of JSON'],
  ],
  epilogue: exitCodesHelp,
}

export async function receiveCommand(argv: string[]): Promise<number> {
  return await run(COMMAND, async (context) => {
    const args = await parseArguments(receiveCommandLine, packageVersion(), argv)
    if (typeof args === 'string') process.stdout.write(`${args}\n`)
    else await receiveWith(args, context)
  })
}

async function receiveWith(args: Arguments, context: Context): Promise<void> {
  const options = readOptions(args)
  const toOutput = options.out === '-'
  // Standard output carries the file, so what else would go there goes to stderr.
  const output = toOutput ? standardOutput() : null
  const reporter = await reporterFor(COMMAND, args, context, toOutput ? process.stderr : process.stdout, (event) =>
    event.event === 'stored' && !toOutput ? event.path : null,
  )
  try {
    await receive({ ...options, out: output ?? options.out, signal: context.signal, onEvent: reporter.onEvent })
  } finally {
    output?.destroy()
    reporter.close()
  }
}

function readOptions(args: Arguments): ReceiveOptions & { out: string } {
  const [stray] = args.positionals
  if (stray !== undefined) throw usage(`"${stray}" is not an option; the folder is given with --out`)
  const port = args.text('port')
  if (port === undefined) throw usage('--port is needed: tcp-recv --port 9000 --out dir')
  const count = args.text('count')
  if (args.flag('once') && count !== undefined) throw usage('--once and --count exclude each other')
  const out = args.text('out') ?? '.'
  if (out === '') throw usage('--out is empty')
  if (out === '-' && count !== undefined) throw usage('--out - takes one file, so --count does not go with it')
  const accept = args.list('accept')
  const maxSize = args.text('max-size')
  for (const type of accept) {
    if (!isTypePattern(type)) throw usage(`--accept must be a MIME type such as text/plain or image/*, not "${type}"`)
  }
  return {
    port: parseInteger('--port', port, 0, 65535),
    host: args.text('host'),
    out,
    count: args.flag('once') ? 1 : readCount(args, 'count'),
    wait: readSeconds(args, 'wait'),
    timeout: readTimeout(args),
    ifExists: parseChoice('--if-exists', args.text('if-exists') ?? 'backup', ifExistsChoices),
    accept,
    maxSize: maxSize === undefined ? undefined : parseSize('--max-size', maxSize),
    maxFiles: readCount(args, 'max-files'),
    maxConnections: readCount(args, 'max-connections'),
    allowHidden: args.flag('allow-hidden'),
  }
}

function readCount(args: Arguments, name: string): number | undefined {
  const text = args.text(name)
  return text === undefined ? undefined : parseInteger(`--${name}`, text, 1, 1_000_000_000)
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
