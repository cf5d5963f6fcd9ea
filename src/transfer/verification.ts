/**
 * The checks that an entry is complete: its size, its digest, and the digest of its header. Each side compares its own
 * figures with those of the other side. Only figures that were compared count as verified.
 */
import { TransferError } from '../errors.js'
import type { End, Header, Stored } from '../protocol/messages.js'
import { printable } from '../text.js'
import { type Digests, digestOf } from './digest.js'

/** The facts that the receiver has about an entry when its end frame comes. */
export interface Received extends Digests {
  header: Header
  /** The payload of the header frame, as it came. Null over a plain link. */
  headerPayload: Buffer | null
  bytes: number
}

/** Compares an entry with its end frame. Throws if they differ. Returns false if there was no digest to compare. */
export async function verifyEnd(end: End, received: Received): Promise<boolean> {
  const { header, headerPayload, bytes } = received
  const expected = header.size ?? end.bytes
  if (bytes !== expected || bytes !== end.bytes) {
    const text = `${bytes} bytes came, ${expected} were announced and ${end.bytes} sent by the sender's count`
    throw new TransferError('incomplete', text, { reason: 'size', peerMessage: text })
  }
  const wrong = mismatch(end, received)
  if (wrong) throw digestMismatch(`the digest does not match: ${wrong.ours} came, ${wrong.theirs} was sent`)
  if (end.header !== undefined && headerPayload) {
    const came = await digestOf(headerPayload, end.blake3 === null ? 'sha256' : 'blake3')
    if (came !== end.header) throw digestMismatch('the name or another fact in the header was changed on its way')
  }
  return isCompared(end, received)
}

/**
 * Compares the receiver's answer with the sent entry. Throws if they differ. Returns false if no digest was compared.
 */
export function verifyStored(label: string, answer: Stored, sent: Digests & { bytes: number }): boolean {
  const wrong = mismatch(answer, sent)
  if (answer.bytes !== sent.bytes || wrong) {
    const { ours, theirs } = wrong ?? { ours: sent.blake3, theirs: answer.blake3 ?? 'no digest' }
    const stored = `the receiver stored ${answer.bytes} bytes with the digest ${theirs}`
    const text = `${label}: ${stored}, and ${sent.bytes} bytes with ${ours} were sent`
    throw new TransferError('digest-mismatch', text, { reason: 'digest' })
  }
  return isCompared(answer, sent)
}

/** The error for an entry that nothing shows to be complete. `subject` begins the message with the side to blame. */
export function unverifiable(subject: string): TransferError {
  const text = `${subject} no digest that this side computes (BLAKE3, or SHA-256 announced in the greeting)`
  return new TransferError('digest-mismatch', `${text}; --allow-unverified accepts that`, {
    reason: 'unverifiable',
    peerMessage: text,
  })
}

type Claimed = Pick<End, 'blake3' | 'sha256'>

/** The first digest that both sides have and that differs. */
function mismatch(claimed: Claimed, computed: Digests): { ours: string; theirs: string } | undefined {
  const { blake3, sha256 = null } = claimed
  if (blake3 !== null && blake3 !== computed.blake3) return { ours: computed.blake3, theirs: blake3 }
  if (sha256 !== null && computed.sha256 !== null && sha256 !== computed.sha256) {
    return { ours: computed.sha256, theirs: sha256 }
  }
  return undefined
}

function isCompared({ blake3, sha256 }: Claimed, computed: Digests): boolean {
  return blake3 !== null || (sha256 !== undefined && computed.sha256 !== null)
}

/** The error for a file of a directory. `announced` is the digest that its sender gave. */
export function fileMismatch(path: string, ours: string, announced: string): TransferError {
  return digestMismatch(`the digest of ${printable(path, 160)} does not match: ${ours} came, ${announced} was sent`)
}

function digestMismatch(text: string): TransferError {
  return new TransferError('digest-mismatch', text, { reason: 'digest', peerMessage: text })
}

/** The error if what was kept of an entry is damaged: its sender must send again what differs. */
export function damagedError(name: string): TransferError {
  const text = `what was kept of "${printable(name, 80)}" is damaged`
  return new TransferError('incomplete', `${text}; its sender sends again what differs`, {
    reason: 'damaged',
    peerMessage: text,
  })
}
