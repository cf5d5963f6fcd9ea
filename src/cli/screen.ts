/**
 * The one writer of a terminal that shows lines and, below them, a block of rows that is drawn again and again.
 *
 * Between two drawings the cursor waits at the beginning of the block. A resize may wrap the rows anew or not, as the
 * terminal likes; what is to be cleared is always all that follows the cursor.
 */
const CLEAR = '\u001b[G\u001b[J'
const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'
/** A row that is too wide, because the terminal has just become narrower, must not become two. */
const WRAP_OFF = '\u001b[?7l'
const WRAP_ON = '\u001b[?7h'

export class Screen {
  readonly #stream: NodeJS.WriteStream
  #block: readonly string[] = []
  /** What is shown once `resume` is called; null while nothing keeps the block away. */
  #kept: readonly string[] | null = null
  /** How wide the terminal was when the block was drawn. */
  #width = 0
  /** For a process that does not wait for its end (a second Ctrl-C): the terminal must get its cursor back. */
  readonly #onExit = () => this.show([])

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  get columns(): number {
    return this.#stream.columns || 80
  }

  /** The most rows of a block: it must leave room for a line above it. */
  get mostRows(): number {
    return Math.max(1, (this.#stream.rows || 24) - 1)
  }

  /** Calls `listener` when the terminal has another size. */
  onResize(listener: () => void): void {
    this.#stream.on('resize', listener)
  }

  /** Prints a line above the block. */
  line(text: string): void {
    this.#stream.write(`${this.#cleared}${text}\n${this.#draw()}`)
  }

  /** Lets something else write to the same terminal, above the block: `write` must end each of its lines. */
  around(write: () => void): void {
    if (this.#block.length === 0) {
      write()
      return
    }
    this.#stream.write(this.#cleared)
    write()
    this.#stream.write(this.#draw())
  }

  /** Takes the block away, while something else writes to the terminal whenever it likes. */
  pause(): void {
    const block = this.#block
    this.show([])
    this.#kept = block
  }

  resume(): void {
    const block = this.#kept
    if (!block) return
    this.#kept = null
    this.show(block)
  }

  /** Shows this block instead of the one before; an empty one gives the terminal back. */
  show(block: readonly string[]): void {
    if (this.#kept) {
      this.#kept = block
      return
    }
    const before = this.#block
    const isSame = block.join('\n') === before.join('\n')
    if (isSame && (block.length === 0 || this.columns === this.#width)) return
    const cleared = this.#cleared
    this.#block = block
    if (before.length === 0) process.once('exit', this.#onExit)
    if (block.length === 0) process.off('exit', this.#onExit)
    const cursor = before.length === 0 ? HIDE_CURSOR : block.length === 0 ? SHOW_CURSOR : ''
    this.#stream.write(`${cleared}${cursor}${this.#draw()}`)
  }

  get #cleared(): string {
    return this.#block.length === 0 ? '' : CLEAR
  }

  /** What draws the block, and leaves the cursor at its beginning. */
  #draw(): string {
    if (this.#block.length === 0) return ''
    this.#width = this.columns
    const up = this.#block.length === 1 ? '' : `\u001b[${this.#block.length - 1}A`
    return `${WRAP_OFF}${this.#block.join('\n')}${WRAP_ON}\u001b[G${up}`
  }
}
