/** What both commands share: their common options, the help's last part, and the reporter that the options ask for. */
import { readFileSync } from 'node:fs'
import type { TransferEvent } from '../events.js'
import type { Expectation } from '../expect.js'
import { conclude } from '../summary.js'
import { type Arguments, parseArguments } from './arguments.js'
import type { CommandLine, OptionTable } from './command-line.js'
import { assertSpareDescriptors } from './descriptors.js'
import { Output } from './output.js'
import { createReporter, progressChoices, type Reporter, type ReporterOptions } from './reporter.js'
import { type Context, run } from './run.js'
import { shells } from './shells.js'
import { inspectStdio } from './stdio.js'
import { parseChoice, parseDigest, parseInteger, parseSeconds, parseSize, usage } from './values.js'

export const commonOptions: OptionTable = {
  timeout: { value: 'SECONDS', fallback: '30', describe: 'Give up after this many seconds without progress' },
  progress: {
    value: 'HOW',
    choices: progressChoices,
    fallback: 'auto',
    describe: 'Progress display on stderr: auto, bar, lines or none',
  },
  quiet: { short: 'q', describe: 'On stderr, print only failures and refusals' },
  verbose: { short: 'v', describe: 'Print a line with all details for every file, however many there are' },
  json: { describe: 'Print one JSON object per line instead of text' },
  'port-file': { value: 'FILE', describe: 'When listening: write the port to this file, and remove the file at exit' },
  'allow-unverified': {
    describe: 'Accept a file even if the peer sends no digest; the file counts as not verified',
  },
  receipt: { value: 'FILE', describe: 'Write the digest of each finished file to this file, for "b3sum --check"' },
  completion: { value: 'SHELL', choices: shells, describe: 'Print a completion script for bash, zsh or fish' },
  help: { short: 'h', describe: 'Show this help' },
  version: { short: 'V', describe: 'Show the version' },
}

export function readExpectation(args: Arguments): Expectation {
  const size = args.text('expect-size')
  const blake3 = args.text('expect-blake3')
  return {
    size: size === undefined ? undefined : parseSize('--expect-size', size),
    blake3: blake3 === undefined ? undefined : parseDigest('--expect-blake3', blake3),
  }
}

export function readAllowUnverified(args: Arguments): boolean {
  const isAllowed = args.flag('allow-unverified')
  if (isAllowed && args.flag('plain'))
    throw usage('--plain verifies nothing, so --allow-unverified does not go with it')
  return isAllowed
}

/** A command: `--help`, `--version` and `--completion` print, anything else is its work. */
export async function runCommand(
  line: CommandLine,
  argv: string[],
  work: (args: Arguments, context: Context) => Promise<void>,
): Promise<number> {
  return await run(line.command, async (context) => {
    const args = parseArguments(line, argv)
    const shell = args.text('completion')
    if (args.flag('help')) await print(`${await (await import('./help.js')).help(line)}\n`)
    else if (args.flag('version')) await print(`${packageVersion()}\n`)
    else if (shell === undefined) await work(args, context)
    else await print((await import('./completion.js')).completion(line, parseChoice('--completion', shell, shells)))
  })
}

async function print(text: string): Promise<void> {
  const output = new Output(process.stdout, 1)
  output.write(text)
  await output.finish()
}

/**
 * The work of a command whose options are understood: from here on every failure is an event, and `done` the last one.
 * `check` throws if what the work needs is missing.
 */
export async function reporting(reporter: Reporter, check: () => void, work: () => Promise<void>): Promise<void> {
  const { onEvent } = reporter
  try {
    await ready(reporter, check).catch((error) =>
      conclude(onEvent, { files: 0, bytes: 0 }, () => Promise.reject(error)),
    )
    await work()
  } catch (error) {
    // What failed first is what counts.
    await reporter.close().catch(() => {})
    throw error
  }
  await reporter.close()
}

async function ready(reporter: Reporter, check: () => void): Promise<void> {
  reporter.open()
  assertSpareDescriptors()
  check()
}

export const exitCodesHelp = `Exit status: 0 stored, verified and durable; 1 internal error; 2 wrong usage or unsupported Node.js version; 3 cannot connect, listen or resolve; 5 refused by the receiver; 6 broken or incomplete transfer; 7 digest mismatch or missing digest; 8 cannot read or write a local file; 9 timeout; 10 the --exec command failed; 129 hung up; 130 interrupted; 143 terminated.`

export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

export function readSeconds(args: Arguments, name: string): number | undefined {
  const text = args.text(name)
  return text === undefined ? undefined : parseSeconds(`--${name}`, text)
}

export function readCount(args: Arguments, name: string, minimum = 1): number | undefined {
  const text = args.text(name)
  return text === undefined ? undefined : parseInteger(`--${name}`, text, minimum, 1_000_000_000)
}

export async function reporterFor(
  command: string,
  args: Arguments,
  context: Context,
  stdout: ReporterOptions['stdout'],
  print: (event: TransferEvent) => string | null,
): Promise<Reporter> {
  if (args.flag('quiet') && args.flag('verbose')) throw usage('--quiet and --verbose exclude each other')
  return await createReporter({
    command,
    stdout,
    stderr: process.stderr,
    stdio: inspectStdio(stdout, process.stderr, process.env),
    json: args.flag('json'),
    quiet: args.flag('quiet'),
    verbose: args.flag('verbose'),
    progress: parseChoice('--progress', args.text('progress') ?? 'auto', progressChoices),
    receipt: args.text('receipt'),
    print,
    abort: context.abort,
  })
}
