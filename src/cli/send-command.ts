/** `tcp-send`: its options, and the call of the library that they stand for. */

import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import { type SendOptions, send } from '../send.js'
import { type Arguments, type CommandLine, parseArguments } from './arguments.js'
import { commonOptions, exitCodesHelp, packageVersion, readSeconds, readTimeout, reporterFor } from './common.js'
import { type Context, run } from './run.js'
import { parseDigest, parseInteger, parseSize, usage } from './values.js'

const COMMAND = 'tcp-send'

/** The name of standard input when nobody gave it one. */
const STDIN_NAME = 'stdin'

export const sendCommandLine: CommandLine = {
  command: COMMAND,
  usage: ['[options] PATH... HOST PORT', '[options] --name NAME - HOST PORT   (standard input)'],
  options: {
    name: { type: 'string', requiresArg: true, describe: "The name to offer instead of the file's own" },
    wait: { type: 'string', requiresArg: true, describe: 'Keep trying to connect for so many seconds' },
    'expect-size': {
      type: 'string',
      requiresArg: true,
      describe: 'Fail unless the input has exactly this size; nothing is stored then',
    },
    'expect-blake3': {
      type: 'string',
      requiresArg: true,
      describe: 'Fail unless the input has this BLAKE3 digest; nothing is stored then',
    },
    ...commonOptions,
  },
  examples: [
    ['$0 file.txt host 9000', 'Send a file to: tcp-recv --port 9000 --out dir'],
    ['$0 a.txt b.txt host 9000', 'Send two files over one connection'],
    ['pg_dump db | $0 --name db.sql - host 9000', 'Send what a command writes; use "set -o pipefail"'],
    ['$0 --wait 60 file.txt host 9000', 'The receiver may be started up to a minute later'],
  ],
  epilogue: exitCodesHelp,
}

export async function sendCommand(argv: string[]): Promise<number> {
  return await run(COMMAND, async (context) => {
    const args = await parseArguments(sendCommandLine, packageVersion(), argv)
    if (typeof args === 'string') process.stdout.write(`${args}\n`)
    else await sendWith(args, context)
  })
}

async function sendWith(args: Arguments, context: Context): Promise<void> {
  const { sources, usesInput, ...options } = readOptions(args)
  const reporter = await reporterFor(COMMAND, args, context, process.stdout, () => null)
  if (usesInput && process.stdin.isTTY) reporter.note('reading standard input from the terminal; Ctrl-D ends it')
  try {
    await send({ ...options, sources, signal: context.signal, onEvent: reporter.onEvent })
  } finally {
    // Not read to its end, it would keep the process waiting for it.
    if (usesInput) process.stdin.destroy()
    reporter.close()
  }
}

function readOptions(args: Arguments): SendOptions & { usesInput: boolean } {
  const port = args.positionals.at(-1)
  const host = args.positionals.at(-2)
  const paths = args.positionals.slice(0, -2)
  if (port === undefined || host === undefined || paths.length === 0) {
    throw usage('a path, a host and a port are needed: tcp-send file.txt host 9000')
  }
  if (host === '') throw usage('the host is empty')
  const name = args.text('name')
  const single = paths.length === 1
  if (name !== undefined && !single) throw usage('--name is for a single path')
  if (paths.filter((path) => path === '-').length > 1) throw usage('standard input (-) can be sent only once')
  const size = args.text('expect-size')
  const blake3 = args.text('expect-blake3')
  if ((size ?? blake3) !== undefined && !single) throw usage('--expect-size and --expect-blake3 are for a single path')
  return {
    usesInput: paths.includes('-'),
    sources: paths.map((path) => (path === '-' ? standardInput(name) : { path, name: name ?? basename(path) })),
    host,
    port: parseInteger('the port', port, 1, 65535),
    wait: readSeconds(args, 'wait'),
    timeout: readTimeout(args),
    expect: {
      size: size === undefined ? undefined : parseSize('--expect-size', size),
      blake3: blake3 === undefined ? undefined : parseDigest('--expect-blake3', blake3),
    },
  }
}

function standardInput(name = STDIN_NAME): { stream: Readable; name: string; label: string } {
  return { stream: process.stdin, name, label: 'standard input' }
}
