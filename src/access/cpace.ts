/**
 * CPace (draft-irtf-cfrg-cpace), the cipher suite CPACE-RISTR255-SHA512, with an initiator and a responder: two sides that
 * know the same short secret agree on a long one. Whoever does not know the short one learns nothing of either, and can
 * test a single guess in each exchange. The names are those of the draft.
 *
 * This file has a bundle of its own, because the curve takes long to load (esbuild.config.js). So it imports nothing of
 * this program.
 */
import { createHash, randomBytes } from 'node:crypto'
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js'

type Point = InstanceType<typeof ristretto255.Point>

/** What both sides know before the exchange. */
export interface Inputs {
  /** The short secret: the password-related string. */
  PRS: Uint8Array
  /** The channel identifier. */
  CI: Uint8Array
  /** The session identifier, which is different in each exchange. */
  sid: Uint8Array
}

/** What one side sends: its share, and data that only have to be the same for both. */
export interface Message {
  Y: Uint8Array
  AD: Uint8Array
}

/** One side's own part of an exchange. */
export interface Share {
  /** Secret, and for one exchange only. */
  scalar: bigint
  /** Public: 32 bytes. */
  Y: Buffer
}

/** The element derivation of RFC 9496, which not every group of the package has. */
const deriveElement = ristretto255_hasher.deriveToCurve as (bytes: Uint8Array) => Point

const DSI = Buffer.from('CPaceRistretto255')

/** The bytes that SHA-512 takes in one block. */
const BLOCK = 128

/** Makes this side's share. `random` is for test vectors. */
export function makeShare(inputs: Inputs, random: Uint8Array = randomBytes(32)): Share {
  const scalar = scalarOf(random)
  return { scalar, Y: Buffer.from(generator(inputs).multiply(scalar).toBytes()) }
}

/**
 * The long secret (ISK) of 64 bytes, from this side's scalar, the share `Y` of the other side, and the messages of the
 * initiator, A, and of the responder, B. Null if `Y` is no point of the group, or its neutral element.
 */
export function sharedSecret(
  sid: Uint8Array,
  scalar: bigint,
  Y: Uint8Array,
  { A, B }: { A: Message; B: Message },
): Buffer | null {
  const K = multiplyVerified(scalar, Y)
  if (K === null) return null
  const secret = lvCat(Buffer.concat([DSI, Buffer.from('_ISK')]), sid, K)
  return sha512(Buffer.concat([secret, lvCat(A.Y, A.AD), lvCat(B.Y, B.AD)]))
}

/** `scalar` times the point that `Y` encodes. Null if there is no such point, or the result is the neutral element. */
export function multiplyVerified(scalar: bigint, Y: Uint8Array): Buffer | null {
  const point = decode(Y)
  return point === null || point.is0() ? null : Buffer.from(point.multiply(scalar).toBytes())
}

function decode(Y: Uint8Array): Point | null {
  try {
    return ristretto255.Point.fromBytes(Y)
  } catch {
    return null
  }
}

/** A scalar of 252 bits, little-endian. */
export function scalarOf(random: Uint8Array): bigint {
  const bytes = Buffer.from(random)
  bytes.writeUInt8(bytes.readUInt8(31) & 0x0f, 31)
  return BigInt(`0x${bytes.reverse().toString('hex')}`)
}

function generator({ PRS, CI, sid }: Inputs): Point {
  return deriveElement(sha512(generatorString({ PRS, CI, sid })))
}

/** The padding makes the first block of the hash the same for all exchanges with one short secret. */
export function generatorString({ PRS, CI, sid }: Inputs): Buffer {
  const padding = Buffer.alloc(Math.max(0, BLOCK - 1 - lvCat(PRS).length - lvCat(DSI).length))
  return lvCat(DSI, PRS, padding, CI, sid)
}

/** Each part with its length before it. No part here has 128 bytes, so the length is always one byte of LEB128. */
function lvCat(...parts: Uint8Array[]): Buffer {
  return Buffer.concat(parts.flatMap((part) => [Buffer.of(part.length), part]))
}

function sha512(bytes: Buffer): Buffer {
  return createHash('sha512').update(bytes).digest()
}
