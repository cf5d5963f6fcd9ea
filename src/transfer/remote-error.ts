/** The errors for what the other side says: the sender's for a refusal, the receiver's for an abort. */
import { type ErrorCode, isReason, type Reason, reasons, TransferError } from '../errors.js'
import { printable } from '../text.js'

/** The code for a reason of the receiver. A reason that no receiver of this version gives counts as `policy`. */
function codeOf(reason: string): ErrorCode {
  if (!isReason(reason)) return 'refused'
  const { code, saidBy } = reasons[reason]
  return saidBy === 'receiver' || saidBy === 'both' ? code : 'refused'
}

/** The error for a refusal with the peer's `reason`. `message` is shown as it is. */
export function remoteError(reason: string, message: string): TransferError {
  // A newer receiver may have a reason that this table lacks. The events show it all the same.
  return new TransferError(codeOf(reason), message, { reason: printable(reason, 40) as Reason, peerMessage: 'refused' })
}

/** The receiver's error for an abort. Its reason is only shown: as that of the error, it would look like one of this side. */
export function abortError(reason: string, message: string): TransferError {
  const text = `the sender gave up: ${printable(message)} (${printable(reason, 40)})`
  if (reason === 'key') return new TransferError('key', text)
  return new TransferError('incomplete', text, { reason: 'aborted', peerMessage: 'given up' })
}
