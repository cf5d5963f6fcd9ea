/**
 * What the first message of a TLS client, its ClientHello, says about its key. A listener looks before TLS does: the
 * message names the key and holds a proof of it, the binder, and to check that takes a tenth of the time and none of the
 * memory of a TLS connection. So a thousand peers with wrong keys hardly keep the others waiting. TLS checks it all
 * again, and more: this only decides who may try.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { TransferError } from '../errors.js'
import { KEY_CONTEXT, type Key, type KeyRole, partnerOf } from '../keys.js'
import { keyError, listenerError } from './tls-errors.js'

/** The number of the extension with pre-shared keys (RFC 8446, 4.2). */
const PRE_SHARED_KEY = 41

/** The length of a SHA-256 digest, in bytes. */
const DIGEST = 32

/** What a ClientHello offers. */
interface Offer {
  identity: string
  binder: Buffer
  /** The bytes that the binder is made of: everything up to the binders. */
  bound: Buffer
}

/** The name of `key` on the wire, for a connection that `dialler` has dialled. */
export function identityOf(key: Key, dialler: KeyRole): string {
  return `${KEY_CONTEXT} ${dialler} ${key.id}`
}

/** The key that the sender of a ClientHello has named and proved, or the error to report. */
export function provedKey(hello: Buffer, keys: readonly Key[], dialler: KeyRole): Key | TransferError {
  const offer = readOffer(hello)
  if (!offer) return listenerError(new Error('it offers no key'))
  const [use, role = '', id] = offer.identity.split(' ')
  const found = keys.find((key) => key.id === id)
  if (use !== KEY_CONTEXT || !isRole(role))
    return keyError('the other side uses keys in a way that this version does not know')
  if (!found) return keyError('the other side has another key; compare both with --fingerprint')
  if (role !== dialler) return roleError(role, partnerOf[dialler])
  const isProved = timingSafeEqual(binderOf(found.psk(dialler), offer.bound), offer.binder)
  return isProved ? found : listenerError(new Error('it has not proved its key'))
}

function isRole(text: string): text is KeyRole {
  return Object.hasOwn(partnerOf, text)
}

/** The error of a side of the role `here` for a peer that cannot be its partner. */
export function roleError(there: KeyRole, here: KeyRole): TransferError {
  return keyError(`the other side is a ${there}, ${there === here ? 'as this side is' : `and this side is a ${here}`}`)
}

/** Returns null if `hello`, the message without the header of its record, does not offer exactly one key. */
function readOffer(hello: Buffer): Offer | null {
  try {
    // A header of 4 bytes, the version, 32 random bytes; then the session, the ciphers and the compressions.
    let at = 4 + 2 + 32
    at += 1 + hello.readUInt8(at)
    at += 2 + hello.readUInt16BE(at)
    at += 1 + hello.readUInt8(at)
    for (at += 2; ; at += 4 + hello.readUInt16BE(at + 2)) {
      if (hello.readUInt16BE(at) === PRE_SHARED_KEY) return readKeys(hello, at + 4)
    }
  } catch {
    // The message ends too early.
    return null
  }
}

/** Reads the extension with the keys, which is always the last one (RFC 8446, 4.2.11). */
function readKeys(hello: Buffer, start: number): Offer | null {
  const all = start + 2 + hello.readUInt16BE(start)
  const first = start + 4
  const length = hello.readUInt16BE(start + 2)
  const binder = all + 3
  // One key, and one binder with its length: a digest.
  const isOne = all === first + length + 4 && hello.readUIntBE(all, 3) === ((DIGEST + 1) << 8) + DIGEST
  if (!isOne || hello.length !== binder + DIGEST) return null
  const identity = hello.toString('latin1', first, first + length)
  return { identity, binder: hello.subarray(binder), bound: hello.subarray(0, all) }
}

/** The binder for an external pre-shared key (RFC 8446, 4.2.11.2 and 7.1). */
function binderOf(psk: Buffer, bound: Buffer): Buffer {
  const early = hmac(Buffer.alloc(DIGEST), psk)
  const binderKey = expand(early, 'ext binder', sha256(Buffer.alloc(0)))
  return hmac(expand(binderKey, 'finished', Buffer.alloc(0)), sha256(bound))
}

/** HKDF-Expand-Label for one digest. */
function expand(secret: Buffer, label: string, context: Buffer): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const parts = [Buffer.of(0, DIGEST, name.length), name, Buffer.of(context.length), context, Buffer.of(1)]
  return hmac(secret, Buffer.concat(parts))
}

function hmac(key: Buffer, bytes: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes).digest()
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}
