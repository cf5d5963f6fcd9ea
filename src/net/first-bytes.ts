/** Looks at the first bytes of an accepted connection, which tell TLS from everything else. */
import type { Socket } from 'node:net'
import { TransferError } from '../errors.js'
import { RECEIVER_MAGIC, SENDER_MAGIC } from '../protocol/limits.js'
import { describeStranger } from '../protocol/strangers.js'
import { noKeyError } from './tls-errors.js'

/** The type of a TLS record with the first message of a handshake (RFC 8446, 5.1). */
const HANDSHAKE = 0x16

/**
 * Returns null if `bytes` begin like a TLS client, an error for any other peer, and undefined if there are too few
 * bytes to tell.
 */
function judge(bytes: Buffer): TransferError | null | undefined {
  if (bytes[0] === HANDSHAKE) return null
  const start = bytes.subarray(0, SENDER_MAGIC.length)
  const text = start.toString('latin1')
  const magic = [SENDER_MAGIC, RECEIVER_MAGIC].find((magic) => magic.startsWith(text))
  if (!magic) return new TransferError('incomplete', describeStranger(start), { reason: 'magic' })
  return text === magic ? noKeyError() : undefined
}

/**
 * Resolves with null if the peer begins like a TLS client, otherwise with an error for it. The socket stays paused. Of a
 * TLS client, everything that was read can be read again. Rejects if the socket is closed.
 *
 * @param deadline how long the first bytes may take, in milliseconds
 */
export function judgeFirstBytes(socket: Socket, deadline: number): Promise<TransferError | null> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      socket.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onError)
    }
    const settle = (outcome: TransferError | null) => {
      stop()
      socket.pause()
      // TLS reads them again.
      if (outcome === null) socket.unshift(held)
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
      const text = `no complete header within ${deadline / 1000} seconds`
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

/** Sends the last bytes to a peer that must not come in, and closes the connection. */
export function turnAway(socket: Socket, farewell: Uint8Array): void {
  const deadline = setTimeout(() => socket.destroy(), LINGER)
  socket.on('error', () => {}).once('close', () => clearTimeout(deadline))
  // A close with unread bytes would destroy the farewell on its way.
  socket.resume().end(farewell)
}
