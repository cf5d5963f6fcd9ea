/** Bytes to lines of text, as people and other programs send them. */

/** The most characters (UTF-16 code units) of a line. A longer one becomes several. */
export const MAX_LINE = 4096

/** What Telnet puts between the text (RFC 854): commands begin with this byte, which no UTF-8 text has. */
const [COMMAND, NEGOTIATION, NEGOTIATION_END, FIRST_WITH_OPTION] = [255, 250, 240, 251]

type TelnetState = 'text' | 'command' | 'option' | 'negotiation' | 'negotiation-command'

/** Takes the commands and options of Telnet out of bytes. */
class Telnet {
  #state: TelnetState = 'text'

  textOf(bytes: Uint8Array): Uint8Array {
    if (this.#state === 'text' && !bytes.includes(COMMAND)) return bytes
    return bytes.filter((byte) => this.#isText(byte))
  }

  #isText(byte: number): boolean {
    const isText = this.#state === 'text' && byte !== COMMAND
    this.#state = this.#next(byte)
    return isText
  }

  #next(byte: number): TelnetState {
    switch (this.#state) {
      case 'text':
        return byte === COMMAND ? 'command' : 'text'
      case 'command':
        if (byte === NEGOTIATION) return 'negotiation'
        return byte >= FIRST_WITH_OPTION && byte !== COMMAND ? 'option' : 'text'
      case 'option':
        return 'text'
      case 'negotiation':
        return byte === COMMAND ? 'negotiation-command' : 'negotiation'
      case 'negotiation-command':
        return byte === NEGOTIATION_END ? 'text' : 'negotiation'
    }
  }
}

/** Takes bytes and gives lines, which end with `\n` or `\r\n`. Bytes that are no UTF-8 become U+FFFD. */
export class LineReader {
  readonly #max: number
  readonly #telnet = new Telnet()
  readonly #decoder = new TextDecoder()
  #text = ''
  /** Where in the text the next line begins. */
  #at = 0
  /** True after `takeRest`: a line break that comes now ends the line that was taken. */
  #isBreakPending = false

  /** @param max the most characters of a line; a longer one becomes several */
  constructor(max = MAX_LINE) {
    this.#max = max
  }

  push(bytes: Uint8Array): void {
    this.#text = this.#text.slice(this.#at) + this.#decoder.decode(this.#telnet.textOf(bytes), { stream: true })
    this.#at = 0
    if (!this.#isBreakPending || this.#text === '' || this.#text === '\r') return
    this.#isBreakPending = false
    this.#at = /^\r?\n/.exec(this.#text)?.[0].length ?? 0
  }

  /** The next line, or null if it has not come to its end yet. */
  take(): string | null {
    const end = this.#text.indexOf('\n', this.#at)
    const length = (end < 0 ? this.#text.length : end) - this.#at
    if (length > this.#max + 1 || (length > this.#max && this.#text[this.#at + this.#max] !== '\r'))
      return this.#piece()
    if (end < 0) return null
    const line = this.#text.slice(this.#at, end)
    this.#at = end + 1
    return line.replace(/\r$/, '')
  }

  /** The start of a line that is too long. No character is cut in two. */
  #piece(): string {
    const piece = this.#text.slice(this.#at, this.#at + this.#max)
    const whole = /[\ud800-\udbff]$/.test(piece) ? piece.slice(0, -1) : piece
    this.#at += whole.length
    return whole
  }

  /** True if there is something behind the last line. */
  get hasRest(): boolean {
    return this.#at < this.#text.length
  }

  /** What is behind the last line, as a line: its sender has made a pause, or has ended. Called after the last `take`. */
  takeRest(): string {
    const rest = this.#text.slice(this.#at)
    this.#at = this.#text.length
    this.#isBreakPending = true
    return rest.replace(/\r$/, '')
  }
}

/** The lines of a text, each of them short enough to be said. */
export function linesOf(text: string): string[] {
  const reader = new LineReader()
  reader.push(Buffer.from(`${text.replace(/\r\n?/g, '\n')}\n`))
  const lines: string[] = []
  for (let line = reader.take(); line !== null; line = reader.take()) lines.push(line)
  return lines
}
