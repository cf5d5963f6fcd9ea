/** The error of a socket, or of what is used like one, as a TransferError. */
import { TransferError } from '../errors.js'
import { describe } from '../system-errors.js'

export function brokenError(error: NodeJS.ErrnoException): TransferError {
  // A bundle says itself why it has broken.
  if (error instanceof TransferError) return error
  const isBreak = error.code === 'ECONNRESET' || error.code === 'EPIPE'
  const text = isBreak
    ? `the other side broke the connection (${error.code})`
    : `the connection failed: ${describe(error)}`
  return new TransferError('incomplete', text, { reason: 'broken', cause: error })
}
