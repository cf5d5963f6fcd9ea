/** From events to what each reader wants: paths or JSON on stdout, lines and bars on stderr, a receipt in a file. */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { EVENTS_VERSION, type SentEvent, type StoredEvent, type TransferEvent } from '../events.js'
import { localTrouble } from '../files/trouble.js'
import { describeEvent } from './format.js'
import { LineProgress, type Progress } from './progress.js'
import type { Surroundings } from './surroundings.js'

export const progressChoices = ['auto', 'bar', 'lines', 'none'] as const

export interface ReporterOptions {
  /** The command's name, which begins each of its lines on stderr. */
  command: string
  /** Where paths or JSON go. */
  stdout: Writable
  stderr: NodeJS.WriteStream
  surroundings: Surroundings
  json: boolean
  quiet: boolean
  progress: (typeof progressChoices)[number]
  /** A file for lines that `b3sum --check` reads. */
  receipt?: string | undefined
  /** What is printed on stdout for a finished file when it is not JSON; null for nothing. */
  print: (event: TransferEvent) => string | null
  /** Called when something cannot be written any more: the transfer is to end with this error. */
  abort: (error: Error) => void
}

export interface Reporter {
  onEvent(event: TransferEvent): void
  /** A line for people that belongs to no event. */
  note(text: string): void
  close(): void
}

export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  const { command, stdout, stderr, surroundings, json, quiet, abort } = options
  const progress = await createProgress(options)
  const receipt = options.receipt === undefined ? null : openReceipt(options.receipt, abort)
  stdout.on('error', (error) => abort(localTrouble('cannot write to', 'standard output', error)))
  // Nobody is left to be told when stderr is gone; the work goes on.
  stderr.on('error', () => {})
  // What goes to the same terminal must not tear the bars, or be torn by them.
  const print = (text: string) => {
    if (surroundings.isShared) progress.around(() => void stdout.write(text))
    else stdout.write(text)
  }
  const isShown = (event: TransferEvent) => !json && (!quiet || event.event === 'failed' || event.event === 'refused')
  return {
    onEvent(event) {
      progress.update(event)
      if (isShown(event)) {
        const text = describeEvent(event, command === 'tcp-recv' ? 'send' : 'receive')
        if (text !== null) progress.line(`${command}: ${text}`)
      }
      if (json) print(`${JSON.stringify({ v: EVENTS_VERSION, ...event })}\n`)
      else {
        const text = options.print(event)
        if (text !== null) print(`${text}\n`)
      }
      if (event.event === 'stored' || event.event === 'sent') receipt?.add(event)
    },
    note(text) {
      if (!json && !quiet) progress.line(`${command}: ${text}`)
    },
    close() {
      progress.stop()
      receipt?.close()
    },
  }
}

async function createProgress({ stderr, surroundings, json, quiet, progress }: ReporterOptions): Promise<Progress> {
  const print = (text: string) => void stderr.write(`${surroundings.stamp()}${text}\n`)
  // Bars are drawn over and over, which only a terminal can show, and not every one.
  const canDraw = stderr.isTTY && !surroundings.isDumb
  const kind = progress === 'auto' ? (json || quiet ? 'none' : canDraw ? 'bar' : 'lines') : progress
  if (kind === 'bar' && canDraw) return new (await import('./bars.js')).BarProgress(stderr)
  if (kind !== 'none') return new LineProgress(print)
  return { update: () => {}, status: () => {}, line: print, around: (write) => write(), stop: () => {} }
}

/** Lines of `<digest>  <path>`, written as each file is finished, so that an interruption loses none. */
function openReceipt(
  path: string,
  abort: (error: Error) => void,
): { add(event: StoredEvent | SentEvent): void; close(): void } {
  let fd: number
  try {
    fd = openSync(path, 'w')
  } catch (error) {
    throw localTrouble('cannot write', path, error)
  }
  return {
    add(event) {
      try {
        writeSync(fd, receiptLine(event.blake3, event.path))
      } catch (error) {
        abort(localTrouble('cannot write', path, error))
      }
    },
    close: () => closeSync(fd),
  }
}

/** As b3sum and GNU coreutils escape a name: with a backslash before the line, `\\` and `\n` in the name. */
function receiptLine(digest: string, path: string): string {
  const escaped = path.replace(/[\\\n]/g, (character) => (character === '\n' ? '\\n' : '\\\\'))
  return `${escaped === path ? '' : '\\'}${digest}  ${escaped}\n`
}
