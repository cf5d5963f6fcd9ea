/** What a receiver's refusal means to the sender. */
import { type ErrorCode, TransferError } from './errors.js'
import { printable } from './text.js'

/** Refusals that have an exit status of their own; every other code is exit 5. */
const codes: Record<string, ErrorCode> = {
  digest: 'digest-mismatch',
  unverifiable: 'digest-mismatch',
  size: 'incomplete',
  broken: 'incomplete',
  interrupted: 'incomplete',
  timeout: 'timeout',
}

/** The error for a refusal with this code of the protocol document. `message` is shown as it is. */
export function remoteError(code: string, message: string): TransferError {
  const ours = Object.hasOwn(codes, code) ? (codes[code] as ErrorCode) : 'refused'
  return new TransferError(ours, message, { reason: printable(code, 40), tell: 'refused' })
}
