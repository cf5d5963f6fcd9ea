/**
 * What a failed TLS handshake means. One mistake shows as several codes of OpenSSL, depending on who notices it first,
 * so these tables turn each code into one line that says which side lacks what.
 */
import { TransferError } from '../errors.js'

/**
 * The answer of a side that takes no more connections: a fatal alert, `access_denied` (RFC 8446, 5.1 and 6). The TLS
 * library of the other side understands nothing else.
 */
export const BUSY_ALERT = Buffer.from([0x15, 0x03, 0x03, 0, 2, 2, 49])

/** The answer to a peer whose key does not count: `handshake_failure`. */
export const KEY_ALERT = Buffer.from([0x15, 0x03, 0x03, 0, 2, 2, 40])

export function keyError(message: string, cause?: unknown): TransferError {
  return new TransferError('key', message, { cause })
}

const anotherKey =
  'the other side does not take this key; compare both with --fingerprint (it may also be a sender as this side is, or a receiver as this side is)'
const noKeyThere = 'the other side has no key, and this side has one; give the same key to both (--key-file there)'

/** The codes whose meaning the other side has chosen or caused. */
const onDialler: ReadonlyMap<unknown, string> = new Map([
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY', noKeyThere],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', anotherKey],
  ['ERR_SSL_SSLV3_ALERT_ILLEGAL_PARAMETER', anotherKey],
  ['ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR', anotherKey],
  // The same two since OpenSSL 3.2 (Node.js 24).
  ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', anotherKey],
  ['ERR_SSL_SSL/TLS_ALERT_ILLEGAL_PARAMETER', anotherKey],
])

/** The failure of a connection that breaks. It says nothing about keys. */
const breaks: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED'])

/** The code of a peer that answers in something else than TLS. */
export const NOT_TLS = 'ERR_SSL_WRONG_VERSION_NUMBER'

/** The error of the side that has dialled, for the error of its TLS socket. */
export function diallerError(cause: NodeJS.ErrnoException): TransferError {
  const known = onDialler.get(cause.code)
  if (known !== undefined) return keyError(known, cause)
  if (cause.code === 'ERR_SSL_TLSV1_ALERT_ACCESS_DENIED')
    return new TransferError('refused', 'the other side takes no more connections now', { reason: 'busy', cause })
  if (breaks.has(cause.code)) return broken(cause)
  return keyError('the other side is no tcp-send, tcp-recv or tcp-chat with a key, so nothing was sent', cause)
}

/** The same for the side that has listened. */
export function listenerError(cause: NodeJS.ErrnoException): TransferError {
  if (breaks.has(cause.code)) return broken(cause)
  return keyError('the other side speaks TLS, but is no tcp-send, tcp-recv or tcp-chat with a key', cause)
}

function broken(cause: NodeJS.ErrnoException): TransferError {
  const text = `the other side broke the connection before both had proved their key (${cause.code})`
  return new TransferError('incomplete', text, { reason: 'broken', cause })
}

/** The error for a peer that speaks the protocol without TLS, for a side with a key. */
export function noKeyError(): TransferError {
  const peerMessage = 'it takes only peers with its key; give the same key to this side (--key-file)'
  return new TransferError('key', noKeyThere, { peerMessage })
}
