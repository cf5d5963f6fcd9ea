/**
 * Draws on a terminal: permanent lines and, below them, a block of rows that is redrawn in place.
 *
 * Only this module writes to the terminal while a block is shown. After each drawing the cursor stands at the start of
 * the block. Some terminals wrap the rows anew after a resize and some do not. Either way, clearing everything from the
 * cursor on removes the block.
 */

/** Moves the cursor to the first column and clears everything from there on. */
const CLEAR = '\u001b[G\u001b[J'
const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'
/** Without wrapping, a row that is too wide stays one row. This happens if the terminal has just become narrower. */
const WRAP_OFF = '\u001b[?7l'
const WRAP_ON = '\u001b[?7h'

export class Screen {
  readonly #stream: NodeJS.WriteStream
  #block: readonly string[] = []
  /** The block to show after `resume`; null if not paused. */
  #pausedBlock: readonly string[] | null = null
  /** The width of the terminal at the latest drawing of the block. */
  #width = 0
  /** Shows the cursor again if the process exits early, as after a second Ctrl-C. */
  readonly #onExit = () => this.show([])

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  /** The width of the terminal; 80 if unknown. */
  get columns(): number {
    return this.#stream.columns || 80
  }

  /** The largest number of rows of a block, which leaves room for one line above it. */
  get maxRows(): number {
    return Math.max(1, (this.#stream.rows || 24) - 1)
  }

  /** Calls `listener` when the size of the terminal changes. */
  onResize(listener: () => void): void {
    this.#stream.on('resize', listener)
  }

  /** Prints a line above the block. */
  line(text: string): void {
    this.#stream.write(`${this.#cleared}${text}\n${this.#draw()}`)
  }

  /**
   * Calls `write`, which writes complete lines to the same terminal through another stream. They appear above the
   * block.
   */
  writeAbove(write: () => void): void {
    if (this.#block.length === 0) {
      write()
      return
    }
    this.#stream.write(this.#cleared)
    write()
    this.#stream.write(this.#draw())
  }

  /** Hides the block until `resume`, so that another program can write to the terminal at any time. */
  pause(): void {
    const block = this.#block
    this.show([])
    this.#pausedBlock = block
  }

  /** Shows the block again, as `show` has changed it since `pause`. */
  resume(): void {
    const block = this.#pausedBlock
    if (!block) return
    this.#pausedBlock = null
    this.show(block)
  }

  /** Replaces the block. An empty block removes it and shows the cursor again. */
  show(block: readonly string[]): void {
    if (this.#pausedBlock) {
      this.#pausedBlock = block
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

  /** The text that draws the block and moves the cursor back to its start. */
  #draw(): string {
    if (this.#block.length === 0) return ''
    this.#width = this.columns
    const up = this.#block.length === 1 ? '' : `\u001b[${this.#block.length - 1}A`
    return `${WRAP_OFF}${this.#block.join('\n')}${WRAP_ON}\u001b[G${up}`
  }
}
