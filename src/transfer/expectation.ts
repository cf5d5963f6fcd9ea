/** What somebody knows of a file beforehand: where the stream itself cannot tell a whole one from a part, this can. */
import { TransferError } from '../errors.js'

export interface Expectation {
  /** Bytes. */
  size?: number | undefined
  /** 64 lower-case hexadecimal digits. */
  blake3?: string | undefined
}

/** True if something is expected, so that what meets it counts as verified. */
export function isExpecting({ size, blake3 }: Expectation): boolean {
  return size !== undefined || blake3 !== undefined
}

/** Throws as soon as there are too many bytes, however many are still to come. `label` is as for `checkExpected`. */
export function checkGrowing(label: string, bytes: number, { size }: Expectation): void {
  if (size === undefined || bytes <= size) return
  throw wrongSize(`${label} has more than the ${size} bytes that were expected`)
}

/** Throws if a size that is known beforehand is not the expected one. */
export function checkSize(label: string, bytes: number, { size }: Expectation): void {
  if (size !== undefined && bytes !== size) throw wrongSize(`${label} has ${bytes} bytes, and ${size} were expected`)
}

/** Throws if `actual` is not what was expected. `label` is for this side's message, and is not told to the peer. */
export function checkExpected(label: string, actual: { bytes: number; blake3: string }, expected: Expectation): void {
  const { blake3 } = expected
  checkSize(label, actual.bytes, expected)
  if (blake3 !== undefined && actual.blake3 !== blake3) {
    const text = `${label} has the BLAKE3 ${actual.blake3}, and ${blake3} was expected`
    throw new TransferError('digest-mismatch', text, {
      reason: 'digest',
      peerMessage: 'it did not have the expected digest',
    })
  }
}

function wrongSize(text: string): TransferError {
  return new TransferError('incomplete', text, { reason: 'size', peerMessage: 'it did not have the expected size' })
}
