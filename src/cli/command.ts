/** The course of a command: parse the options, create the reporter, do the work, and report how it ended. */
import { readFileSync } from 'node:fs'
import type { TransferEvent } from '../events.js'
import { conclude } from '../summary.js'
import { type Arguments, parseArguments } from './arguments.js'
import type { CommandLine } from './command-line.js'
import { assertSpareDescriptors } from './descriptors.js'
import { Output } from './output.js'
import { createReporter, DEFAULT_PROGRESS, progressChoices, type Reporter, type ReporterOptions } from './reporter.js'
import { type Context, run } from './run.js'
import { shells } from './shells.js'
import { inspectStdio } from './stdio.js'
import { parseChoice, usage } from './values.js'

/**
 * Runs a command and returns its exit status. `--help`, `--version` and `--completion` print a text; anything else
 * calls `work`.
 */
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
 * Runs the work of a command after its options have been read. From here on every failure is an event, and the last
 * event is `done`. `check` throws if the work cannot start.
 */
export async function runReported(reporter: Reporter, check: () => void, work: () => Promise<void>): Promise<void> {
  const { onEvent } = reporter
  try {
    await prepare(reporter, check).catch((error) =>
      conclude(onEvent, { files: 0, bytes: 0 }, () => Promise.reject(error)),
    )
    await work()
  } catch (error) {
    // The first failure is the one that counts.
    await reporter.close().catch(() => {})
    throw error
  }
  await reporter.close()
}

async function prepare(reporter: Reporter, check: () => void): Promise<void> {
  reporter.open()
  assertSpareDescriptors()
  check()
}

/** The version of this package. */
function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/**
 * Creates the reporter that the options ask for. `stdout` is where paths or JSON go, and `print` returns the text for
 * an event there, or null.
 */
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
    progress: parseChoice('--progress', args.text('progress') ?? DEFAULT_PROGRESS, progressChoices),
    receipt: args.text('receipt'),
    print,
    abort: context.abort,
  })
}
