/** Looks at the first bytes of an accepted connection, which tell TLS from everything else. */
import type { Socket } from 'node:net'
import { TransferError } from '../errors.js'
import { CHAT_MAGIC, RECEIVER_MAGIC, SENDER_MAGIC } from '../protocol/limits.js'
import { describeStranger, isSecret } from '../protocol/strangers.js'
import { listenerError } from './tls-errors.js'

/** The types of a TLS record and of the first message of a handshake (RFC 8446, 5.1 and 4). */
const HANDSHAKE = 0x16
const CLIENT_HELLO = 1

/** The most bytes of one record (RFC 8446, 5.1). */
const RECORD = 16 * 1024

/** The bytes before the payload of a record, and those before the content of a message. */
const [RECORD_HEADER, MESSAGE_HEADER] = [5, 4]

/**
 * Returns the first message of a TLS client if `bytes` hold all of it, `lacking` for a peer that speaks the protocol
 * without TLS, an error for any other peer, and undefined if there are too few bytes to tell.
 */
export function judge(bytes: Buffer, lacking: TransferError): TransferError | Buffer | undefined {
  if (bytes[0] === HANDSHAKE) return judgeHello(bytes)
  const start = bytes.subarray(0, SENDER_MAGIC.length)
  const text = start.toString('latin1')
  const magic = [SENDER_MAGIC, RECEIVER_MAGIC, CHAT_MAGIC].find((magic) => magic.startsWith(text))
  if (!magic) return strangerError(start)
  return text === magic ? lacking : undefined
}

function strangerError(start: Buffer): TransferError {
  const text = describeStranger(start)
  return isSecret(start) ? new TransferError('key', text) : new TransferError('incomplete', text, { reason: 'magic' })
}

/**
 * A TLS connection takes 70 KB of memory, and who has sent its whole first message has proved the key or is refused. So
 * before that there is none. No client cuts this message into several records.
 */
export function judgeHello(bytes: Buffer): TransferError | Buffer | undefined {
  const start = RECORD_HEADER + MESSAGE_HEADER
  if (bytes.length < start) return undefined
  const length = bytes.readUInt16BE(RECORD_HEADER - 2)
  const isWhole = length <= RECORD && bytes.readUIntBE(start - 3, 3) === length - MESSAGE_HEADER
  if (bytes[RECORD_HEADER] !== CLIENT_HELLO || !isWhole)
    return listenerError(new Error('no TLS client begins like this'))
  return bytes.length < RECORD_HEADER + length ? undefined : bytes.subarray(RECORD_HEADER, RECORD_HEADER + length)
}

/**
 * Resolves with what `judge` makes of the next bytes, as soon as that is not undefined, and with an error if they do not
 * come. The socket stays paused. Of a TLS client, everything that was read can be read again. Rejects if the socket is
 * closed.
 *
 * @param deadline how long the bytes may take, in milliseconds
 */
export function judgeNextBytes<Outcome>(
  socket: Socket,
  deadline: number,
  judge: (bytes: Buffer) => Outcome | TransferError | undefined,
): Promise<Outcome | TransferError> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      socket.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onError)
    }
    const settle = (outcome: Outcome | TransferError) => {
      stop()
      socket.pause()
      // TLS reads them again.
      if (held[0] === HANDSHAKE && !(outcome instanceof TransferError)) socket.unshift(held)
      resolve(outcome)
    }
    let held: Buffer = Buffer.alloc(0)
    const onData = (bytes: Buffer) => {
      held = held.length > 0 ? Buffer.concat([held, bytes]) : bytes
      const outcome = judge(held)
      if (outcome !== undefined) settle(outcome)
    }
    const onEnd = () => settle(closed())
    const onClose = () => {
      stop()
      reject(closed())
    }
    // The event `close` follows.
    const onError = () => {}
    const timer = setTimeout(() => {
      const text = `no complete header within ${Math.ceil(deadline / 1000)} seconds`
      settle(new TransferError('timeout', text, { peerMessage: text }))
    }, deadline)
    socket.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onError).resume()
  })
}

function closed(): TransferError {
  return new TransferError('incomplete', 'the connection was closed', { reason: 'broken' })
}

/** How long a peer that is turned away may take to close, in milliseconds. */
const LINGER = 1_000

/** The most bytes that are read and dropped of such a peer. What else a flood brings is not even read. */
const DROPPED = 256 * 1024

/** Sends the last bytes to a peer that must not come in, and closes the connection. */
export function turnAway(socket: Socket, farewell: Uint8Array): void {
  const deadline = setTimeout(() => socket.destroy(), LINGER)
  socket.on('error', () => {}).once('close', () => clearTimeout(deadline))
  let left = DROPPED
  socket.on('data', ({ length }) => {
    left -= length
    if (left < 0) socket.pause()
  })
  // A close with unread bytes would destroy the farewell on its way.
  socket.resume().end(farewell)
}
