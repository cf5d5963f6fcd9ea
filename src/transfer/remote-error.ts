/** What a receiver's refusal means to the sender. */
import { type ErrorCode, isReason, type Reason, reasons, TransferError } from '../errors.js'
import { printable } from '../text.js'

/** The class of a failure for this reason. One that no receiver of this version says means the same as `policy`. */
function codeOf(reason: string): ErrorCode {
  if (!isReason(reason)) return 'refused'
  const { code, saidBy } = reasons[reason]
  return saidBy === 'receiver' || saidBy === 'both' ? code : 'refused'
}

/** The error for a refusal with `reason`, as the peer said it. `message` is shown as it is. */
export function remoteError(reason: string, message: string): TransferError {
  // A newer receiver may have a reason that this table lacks; whoever reads the event should see it.
  return new TransferError(codeOf(reason), message, { reason: printable(reason, 40) as Reason, peerMessage: 'refused' })
}
