/** How long a listener waits for a partner, and what it says at the end. */
import { TransferError } from '../errors.js'

export interface Patience {
  /** The failure of the last transfer, if its partner is to try again. */
  failure: TransferError | null
  hadPartner: boolean
  partner: 'sender' | 'receiver'
  /** Milliseconds for another try. */
  timeout: number
  /** Milliseconds for a partner. Undefined means no limit. */
  wait: number | undefined
}

export interface IdleEnd {
  /** After so many milliseconds. */
  time: number
  failure: TransferError
  /** What to say meanwhile. */
  message?: string
}

/** Returns how the wait ends if nobody comes; null if it has no end. */
export function idleEnd({ failure, hadPartner, partner, timeout, wait }: Patience): IdleEnd | null {
  if (failure) {
    const seconds = timeout / 1000
    const { code, message } = failure
    // The text of a refusal is for the sender and calls the receiver "it".
    const what = code === 'refused' && partner === 'sender' ? `the sender was refused: ${message}` : message
    return {
      time: timeout,
      failure: failure.withMessage(`${what}; no ${partner} came back within ${seconds} seconds`),
      message: `waiting up to ${seconds} seconds for a ${partner} to try again`,
    }
  }
  if (wait === undefined) return null
  const text = `no ${hadPartner ? 'other ' : ''}${partner} came within ${wait / 1000} seconds`
  return { time: wait, failure: new TransferError('timeout', text, { peerMessage: 'it has stopped waiting' }) }
}
