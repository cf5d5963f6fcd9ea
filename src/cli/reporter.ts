/** From events to what each reader wants: paths or JSON on stdout, lines and bars on stderr, a receipt in a file. */
import type { Writable } from 'node:stream'
import { EVENTS_VERSION, report, type TransferEvent } from '../events.js'
import { printableJson } from '../text.js'
import { describeEvent } from './format.js'
import { Output } from './output.js'
import { LineProgress, type Progress } from './progress.js'
import { Receipt } from './receipt.js'
import type { Stdio } from './stdio.js'
import { TransferTotals } from './transfer-totals.js'

export const progressChoices = ['auto', 'bar', 'lines', 'none'] as const

export interface ReporterOptions {
  /** The command's name, which begins each of its lines on stderr. */
  command: string
  /** Where paths or JSON go. */
  stdout: Writable
  stderr: NodeJS.WriteStream
  stdio: Stdio
  json: boolean
  quiet: boolean
  /** All that is known of each file, however many there are. */
  verbose: boolean
  progress: (typeof progressChoices)[number]
  /** A file for lines that `b3sum --check` reads. */
  receipt?: string | undefined
  /** What is printed on stdout for a finished file when it is not JSON; null for nothing. */
  print: (event: TransferEvent) => string | null
  /** Called when something cannot be written any more: the transfer is to end with this error. */
  abort: (error: Error) => void
}

export interface Reporter {
  /** Throws if what the user asked for cannot be written at all. Called first; what it throws is an event like any failure. */
  open(): void
  onEvent(event: TransferEvent): void
  /** A line for people that belongs to no event. */
  note(text: string): void
  /** Calls `work`, which may write to stderr as it likes. */
  aside(work: () => Promise<void>): Promise<void>
  /** Throws if something that the user asked for was not written after all. */
  close(): Promise<void>
}

/** Nobody is left to be told when stderr is gone; the work goes on. */
const ignore = () => {}

export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  const { command, stdout, stderr, stdio, json, quiet, verbose, abort } = options
  const progress = await createProgress(options)
  const receipt = options.receipt === undefined ? null : new Receipt(options.receipt, abort)
  const output = new Output(stdout, stdout === stderr ? 2 : 1, abort)
  stderr.off('error', ignore).on('error', ignore)
  // What goes to the same terminal must not tear the bars, or be torn by them.
  const print = (text: string, onLost?: () => void) => {
    if (stdio.isSameTerminal) progress.around(() => output.write(text, onLost))
    else output.write(text, onLost)
  }
  const isForPeople = !json && !quiet
  const isWrong = (event: TransferEvent) => event.event === 'failed' || event.event === 'refused'
  const totals = new TransferTotals(command === 'tcp-recv' ? 'stored' : 'sent', verbose)
  const say = (text: string | null) => {
    if (text !== null) progress.line(`${command}: ${text}`)
  }
  const show = (event: TransferEvent) => say(describeEvent(event, command === 'tcp-recv' ? 'send' : 'receive', verbose))
  /** What people are told of an event: itself, and what it makes of many files. */
  const tellPeople = (event: TransferEvent) => {
    const isListed = totals.count(event)
    if (isListed) show(event)
    if (totals.isFirstUnlisted(event)) say('further files are only counted; --verbose lists them all')
    const total = totals.total(event)
    progress.status(totals.status())
    say(total)
  }
  const tellJson = (event: TransferEvent) => {
    if (event.event === 'progress' && options.progress === 'none') return
    // A failure whose JSON cannot be written is told to people: nobody else is left.
    const onLost = () => event.event === 'failed' && show(event)
    print(`${printableJson({ v: EVENTS_VERSION, ...event })}\n`, onLost)
  }
  const tellText = (event: TransferEvent) => {
    // Who sees both streams has read the path in the line about the file.
    if (event.event === 'stored' && isForPeople && stdio.isSameTerminal) return
    const text = options.print(event)
    if (text !== null) print(`${text}\n`)
  }
  const tell = (event: TransferEvent) => {
    progress.update(event)
    if (isForPeople) tellPeople(event)
    else if (!json && isWrong(event)) show(event)
    if (json) tellJson(event)
    else tellText(event)
    if (event.event === 'stored' || event.event === 'sent') receipt?.add(event)
  }
  return {
    open() {
      receipt?.open()
    },
    onEvent(event) {
      const failure = receipt?.failure
      if (event.event !== 'done' || event.exitCode !== 0 || !failure) return tell(event)
      // All was confirmed before the receipt could end the transfer, so the transfer has not failed. The command has.
      report(tell, { transfer: 0 }, failure)
      tell({ ...event, exitCode: failure.exitCode })
    },
    note(text) {
      if (isForPeople) say(text)
    },
    async aside(work) {
      progress.pause()
      try {
        await work()
      } finally {
        progress.resume()
      }
    },
    async close() {
      try {
        receipt?.close()
        await output.finish()
        if (receipt?.failure) throw receipt.failure
      } finally {
        progress.stop()
      }
    },
  }
}

async function createProgress({ stderr, stdio, json, quiet, progress }: ReporterOptions): Promise<Progress> {
  const print = (text: string) => void stderr.write(`${stdio.linePrefix()}${text}\n`)
  // Bars are drawn over and over, which only a terminal can show, and not every one.
  const canDraw = stderr.isTTY && !stdio.isDumbTerminal
  const kind = progress === 'auto' ? (json || quiet ? 'none' : canDraw ? 'bar' : 'lines') : progress
  if (kind === 'bar' && canDraw) return new (await import('./bars.js')).BarProgress(stderr)
  if (kind !== 'none') return new LineProgress(print)
  const nothing = () => {}
  const shown = { update: nothing, status: nothing, pause: nothing, resume: nothing, stop: nothing }
  return { ...shown, line: print, around: (write) => write() }
}
