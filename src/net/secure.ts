/**
 * Turns a connection into one that is encrypted and authenticated by a key: TLS 1.3 with a pre-shared key and nothing
 * else. The protocol document ("Keys") says what is derived from a key, and which bytes each side sends.
 *
 * What holds the door shut, each measured against an attack:
 *
 * - No certificate is ever shown or accepted, and no certificate authority is trusted. A side that has dialled has also
 *   to see that its pre-shared key was used, because its callback runs before the other side has proved anything.
 * - A listener takes a peer only if its own callback has given the key for this very connection. Session tickets would
 *   outlive a key, so there are none.
 * - The key differs by the role of the side that dials, so a connection that is sent back to its maker fails.
 * - ChaCha20-Poly1305 needs no new key before 2^62 bytes. AES-GCM would need one after some 350 GB.
 */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { interruption, TransferError } from '../errors.js'
import type { Key, KeyRole } from '../keys.js'
import { HEADER_DEADLINE } from '../protocol/limits.js'
import { identityOf } from './hello.js'
import { SecureStream } from './secure-stream.js'
import { TlsCarrier } from './tls-carrier.js'
import { diallerError, listenerError } from './tls-errors.js'

/** A connection that both sides have proved their key on. */
export interface Secured {
  stream: SecureStream
  key: Key
}

export interface HandshakeOptions {
  /** The role of the side that has dialled. */
  dialler: KeyRole
  /** The longest duration of the handshake, in milliseconds. */
  deadline: number
  /** Aborting it ends the handshake. */
  signal: AbortSignal
}

/** Older releases end the process if the callback for a key throws (CVE-2026-21637). */
const fixed: Readonly<Record<number, number>> = { 20: 20, 22: 22, 24: 13 }

/** Throws a usage error on a version of Node.js in which keys are not safe. */
export function checkNode(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 24 || minor >= (fixed[major] ?? Number.POSITIVE_INFINITY)) return
  throw new TransferError('usage', `a key needs Node.js 20.20+, 22.22+, 24.13 or later; this is ${version}`)
}

let sharedContext: SecureContext | null = null

/** The same for all connections: it holds no key. */
function context(): SecureContext {
  sharedContext ??= createSecureContext({
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: 'TLS_CHACHA20_POLY1305_SHA256',
    ca: [],
    ecdhCurve: 'X25519',
    secureOptions: constants.SSL_OP_NO_TICKET,
  })
  return sharedContext
}

/** Proves `key` to the listener that `socket` is connected to, and has it prove the key. Throws a TransferError. */
export async function secureDialled(socket: Socket, key: Key, options: HandshakeOptions): Promise<Secured> {
  const { dialler } = options
  const carrier = dialler === 'receiver' ? new TlsCarrier(socket) : socket
  const tls = connect({
    socket: carrier as Socket,
    secureContext: context(),
    pskCallback: () => ({ psk: key.psk(dialler), identity: identityOf(key, dialler) }),
    // Called only if the other side has used a certificate instead of the key.
    checkServerIdentity: () => new Error('a certificate is no key'),
    // The environment can change the default (NODE_TLS_REJECT_UNAUTHORIZED).
    rejectUnauthorized: true,
  })
  return { stream: await handshake(tls, carrier, options, 'secureConnect', diallerError), key }
}

/** Has a peer prove `key`, which its first message has named (hello.ts). Throws a TransferError. */
export async function secureAccepted(socket: Socket, key: Key, options: HandshakeOptions): Promise<Secured> {
  const { dialler } = options
  const named = identityOf(key, dialler)
  const pskCallback = (_socket: TLSSocket, identity: string) => (identity === named ? key.psk(dialler) : null)
  // Node.js documents this option for servers. Without it every handshake would fail.
  const server = { isServer: true, secureContext: context(), pskCallback }
  const carrier = dialler === 'sender' ? new TlsCarrier(socket) : socket
  const tls = new TLSSocket(carrier as Socket, server)
  return { stream: await handshake(tls, carrier, options, 'secure', listenerError), key }
}

/** Resolves with the stream once the handshake is complete. Destroys the socket before it rejects. */
function handshake(
  tls: TLSSocket,
  socket: Socket | TlsCarrier,
  { deadline, signal }: HandshakeOptions,
  done: 'secure' | 'secureConnect',
  describe: (error: NodeJS.ErrnoException) => TransferError,
): Promise<SecureStream> {
  if (socket instanceof TlsCarrier) socket.onError = (error) => void tls.destroy(error)
  return new Promise((resolve, reject) => {
    const fail = (error: TransferError) => {
      settle()
      // A late error must not end the process.
      tls.on('error', () => {}).destroy()
      socket.destroy()
      reject(error)
    }
    const onError = (error: NodeJS.ErrnoException) => fail(describe(error))
    const onClose = () => onError(Object.assign(new Error('closed'), { code: 'ECONNRESET' }))
    const onAbort = () => fail(interruption(signal))
    const timer = setTimeout(() => fail(tooSlow()), deadline)
    const settle = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      tls.off('error', onError).off('end', onClose).off('close', onClose).off(done, onDone)
    }
    const onDone = () => {
      // Node.js calls a connection with a pre-shared key a reused session, and forgets it when the connection breaks.
      if (!tls.isSessionReused()) return fail(describe(new Error('the key was not used')))
      settle()
      // At once, because the first bytes may follow in this turn.
      resolve(new SecureStream(tls, socket))
    }
    // A peer that has ended its direction cannot prove anything any more.
    tls.once('error', onError).once('end', onClose).once('close', onClose).once(done, onDone)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
  })
}

function tooSlow(): TransferError {
  const text = `the other side has not proved a key within ${HEADER_DEADLINE / 1000} seconds; is it tcp-send, tcp-recv or tcp-chat?`
  return new TransferError('timeout', text)
}
