/**
 * What two tcp-chats say to each other: a greeting, and then one JSON object on each line. Everybody else is a plain
 * peer, and is sent and sends lines of text.
 */
import { isReason, type Reason } from '../errors.js'
import { CHAT_MAGIC } from '../protocol/limits.js'
import { ProtocolError } from '../protocol/protocol-error.js'
import { printable } from '../text.js'
import { MAX_LINE } from './lines.js'

/** The first bytes of a greeting. Another version of the protocol has another number. */
export const MAGIC = `${CHAT_MAGIC}/1 `

/** The most characters of a line of JSON: a line of text has `MAX_LINE` of them, each of which can take six. */
export const MAX_JSON = 32 * 1024

/** The most names in an answer to `who`. A line of JSON has room for no more. */
export const MAX_NAMES = 300

/** What the side that listens, or has dialled, says first. */
export interface Greeting {
  /** The name of the one who has dialled; in the answer, the one that it has got. */
  name: string
  /** In the answer: the name of the side that listens. */
  of?: string
  /** In the answer: true if there can be others. */
  room?: boolean
}

/** Why somebody is sent away or the conversation ends: true if nothing is wrong. */
export type Bye = true | Reason

/** One message. `from` is absent from those of the side that has dialled. */
export type Message =
  | { say: string; from?: string }
  | { joined: string }
  | { left: string }
  | { who: true | string[] }
  | { bye: Bye }

/** Names have no spaces, colons or asterisks, so that nobody can write what looks like a line of another one. */
const NAME = /^[\p{L}\p{N}._-]{1,32}$/u

/** Some letters are invisible, as the Hangul fillers. And `tcp-chat: ` begins what the program itself says. */
const MISLEADING = /\p{Default_Ignorable_Code_Point}|^tcp-chat$/iu

export function isName(text: unknown): text is string {
  return typeof text === 'string' && NAME.test(text) && !MISLEADING.test(text)
}

/** Text of somebody else as a terminal or a plain peer may see it: one line, without control characters. */
export function shown(text: string): string {
  return printable(text.replace(/\t/g, '    '), Number.POSITIVE_INFINITY)
}

/** The line that begins a conversation, or sends a dialler away before it has begun. */
export function greetingLine(greeting: Greeting | { bye: Bye }): string {
  return `${MAGIC}${JSON.stringify(greeting)}\n`
}

/** Reads a greeting line, of which the magic has been seen. Throws a `protocol` error. */
export function parseGreeting(line: string): Greeting | { bye: Bye } {
  const { name, of, room, bye } = parseObject(line.slice(MAGIC.length))
  if (bye !== undefined) return { bye: byeOf(bye) }
  if (!isName(name) || (of !== undefined && !isName(of))) throw new ProtocolError('a greeting has a name')
  return { name, ...(of === undefined ? {} : { of }), room: room === true }
}

/** Reads a message. Returns null for one that this version does not know. Throws a `protocol` error. */
export function parseMessage(line: string): Message | null {
  const { say, from, joined, left, who, bye } = parseObject(line)
  if (say !== undefined) {
    if (typeof say !== 'string' || say.length > MAX_LINE)
      throw new ProtocolError('a line is a text of at most 4,096 characters')
    if (from !== undefined && !isName(from)) throw new ProtocolError('a line is from a name')
    return from === undefined ? { say } : { say, from }
  }
  if (joined !== undefined) return { joined: nameOf(joined) }
  if (left !== undefined) return { left: nameOf(left) }
  if (who !== undefined) return { who: namesOf(who) }
  return bye === undefined ? null : { bye: byeOf(bye) }
}

function nameOf(value: unknown): string {
  if (isName(value)) return value
  throw new ProtocolError('that is no name')
}

function namesOf(value: unknown): true | string[] {
  if (value === true) return true
  if (Array.isArray(value) && value.length <= MAX_NAMES && value.every(isName)) return value
  throw new ProtocolError('that is no list of names')
}

/** A reason that this version does not know says no more than that something is wrong. */
function byeOf(value: unknown): Bye {
  return value === true ? true : typeof value === 'string' && isReason(value) ? value : 'policy'
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // The error quotes the text.
  }
  throw new ProtocolError('a line is a JSON object')
}

/** A message as it goes over the wire, which is put together once for all who hear it. */
export class Outgoing {
  readonly #message: Message
  readonly #isRoom: boolean
  #json: Buffer | undefined
  #text: Buffer | undefined

  constructor(message: Message, isRoom: boolean) {
    this.#message = message
    this.#isRoom = isRoom
  }

  get json(): Buffer {
    this.#json ??= Buffer.from(`${JSON.stringify(this.#message)}\n`)
    return this.#json
  }

  /** The same for a plain peer. Empty if such a peer is not told. */
  get text(): Buffer {
    this.#text ??= Buffer.from(textOf(this.#message, this.#isRoom))
    return this.#text
  }
}

function textOf(message: Message, isRoom: boolean): string {
  if ('say' in message) return `${isRoom ? `${message.from}: ` : ''}${shown(message.say)}\n`
  if ('joined' in message) return `* ${message.joined} has joined\n`
  if ('left' in message) return `* ${message.left} has left\n`
  return ''
}
