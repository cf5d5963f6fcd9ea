/** The size and digest that the user expects. They can show that a file is complete even if its stream cannot. */
import { TransferError } from '../errors.js'

/** The size and digest that a file must have. A file that meets an expectation counts as verified. */
export interface Expectation {
  /** The size in bytes. Any other size fails with the code `incomplete`. Default: any size. */
  size?: number | undefined
  /**
   * The BLAKE3 digest, as 64 lower-case hexadecimal digits. Any other digest fails with the code `digest-mismatch`.
   * Default: any digest.
   */
  blake3?: string | undefined
}

/** True if something is expected. A file that meets the expectation counts as verified. */
export function isExpecting({ size, blake3 }: Expectation): boolean {
  return size !== undefined || blake3 !== undefined
}

/** Throws as soon as there are too many bytes, even if more are to come. `label` is as for `checkExpected`. */
export function checkGrowing(label: string, bytes: number, { size }: Expectation): void {
  if (size === undefined || bytes <= size) return
  throw wrongSize(`${label} has more than the ${size} bytes that were expected`)
}

/** Throws if a size that is known beforehand is not the expected one. */
export function checkSize(label: string, bytes: number, { size }: Expectation): void {
  if (size !== undefined && bytes !== size) throw wrongSize(`${label} has ${bytes} bytes, and ${size} were expected`)
}

/** Throws if `actual` is not as expected. `label` names the file in the message for this side, not for the peer. */
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
