/** What a failed system call means: for the person on this side with the path, for the peer without it. */
import { getSystemErrorMap } from 'node:util'
import { TransferError } from '../errors.js'
import { errno } from './disk.js'

/** The system's own words for a failed call, such as "no such file or directory (ENOENT)". */
export function describe(error: unknown): string {
  const { errno: number, code, message } = error as NodeJS.ErrnoException
  const known = number === undefined ? undefined : getSystemErrorMap().get(number)
  return known ? `${known[1]} (${known[0]})` : `${code ?? message ?? error}`
}

const fullCodes = new Set(['ENOSPC', 'EDQUOT'])

/**
 * The error for a local file or folder that cannot be used. `doing` is a verb phrase such as "cannot write"; the path
 * is for this side only.
 */
export function localTrouble(doing: string, path: string, error: unknown): TransferError {
  if (error instanceof TransferError) return error
  const full = fullCodes.has(errno(error) ?? '')
  return new TransferError('local-file', `${doing} ${path}: ${describe(error)}`, {
    reason: full ? 'no-space' : 'disk',
    tell: full ? 'its disk is full' : `it could not store the file: ${describe(error)}`,
    cause: error,
  })
}
