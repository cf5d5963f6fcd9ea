/** The bytes of the exchange that comes before TLS if this side has a code (document, "Codes"). */
import type { KeyRole } from '../keys.js'

/** The first eight bytes of a side that has dialled with a code. */
export const CODE_MAGIC = 'tcp-code'

/** The version of the exchange. */
export const CODE_VERSION = 1

/** The bytes of a session identifier, and those of a share. */
export const SID = 16
const SHARE = 32

/** Magic, version, role, session identifier and share. */
const OPENING = CODE_MAGIC.length + 2 + SID + SHARE

/** The first byte of the answer. Only behind `share` does a share follow. */
const statuses = { share: 0, used: 1, burnt: 2, role: 3, version: 4, invalid: 5 } as const

export type CodeStatus = keyof typeof statuses

/** Every answer but a share. A stranger is a listener without a code. */
export type Refused = Exclude<CodeStatus, 'share'> | 'busy' | 'stranger'

/** The first byte of a TLS alert, its length, and what the last byte of it says: too many connections (RFC 8446, 6). */
const [ALERT, ALERT_LENGTH, ACCESS_DENIED] = [0x15, 7, 49]

const roles: Record<KeyRole, number> = { sender: 0x73, receiver: 0x72, chat: 0x63 }

/** What both sides bind to their shares: the program, the version, and the role of the side that has made the share. */
export function associatedData(role: KeyRole): Buffer {
  return Buffer.concat([Buffer.from(CODE_MAGIC), Buffer.of(CODE_VERSION, roles[role])])
}

/** What a side that has dialled says first. */
export interface Opening {
  role: KeyRole
  sid: Buffer
  share: Buffer
}

export function encodeOpening({ role, sid, share }: Opening): Buffer {
  return Buffer.concat([associatedData(role), sid, share])
}

/** True if `bytes` are the start of an opening, as far as they go. */
export function isOpening(bytes: Buffer): boolean {
  return CODE_MAGIC.startsWith(bytes.toString('latin1', 0, CODE_MAGIC.length))
}

/**
 * Reads an opening. Returns the status that refuses it if it is wrong, and undefined if there are too few bytes to tell.
 * Nothing may follow it, because the other side does not know yet what to say.
 */
export function parseOpening(bytes: Buffer): Opening | 'version' | 'invalid' | undefined {
  const [version, letter] = bytes.subarray(CODE_MAGIC.length)
  if (version === undefined) return undefined
  // An opening of another version may have another length.
  if (version !== CODE_VERSION) return 'version'
  if (letter === undefined) return undefined
  const [role] = Object.entries(roles).find(([, value]) => value === letter) ?? []
  if (role === undefined || bytes.length > OPENING) return 'invalid'
  if (bytes.length < OPENING) return undefined
  const start = OPENING - SHARE
  return { role: role as KeyRole, sid: bytes.subarray(start - SID, start), share: bytes.subarray(start) }
}

export function encodeAnswer(status: CodeStatus, share: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.of(statuses[status]), share])
}

/**
 * Reads the answer to an opening: the share of the listener, or the status that refuses. Returns undefined if there are
 * too few bytes to tell.
 */
export function parseAnswer(bytes: Buffer): Buffer | Refused | undefined {
  const [first] = bytes
  if (first === undefined) return undefined
  // A listener with too many connections says so before a byte has come.
  if (first === ALERT) {
    if (bytes.length < ALERT_LENGTH) return undefined
    return bytes.at(-1) === ACCESS_DENIED ? 'busy' : 'stranger'
  }
  const [status] = Object.entries(statuses).find(([, value]) => value === first) ?? ['stranger']
  if (status !== 'share') return status as Refused
  if (bytes.length > 1 + SHARE) return 'stranger'
  return bytes.length < 1 + SHARE ? undefined : bytes.subarray(1)
}
