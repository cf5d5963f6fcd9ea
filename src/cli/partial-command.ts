/** `tcp-recv --list-partial` and `--clean`: what was not completed and is kept. Nothing is received. */
import type { TransferError } from '../errors.js'
import type { TransferEvent } from '../events.js'
import { cleanPartial, listPartial } from '../partial.js'
import { printable, shellWord } from '../text.js'
import type { Arguments } from './arguments.js'
import { reporterFor, runReported } from './command.js'
import { describePartial, formatBytes, formatCount } from './format.js'
import { DEFAULT_OUT, receiveCommandLine } from './receive-command-line.js'
import type { Context } from './run.js'
import { usage } from './values.js'
import { assertReachable } from './working-directory.js'

/** The options that have a meaning here. */
const useful = ['list-partial', 'clean', 'out', 'json', 'quiet']

export async function partialWith(args: Arguments, context: Context): Promise<TransferError | null> {
  const isClean = args.flag('clean')
  const out = readFolder(args, isClean ? 'clean' : 'list-partial')
  const reporter = await reporterFor('tcp-recv', args, context, process.stdout, isClean ? () => null : listLine)
  const check = () => assertReachable([out])
  return await runReported(reporter, check, async () => {
    const { files, bytes } = await (isClean ? cleanPartial : listPartial)({ out, onEvent: reporter.onEvent })
    if (files === 0) reporter.note(`nothing is kept in ${printable(out)}`)
    else if (isClean) reporter.note(`removed what was kept of ${what(files)}, ${formatBytes(bytes)}`)
  })
}

function listLine(event: TransferEvent): string | null {
  return event.event === 'partial' ? describePartial(event) : null
}

function what(count: number): string {
  return count === 1 ? '1 file or directory' : `${formatCount(count)} files and directories`
}

/** Reads the folder, and throws a usage error for every option that has no meaning here. */
function readFolder(args: Arguments, mode: 'list-partial' | 'clean'): string {
  const out = args.text('out') ?? DEFAULT_OUT
  if (args.flag('list-partial') && args.flag('clean')) throw usage('--list-partial and --clean exclude each other')
  const [folder] = args.positionals
  if (folder !== undefined) throw usage(`the folder is given with --out: tcp-recv --${mode} --out ${shellWord(folder)}`)
  if (out === '') throw usage('--out is empty')
  if (out === '-') throw usage(`--${mode} needs a folder, so it does not go with --out -`)
  const other = Object.keys(receiveCommandLine.options).find((name) => args.flag(name) && !useful.includes(name))
  if (other !== undefined) throw usage(`--${mode} receives nothing, so --${other} has no use`)
  return out
}
