/** What somebody knows of a file beforehand: where the stream itself cannot tell a whole one from a part, this can. */
import { TransferError } from './errors.js'

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

/** Throws if `actual` is not what was expected. `label` is for this side's message, and is not told to the peer. */
export function checkExpected(label: string, actual: { bytes: number; blake3: string }, expected: Expectation): void {
  const { size, blake3 } = expected
  if (size !== undefined && actual.bytes !== size) {
    const text = `${label} has ${actual.bytes} bytes, and ${size} were expected`
    throw new TransferError('incomplete', text, { reason: 'size', tell: 'it did not have the expected size' })
  }
  if (blake3 !== undefined && actual.blake3 !== blake3) {
    const text = `${label} has the BLAKE3 ${actual.blake3}, and ${blake3} was expected`
    throw new TransferError('digest-mismatch', text, { reason: 'digest', tell: 'it did not have the expected digest' })
  }
}
