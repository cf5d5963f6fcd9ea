/** What an exchange with a code has come to, for people. */
import { TransferError } from '../errors.js'
import { type KeyRole, partnerOf } from '../keys.js'
import { roleError } from '../net/hello.js'
import { keyError } from '../net/tls-errors.js'
import type { CodeStatus, Opening, Refused } from '../protocol/code-exchange.js'

/** The error of the side that has dialled, for the answer of a listener. */
export function diallerError(answer: Refused, role: KeyRole): TransferError {
  if (answer === 'busy')
    return new TransferError('refused', 'the other side takes no more connections now', { reason: 'busy' })
  const messages = {
    used: 'the code has been used; start the other side again for a new one',
    burnt: 'the code is burnt, because others have guessed at it; start the other side again for a new one',
    role: `the other side is no ${partnerOf[role]}, and this side is a ${role}`,
    version: 'the other side uses codes in a way that this version does not know',
    invalid: 'the other side cannot read what this side has sent',
    stranger: 'the other side has no code, and this side has one; start the other side with --code',
  }
  return keyError(messages[answer])
}

/** The error of the side that has dialled if the listener has not proved the code. */
export function wrongCode(cause: TransferError): TransferError {
  const text = 'the other side has another code, so nothing was sent; compare the words'
  return keyError(`${text} (three wrong guesses burn a code, and a new start makes a new one)`, cause)
}

/** The error of the side that has dialled again if the listener does not know its key any more. */
export function forgotten(cause: TransferError): TransferError {
  return keyError('the other side does not know this side any more; has it been started again?', cause)
}

/** The error of a listener for an opening that it refuses. */
export function openingError(status: CodeStatus, opening: Opening | string, role: KeyRole): TransferError {
  if (status === 'used') return keyError('the code has been used, and the other side wants to use it again')
  if (status === 'burnt') return keyError('the code is burnt, so nobody else can come in')
  if (status === 'role') return roleError((opening as Opening).role, role)
  if (status === 'version') return keyError('the other side uses codes in a way that this version does not know')
  return keyError('the other side has a code, but not what the protocol says of it')
}

export function brokenOff(): TransferError {
  const text = 'the other side has broken off before it has proved the code'
  return new TransferError('incomplete', text, { reason: 'broken' })
}

/** The error for a peer that has neither exchanged anything nor a key. */
export function noCodeError(): TransferError {
  const message = 'the other side has no code, and this side has one; give it the code (--code there)'
  return new TransferError('key', message, { peerMessage: 'it takes only peers with its code (--code)' })
}
