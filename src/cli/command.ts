/** The course of a command: parse the options, create the reporter, do the work, and report how it ended. */
import { TransferError } from '../errors.js'
import type { TransferEvent } from '../events.js'
import type { KeyOption } from '../keys.js'
import { packageVersion } from '../package.js'
import { runToSummary } from '../summary.js'
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
  work: (args: Arguments, context: Context) => Promise<TransferError | null>,
): Promise<number> {
  return await run(line.command, async (context) => {
    context.key = takeKeyVariable()
    const args = parseArguments(line, argv)
    const shell = args.text('completion')
    if (args.flag('help')) await print(`${await (await import('./help.js')).help(line)}\n`)
    else if (args.flag('version')) await print(`${packageVersion()}\n`)
    else if (args.flag('generate-key')) await print((await import('./key-options.js')).newKey())
    else if (args.flag('fingerprint')) await print((await import('./key-options.js')).fingerprints(args, context.key))
    else if (shell === undefined) return await work(args, context)
    else await print((await import('./completion.js')).completion(line, parseChoice('--completion', shell, shells)))
    return null
  })
}

/** The environment variable that holds a key. */
const KEY_VARIABLE = 'TCP_TRANSFER_KEY'

/** Takes the key out of the environment, so that no program that this command starts gets it. */
function takeKeyVariable(): string | undefined {
  const text = process.env[KEY_VARIABLE]
  delete process.env[KEY_VARIABLE]
  return text
}

/** Reads the key that the options or the environment give; undefined if there is none. Throws a usage error. */
async function keyFor(args: Arguments, { key }: Context): Promise<(() => KeyOption) | undefined> {
  if (key === undefined && !args.flag('key-file')) return undefined
  return (await import('./key-options.js')).readKey(args, key)
}

/** The secret of this side: a key, a code, or none. */
export interface Secret {
  key?: (() => KeyOption) | undefined
  code?: boolean | string | undefined
}

/** Reads the key or the code that the options or the environment give. Throws a usage error. */
export async function secretFor(args: Arguments, context: Context, listens: boolean): Promise<Secret> {
  if (!args.flag('code')) return { key: await keyFor(args, context) }
  return { code: await (await import('./code-option.js')).readCode(args, context, listens) }
}

async function print(text: string): Promise<void> {
  const output = new Output(process.stdout, 1)
  output.write(text)
  await output.finish()
}

/**
 * Runs the work of a command after its options have been read. From here on every failure is an event, and the last
 * event is `done`. `check` throws if the work cannot start.
 * `work` is a call of the library, which reports what it throws. Returns the failure that has been reported, or null.
 * Throws if output could not be written after the last event.
 */
export async function runReported(
  reporter: Reporter,
  check: () => void,
  work: () => Promise<unknown>,
): Promise<TransferError | null> {
  try {
    const preparing = prepare(reporter, check)
    await preparing.catch(() => runToSummary(reporter.onEvent, { files: 0, bytes: 0 }, () => preparing))
    await work()
  } catch (error) {
    // The first failure is the one that counts.
    await reporter.close().catch(() => {})
    // Anything else was thrown while it was being reported.
    if (error instanceof TransferError) return error
    throw error
  }
  return await reporter.close()
}

async function prepare(reporter: Reporter, check: () => void): Promise<null> {
  reporter.open()
  assertSpareDescriptors()
  check()
  return null
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
    // A dry run must not empty a receipt.
    receipt: args.flag('dry-run') ? undefined : args.text('receipt'),
    print,
    abort: context.abort,
  })
}
