/** What a failed system call means: for the person on this side with the path, for the peer without it. */
import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'
import { TransferError } from '../errors.js'
import { printable } from '../text.js'

/** The system's own words for a failed call, such as "no such file or directory (ENOENT)". */
export function describe(error: unknown): string {
  const { errno: number, code, message } = error as NodeJS.ErrnoException
  const known = number === undefined ? undefined : getSystemErrorMap().get(number)
  return known ? `${known[1]} (${known[0]})` : `${code ?? message ?? error}`
}

/** EDQUOT, a full quota, has a number in Node and no name. */
const fullNumbers = new Set([-constants.errno.ENOSPC, -constants.errno.EDQUOT])

/**
 * The error for a local file or folder that cannot be used. `doing` is a verb phrase such as "cannot write"; the path
 * is for this side only.
 */
export function localTrouble(doing: string, path: string, error: unknown): TransferError {
  if (error instanceof TransferError) return error
  const full = fullNumbers.has((error as NodeJS.ErrnoException).errno ?? 0)
  return new TransferError('local-file', `${doing} ${printable(path, 400)}: ${describe(error)}`, {
    reason: full ? 'no-space' : 'disk',
    tell: full ? 'its disk is full' : `${doing.replace('cannot', 'it could not')} the file: ${describe(error)}`,
    cause: error,
  })
}
