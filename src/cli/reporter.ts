/**
 * The reporter: turns the events of a command into its output.
 *
 * Each event goes through the same steps, in this order:
 *
 * 1. The progress display follows the event: bars on a terminal (`bars.ts`) or lines in a log (`progress-lines.ts`).
 * 2. People get a line on stderr. `describeEvent` (`format.ts`) makes its text. `TransferTotals` (`transfer-totals.ts`)
 *    decides whether a finished file is listed or only counted, and adds the totals. `ProblemLines`
 *    (`problem-lines.ts`) limits the lines about one directory. The display prints the line, because on a terminal it
 *    must appear above the bars (`screen.ts`).
 * 3. Programs get a line on stdout (`output.ts`): the event as JSON with `--json`, otherwise the path of a stored file
 *    or a message.
 * 4. A finished file gets a line in the receipt (`receipt.ts`).
 */
import type { Writable } from 'node:stream'
import type { TransferError } from '../errors.js'
import { failedEvent } from '../event-values.js'
import { EVENTS_VERSION, type TransferEvent } from '../events.js'
import { printableJson } from '../text.js'
import { describeCode, describeEvent } from './format.js'
import { Lines, Output } from './output.js'
import { ProblemLines } from './problem-lines.js'
import type { ProgressDisplay } from './progress.js'
import { LineProgress, NoProgress } from './progress-lines.js'
import { Receipt } from './receipt.js'
import type { Stdio } from './stdio.js'
import { TransferTotals } from './transfer-totals.js'

/**
 * The values of `--progress`. `auto` shows bars on a terminal, lines in a log, and nothing with `--quiet` or `--json`.
 */
export const progressChoices = ['auto', 'bar', 'lines', 'none'] as const
export const DEFAULT_PROGRESS = 'auto'

export interface ReporterOptions {
  /** The name of the command, the prefix of its lines on stderr. */
  command: string
  /** Where paths or JSON go. */
  stdout: Writable
  stderr: NodeJS.WriteStream
  stdio: Stdio
  json: boolean
  quiet: boolean
  /** List every file with all details, however many there are. */
  verbose: boolean
  progress: (typeof progressChoices)[number]
  /** The path of the receipt. */
  receipt?: string | undefined
  /** The text for an event on stdout without `json`; null for none. */
  print: (event: TransferEvent) => string | null
  /** Called if output can no longer be written. It must end the transfer with this error. */
  abort: (error: Error) => void
}

export interface Reporter {
  /** True if the files in a directory need events of their own. */
  readonly fileEvents: boolean
  /** Creates the receipt. Throws on failure. Called first, so that the failure can be reported as an event. */
  open(): void
  /** Reports an event. */
  onEvent(event: TransferEvent): undefined | Promise<void>
  /** Prints a line for people that belongs to no event. */
  note(text: string): void
  /** Hides the progress while `work` runs, which may write to stderr at any time. */
  aside(work: () => Promise<void>): Promise<void>
  /**
   * Ends the output. Returns the reported failure of a receipt that lacks a line, or null. Throws if any other output
   * could not be written.
   */
  close(): Promise<TransferError | null>
}

/** If stderr is gone, no one can be told. The transfer goes on. */
const ignore = () => {}

export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  const { stdout, stderr, abort } = options
  const display = await createDisplay(options)
  const receipt = options.receipt === undefined ? null : new Receipt(options.receipt, abort)
  const output = new Output(stdout, stdout === stderr ? 2 : 1, abort)
  const printer = new EventPrinter(options, display, output)
  stderr.off('error', ignore).on('error', ignore)
  const onEvent = (event: TransferEvent) => {
    printer.print(event)
    // The files of a directory have lines of their own. b3sum cannot check the directory itself.
    const isFile = (event.event === 'stored' || event.event === 'sent') && event.files === undefined
    if (isFile) receipt?.add(event)
    return output.drained
  }
  return {
    fileEvents: options.json || options.verbose || receipt !== null,
    open() {
      receipt?.open()
    },
    onEvent(event) {
      const failure = receipt?.failure
      if (event.event !== 'done' || event.exitCode !== 0 || !failure) return onEvent(event)
      // The whole transfer was confirmed before the missing line could end it. Only the command fails.
      onEvent(failedEvent(failure))
      return onEvent({ ...event, exitCode: failure.exitCode })
    },
    note(text) {
      printer.note(text)
    },
    async aside(work) {
      display.pause()
      try {
        await work()
      } finally {
        display.resume()
      }
    },
    async close() {
      try {
        receipt?.close()
        await output.finish()
        return receipt?.failure ?? null
      } finally {
        display.stop()
      }
    },
  }
}

async function createDisplay(options: ReporterOptions): Promise<ProgressDisplay> {
  const { stderr, stdio, json, quiet, progress } = options
  const canDrawBars = stderr.isTTY && !stdio.isDumbTerminal
  const kind = progress === 'auto' ? (json || quiet ? 'none' : canDrawBars ? 'bar' : 'lines') : progress
  if (kind === 'bar' && canDrawBars) return new (await import('./bars.js')).BarProgress(stderr)
  const lines = new Lines(stderr)
  const print = (text: string) => lines.write(`${stdio.linePrefix()}${text}\n`)
  return kind === 'none' ? new NoProgress(print) : new LineProgress(print)
}

/** Prints events as lines for people and as output for programs. */
class EventPrinter {
  readonly #options: ReporterOptions
  readonly #display: ProgressDisplay
  readonly #output: Output
  readonly #totals: TransferTotals
  readonly #problems: ProblemLines
  /** True if people are told of every event, and not of failures and refusals alone. */
  readonly #isForPeople: boolean

  constructor(options: ReporterOptions, display: ProgressDisplay, output: Output) {
    this.#options = options
    this.#display = display
    this.#output = output
    this.#totals = new TransferTotals(options.command === 'tcp-recv' ? 'stored' : 'sent', options.verbose)
    this.#problems = new ProblemLines(options.verbose)
    this.#isForPeople = !options.json && !options.quiet
  }

  print(event: TransferEvent): void {
    const { json } = this.#options
    this.#display.update(event)
    if (!json) for (const line of this.#problems.rest(event)) this.#line(line)
    if (this.#isForPeople) this.#printForPeople(event)
    else if (!json && (event.event === 'failed' || event.event === 'refused')) this.#printListed(event)
    // Without the code nobody gets in, so it is told in any case.
    if (event.event === 'listening' && event.words !== undefined) this.#line(describeCode(event.words))
    if (json) this.#printJson(event)
    else this.#printText(event)
  }

  note(text: string): void {
    if (this.#isForPeople) this.#line(text)
  }

  #printForPeople(event: TransferEvent): void {
    const isListed = this.#totals.count(event)
    if (isListed) this.#printListed(event)
    if (this.#totals.isFirstUnlisted(event)) this.#line('further files are only counted; --verbose lists them all')
    const total = this.#totals.total(event)
    this.#display.status(this.#totals.status())
    this.#line(total)
  }

  /** Prints the event's line, unless there are too many about its directory. */
  #printListed(event: TransferEvent): void {
    const instead = this.#problems.instead(event)
    if (instead === null) this.#printLine(event)
    else if (instead !== '') this.#line(instead)
  }

  /** Prints the event's own line. */
  #printLine(event: TransferEvent): void {
    const { command, verbose } = this.#options
    this.#line(describeEvent(event, command === 'tcp-recv' ? 'send' : 'receive', verbose))
  }

  #line(text: string | null): void {
    if (text !== null) this.#display.line(`${this.#options.command}: ${text}`)
  }

  #printJson(event: TransferEvent): void {
    // A later one says the same.
    if (event.event === 'progress' && (this.#options.progress === 'none' || this.#output.drained)) return
    // If the JSON of a failure cannot be written, a line on stderr reports the failure.
    const onLost = () => event.event === 'failed' && this.#printLine(event)
    this.#write(`${printableJson({ v: EVENTS_VERSION, ...event })}\n`, onLost)
  }

  #printText(event: TransferEvent): void {
    // On a terminal that shows both streams, the line about the file already contains its path.
    if (event.event === 'stored' && this.#isForPeople && this.#options.stdio.isSameTerminal) return
    const text = this.#options.print(event)
    if (text !== null) this.#write(`${text}\n`)
  }

  /** Writes to the output for programs. If that is the terminal of the display, the text must appear above the bars. */
  #write(text: string, onLost?: () => void): void {
    if (this.#options.stdio.isSameTerminal) this.#display.writeAbove(() => this.#output.write(text, onLost))
    else this.#output.write(text, onLost)
  }
}
