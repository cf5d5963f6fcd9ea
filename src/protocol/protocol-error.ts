/** A breach of the protocol by the peer. */
import { TransferError } from '../errors.js'

/** Ends the connection. The peer may be told the message as it is. */
export class ProtocolError extends TransferError {
  constructor(message: string, reason: 'protocol' | 'version' | 'magic' | 'field' | 'key' = 'protocol') {
    super(reason === 'key' ? 'key' : 'incomplete', message, { reason, peerMessage: message })
  }
}
