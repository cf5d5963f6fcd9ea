/** What both commands share: their common options, the help's last part, and the reporter that the options ask for. */
import { readFileSync } from 'node:fs'
import type { TransferEvent } from '../events.js'
import type { Arguments, OptionTable } from './arguments.js'
import { createReporter, progressChoices, type Reporter, type ReporterOptions } from './reporter.js'
import type { Context } from './run.js'
import { parseChoice, parseSeconds } from './values.js'

export const commonOptions: OptionTable = {
  timeout: {
    type: 'string',
    requiresArg: true,
    describe: 'Give up after so many seconds without progress [default: 30]',
  },
  progress: {
    type: 'string',
    requiresArg: true,
    describe: 'How progress is shown on stderr: auto, bar, lines or none [default: auto]',
  },
  quiet: { type: 'boolean', describe: 'Print only what went wrong' },
  json: { type: 'boolean', describe: 'Print one JSON object a line instead of text' },
  receipt: { type: 'string', requiresArg: true, describe: 'Write lines for "b3sum --check" into this file' },
}

export const exitCodesHelp = `Exit status: 0 stored, verified and durable; 1 internal error; 2 usage; 3 cannot connect or listen; 5 refused by the receiver; 6 broken or incomplete; 7 digest mismatch; 8 local file; 9 no progress in time; 130 interrupted; 143 terminated.`

export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** `--timeout` in milliseconds, if it was given. */
export function readTimeout(args: Arguments): number | undefined {
  return readSeconds(args, 'timeout')
}

export function readSeconds(args: Arguments, name: string): number | undefined {
  const text = args.text(name)
  return text === undefined ? undefined : parseSeconds(`--${name}`, text)
}

export async function reporterFor(
  command: string,
  args: Arguments,
  context: Context,
  stdout: ReporterOptions['stdout'],
  print: (event: TransferEvent) => string | null,
): Promise<Reporter> {
  return await createReporter({
    command,
    stdout,
    stderr: process.stderr,
    json: args.flag('json'),
    quiet: args.flag('quiet'),
    progress: parseChoice('--progress', args.text('progress') ?? 'auto', progressChoices),
    receipt: args.text('receipt'),
    print,
    abort: context.abort,
  })
}
