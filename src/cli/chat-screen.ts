/**
 * The terminal of a chat: the line that is being typed stays at the bottom, and what others say appears above it.
 *
 * `node:readline` edits the line and keeps the history, but it draws nothing: after a resize, or with a line that is
 * higher than the terminal, its drawing leaves remnants or removes what others have said. Here each row of the typed
 * line is drawn without wrapping. So it stays one row, even if this program and the terminal disagree on its width, as
 * they often do on emoji.
 */
import { createInterface, emitKeypressEvents, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import type { ReadStream, WriteStream } from 'node:tty'
import { printable } from '../text.js'
import { around, heightOf, type Layout, layOut } from './chat-layout.js'

/** Clears from the start of the row. If J came in the first column of the screen, tmux would keep the row as history. */
const CLEAR_FROM_ROW = '\r\u001b[K\u001b[C\u001b[J\r'
const CLEAR_ALL = '\u001b[H\u001b[J'
const WRAP_OFF = '\u001b[?7l'
const WRAP_ON = '\u001b[?7h'

/** The terminal of a chat. */
export interface ChatScreen {
  /** Prints a line above the one that is being typed. `text` is one line, with every unsafe character escaped. */
  show(text: string): void
  /** Replaces what stands before the line that is being typed. Default: `> `. */
  prompt(text: string): void
  /** Removes the line that is being typed, and gives the terminal back. Lines may still be shown. */
  close(): void
}

/** What a person does at the terminal. */
export interface ChatKeys {
  /** Called for each line, which stays on the terminal as it was typed. */
  line(text: string): void
  /** Called once, for Ctrl-D or the end of the terminal, which has been given back. Not called by `close`. */
  end(): void
  /** Called for each Ctrl-C. A terminal without cursor movements sends SIGINT instead. */
  interrupt(): void
}

/**
 * Takes the terminal until `close` or the end of `input`. If `TERM` is `dumb`, the terminal itself edits the line, and
 * lines of others come as they come.
 */
export function createChatScreen(input: ReadStream, output: WriteStream, on: ChatKeys): ChatScreen {
  // A terminal that has gone cannot be told, and its end comes as that of `input`.
  output.on('error', () => {})
  return process.env.TERM === 'dumb' ? new DumbScreen(input, output, on) : new EditingScreen(input, output, on)
}

/** Calls `on.end` when `lines` ends, unless it ends because of `close`. */
function onEnd(lines: Interface, end: () => void): void {
  // A terminal that hangs up is an error.
  lines.on('error', () => lines.close())
  lines.once('close', end)
}

class DumbScreen implements ChatScreen {
  readonly #output: WriteStream
  readonly #lines: Interface
  readonly #end: () => void

  constructor(input: ReadStream, output: WriteStream, on: ChatKeys) {
    this.#output = output
    this.#end = () => on.end()
    this.#lines = createInterface({ input, terminal: false })
    this.#lines.on('line', (text) => on.line(text))
    onEnd(this.#lines, this.#end)
  }

  show(text: string): void {
    this.#output.write(`${text}\n`)
  }

  /** A prompt would stand in the middle of the lines. */
  prompt(): void {}

  close(): void {
    this.#lines.off('close', this.#end).close()
  }
}

class EditingScreen implements ChatScreen {
  readonly #input: ReadStream
  readonly #output: WriteStream
  readonly #lines: Interface
  #prompt = '> '
  /** What is to be printed above the typed line. */
  #above = ''
  /** The typed line as it was drawn last; null if it is not there. */
  #drawn: Layout | null = null
  #isClosed = false
  #update: NodeJS.Immediate | undefined
  readonly #updateLater = () => {
    // The key that has closed this is still reported.
    if (!this.#isClosed) this.#update ??= setImmediate(() => this.#write(true))
  }
  readonly #onContinue = () => {
    // The shell may have changed the mode of the terminal.
    this.#input.setRawMode(true)
    this.#updateLater()
  }
  readonly #onKey = (_text: unknown, { ctrl, name }: { ctrl: boolean; name?: string }) => {
    if (ctrl && name === 'l') {
      this.#output.write(CLEAR_ALL)
      this.#drawn = null
    }
    this.#updateLater()
  }

  constructor(input: ReadStream, output: WriteStream, on: ChatKeys) {
    this.#input = input
    this.#output = output
    const nowhere = new Writable({ write: (_text, _encoding, done) => done() })
    // Without this call, readline puts all but the last character of what is pasted at the end of the line, wherever the
    // cursor is.
    emitKeypressEvents(input)
    this.#lines = createInterface({ input, output: nowhere, terminal: true, historySize: 500 })
    // It would be computed for each character that is typed or pasted, and take longer the longer the line is.
    this.#lines.getCursorPos = () => ({ rows: 0, cols: 0 })
    this.#lines.on('line', (text) => {
      this.#above += `${this.#prompt}${printable(text.replaceAll('\t', ' '), Number.POSITIVE_INFINITY)}\n`
      on.line(text)
    })
    this.#lines.on('SIGINT', () => on.interrupt())
    this.#lines.on('SIGTSTP', () => this.#suspend())
    onEnd(this.#lines, () => {
      if (this.#isClosed) return
      this.#release()
      on.end()
    })
    input.on('keypress', this.#onKey)
    output.on('resize', this.#updateLater)
    process.on('SIGCONT', this.#onContinue)
    this.#updateLater()
  }

  show(text: string): void {
    this.#above += `${text}\n`
    // Nothing may follow that would let it be printed later.
    if (this.#isClosed) this.#write(false)
    else this.#updateLater()
  }

  prompt(text: string): void {
    this.#prompt = text
    this.#updateLater()
  }

  close(): void {
    if (this.#isClosed) return
    this.#release()
    this.#lines.close()
  }

  #release(): void {
    this.#isClosed = true
    this.#input.off('keypress', this.#onKey)
    this.#output.off('resize', this.#updateLater)
    process.off('SIGCONT', this.#onContinue)
    this.#write(false)
  }

  /** Ctrl-Z. */
  #suspend(): void {
    this.#write(false)
    this.#input.setRawMode(false)
    // As the terminal itself would do it: to the whole group, so that the shell sees a stop of npx, too. The process
    // stops here. If nobody could make it continue, the system ignores the signal.
    process.kill(0, 'SIGTSTP')
    this.#onContinue()
  }

  get #columns(): number {
    return this.#output.columns || 80
  }

  /** Removes the typed line, prints what is to be above it, and draws it again if `isOpen`. In one piece: no flicker. */
  #write(isOpen: boolean): void {
    clearImmediate(this.#update)
    this.#update = undefined
    const text = `${this.#erased()}${this.#above}`
    this.#above = ''
    this.#output.write(isOpen ? `${text}${this.#draw()}` : text)
  }

  /** The text that removes the typed line. */
  #erased(): string {
    if (!this.#drawn) return ''
    const { rows, row, column } = this.#drawn
    this.#drawn = null
    // If the terminal has become narrower, it has wrapped the rows, as most terminals do.
    const wrapped = Math.floor(column / this.#columns)
    const above = rows.slice(0, row).reduce((sum, text) => sum + heightOf(text, this.#columns), wrapped)
    return up(above) + CLEAR_FROM_ROW
  }

  /** The text that draws the typed line, and leaves the cursor in it. */
  #draw(): string {
    const { line, cursor } = this.#lines
    const whole = layOut(this.#prompt + line, this.#prompt.length + cursor, this.#columns)
    this.#drawn = around(whole, Math.max(1, (this.#output.rows || 24) - 1))
    const { rows, row, column } = this.#drawn
    const right = column === 0 ? '' : `\u001b[${column}C`
    return `${WRAP_OFF}${rows.join('\n')}${WRAP_ON}\r${up(rows.length - 1 - row)}${right}`
  }
}

function up(rows: number): string {
  return rows === 0 ? '' : `\u001b[${rows}A`
}
