/** What a receiver's refusal means to the sender. */
import { isReason, type Reason, reasons, TransferError } from '../errors.js'
import { printable } from '../text.js'

/** The error for a refusal with `reason`, as the peer said it. `message` is shown as it is. */
export function remoteError(reason: string, message: string): TransferError {
  const code = isReason(reason) ? reasons[reason].code : 'refused'
  // A newer receiver may have a reason that this table lacks; whoever reads the event should see it.
  return new TransferError(code, message, { reason: printable(reason, 40) as Reason, peerMessage: 'refused' })
}
