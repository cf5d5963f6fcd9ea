/** What the other side of a connection is by its first bytes, and why it is turned away or given up. */
import { TransferError } from '../errors.js'
import { HEADER_DEADLINE } from '../protocol/limits.js'
import { CHAT_LINE, describeStranger, isSecret, KEY_THERE, NO_KEY_ALERT } from '../protocol/strangers.js'
import { printable } from '../text.js'
import { type Bye, greetingLine, MAGIC, Outgoing } from './chat-protocol.js'

export type Kind = 'native' | 'plain'

/**
 * What a peer is; undefined if there are too few bytes to tell. Throws for one that cannot talk.
 *
 * @param isDialled true for a listener, which must be a tcp-chat
 */
export function judge(bytes: Buffer, isDialled: boolean): Kind | undefined {
  const start = bytes.toString('latin1', 0, MAGIC.length)
  if (start === MAGIC) return 'native'
  if (isSecret(bytes)) throw new TransferError('key', describeStranger(bytes))
  if (isDialled && CHAT_LINE.startsWith(bytes.toString('latin1', 0, CHAT_LINE.length))) {
    if (bytes.length < CHAT_LINE.length) return undefined
    throw new TransferError('key', KEY_THERE)
  }
  if (MAGIC.startsWith(start)) return undefined
  if (isDialled) throw noTcpChat(start)
  return 'plain'
}

function noTcpChat(start: string): TransferError {
  return magicError(`the other side is no tcp-chat (its first bytes are "${printable(start)}")`)
}

function magicError(text: string): TransferError {
  const hint = 'to talk to a program that is no tcp-chat, use --plain'
  return new TransferError('incomplete', `${text}; ${hint}`, { reason: 'magic' })
}

/** @param isDialled true for a listener that has not answered */
export function noGreeting(isDialled: boolean): TransferError {
  const seconds = HEADER_DEADLINE / 1000
  if (isDialled) return magicError(`no tcp-chat has answered within ${seconds} seconds`)
  const text = `no complete greeting within ${seconds} seconds`
  return new TransferError('incomplete', text, { reason: 'timeout', peerMessage: text })
}

export function tooSlow(): TransferError {
  const text = 'too slow: it does not take the lines that wait for it'
  return new TransferError('incomplete', text, { reason: 'timeout', peerMessage: text })
}

export function turnedAway(bye: Bye): TransferError {
  const why = bye === 'busy' ? 'it talks to somebody else, or has no place' : `it said: ${bye}`
  return new TransferError('refused', `the other side has turned you away (${why})`, {
    reason: bye === true ? 'policy' : bye,
  })
}

export function endedBy(reason: Exclude<Bye, true>): TransferError {
  return new TransferError('incomplete', `the other side has ended the conversation (${reason})`, { reason })
}

export function nobodyCame(wait: number): TransferError {
  return new TransferError('timeout', `nobody came within ${wait / 1000} seconds`)
}

/**
 * The last bytes for a peer whose connection fails; null for a reset.
 *
 * @param isTalking true once both native sides have greeted
 */
export function farewell(
  { code, reason, peerMessage }: TransferError,
  kind: Kind | undefined,
  isDialled: boolean,
  isTalking: boolean,
): Uint8Array | null {
  if (reason === 'broken') return null
  const bye: Bye = reason === 'interrupted' ? true : reason
  if (kind === 'plain') return Buffer.from(isDialled || bye === true ? '' : `* ${peerMessage}\n`)
  if (isTalking) return new Outgoing({ bye }, false).json
  if (isDialled) return Buffer.alloc(0)
  return code === 'key' ? NO_KEY_ALERT : Buffer.from(greetingLine({ bye }))
}
