/** What a listener with a key or a code says to a peer that begins without one. */
import type { Socket } from 'node:net'
import type { TransferError } from '../errors.js'
import type { KeyRole } from '../keys.js'
import { turnAway } from '../net/first-bytes.js'
import { encode } from '../protocol/encode.js'
import { HEADER_DEADLINE } from '../protocol/limits.js'
import { CHAT_LINE, STRANGER_LINE } from '../protocol/strangers.js'

/**
 * How long the first bytes of a peer may take, in milliseconds. A receiver without a key waits for the sender to speak
 * first, and is told before its own deadline.
 */
export function silenceOf(role: KeyRole): number {
  return role === 'sender' ? HEADER_DEADLINE / 2 : HEADER_DEADLINE
}

/**
 * Turns away a peer, and returns the error to report; null for a peer that has come and gone without a word.
 *
 * @param judged what is wrong with its first bytes
 * @param lacking the error for a peer without a key or a code
 */
export function turnAwayOutsider(
  socket: Socket,
  role: KeyRole,
  judged: TransferError,
  lacking: TransferError,
): TransferError | null {
  const isWaiting = role === 'sender' && judged.reason === 'timeout'
  turnAway(socket, farewell(role, isWaiting ? lacking : judged))
  if (judged.reason === 'broken') return null
  // Without a key a talk takes any bytes, so no peer of it speaks something else.
  return role === 'chat' && judged.code !== 'key' ? lacking : judged
}

function farewell(role: KeyRole, { reason, peerMessage: message }: TransferError): Buffer {
  if (role === 'chat') return Buffer.from(CHAT_LINE)
  if (reason === 'magic') return Buffer.from(STRANGER_LINE)
  const entry = null
  return role === 'receiver'
    ? Buffer.concat([encode.receiverOpening(), encode.refused({ entry, reason, message })])
    : Buffer.concat([encode.senderOpening(), encode.abort({ entry, reason, message })])
}
