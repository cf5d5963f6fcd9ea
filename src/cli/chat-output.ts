/** The output of `tcp-chat`: what others say on stdout, everything else on stderr; or all events as JSON on stdout. */
import type { ChatEvent } from '../chat/chat-events.js'
import { shown } from '../chat/chat-protocol.js'
import { EVENTS_VERSION } from '../events.js'
import { printable, printableJson } from '../text.js'
import type { ChatScreen } from './chat-screen.js'
import { describeCode, describeEvent } from './format.js'
import { Lines, Output } from './output.js'
import { inspectStdio } from './stdio.js'

/** The start of a notice or of a typed line, also behind characters that nobody sees. */
const MISLEADING = /^[\s\p{Default_Ignorable_Code_Point}]*(?:>|tcp-chat:)/iu

export interface ChatOutputOptions {
  json: boolean
  quiet: boolean
  /** Called if stdout can no longer be written. It must end the conversation with this error. */
  abort: (error: Error) => void
}

export class ChatOutput {
  readonly #options: ChatOutputOptions
  readonly #output: Output
  readonly #notices = new Lines(process.stderr)
  readonly #stdio = inspectStdio(process.stdout, process.stderr, process.env)
  /** True if there can be more than one other, so that each line needs a name. */
  #isRoom: boolean
  #screen: ChatScreen | undefined
  #isSpokenOnScreen = false

  constructor(options: ChatOutputOptions, isRoom: boolean) {
    this.#options = options
    this.#isRoom = isRoom
    this.#output = new Output(process.stdout, 1, options.abort)
  }

  get isJson(): boolean {
    return this.#options.json
  }

  /** From now on, lines for people go to `screen`, and what others say, too, if `isSpoken`. */
  showOn(screen: ChatScreen, isSpoken: boolean): void {
    this.#screen = screen
    this.#isSpokenOnScreen = isSpoken
  }

  /** Returns a promise while nobody reads stdout. */
  onEvent(event: ChatEvent): Promise<void> | undefined {
    const { json, quiet } = this.#options
    if (event.event === 'joined') this.#isRoom ||= event.room === true
    if (json) this.#output.write(`${printableJson({ v: EVENTS_VERSION, ...event })}\n`)
    else if (event.event === 'line') this.#speak(this.#spoken(event.from, event.text))
    else if (!quiet || event.event === 'failed' || event.event === 'refused') this.note(describe(event))
    // Without the code nobody gets in, so it is told in any case.
    if (event.event === 'listening' && event.words !== undefined) this.note(describeCode(event.words))
    return this.#output.drained
  }

  #speak(text: string): void {
    if (this.#isSpokenOnScreen) this.#screen?.show(text)
    else this.#output.write(`${text}\n`)
  }

  /** At a terminal, what a partner says must not look like what this program says, or what was typed here. */
  #spoken(from: string, text: string): string {
    const isNamed = this.#isRoom || (process.stdout.isTTY && MISLEADING.test(text))
    return `${isNamed ? `${from}: ` : ''}${shown(text)}`
  }

  /** Prints a line for people. */
  note(text: string | null): void {
    if (text === null) return
    if (this.#screen) this.#screen.show(`tcp-chat: ${text}`)
    else this.#notices.write(`${this.#stdio.linePrefix()}tcp-chat: ${text}\n`)
  }

  /** Ends the output. Throws if it could not be written. */
  async close(): Promise<void> {
    await this.#output.finish()
  }
}

/** The line on stderr for an event; null for none. */
function describe(event: Exclude<ChatEvent, { event: 'line' }>): string | null {
  switch (event.event) {
    case 'joined':
      return describeJoined(event)
    case 'left':
      return event.message === undefined
        ? `${event.name} has left`
        : `${event.name} has gone: ${printable(event.message)}`
    case 'dropped':
      return `(${event.lines} ${event.lines === 1 ? 'line' : 'lines'} left out here, because ${event.from === undefined ? 'nobody read them' : 'too many came'})`
    case 'notice':
      return printable(event.message, 400)
    case 'done':
      return null
    default:
      return describeEvent(event, 'talk')
  }
}

function describeJoined({ name, peer, plain, key, you, room }: Extract<ChatEvent, { event: 'joined' }>): string {
  if (you !== undefined) return `${room ? `in the room of ${name}` : `talking to ${name}`}; you are ${you}`
  const facts = [
    ...(peer === undefined || peer === name ? [] : [peer]),
    ...(key === undefined ? [] : [`key ${printable(key, 80)}`]),
    ...(plain ? ['no tcp-chat'] : []),
  ]
  return `${name} has joined${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`
}
