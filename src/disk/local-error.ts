/** A local file or folder that cannot be used: for the person on this side with the path, for the peer without it. */
import { TransferError } from '../errors.js'
import { codeOf, describe } from '../system-errors.js'
import { printable } from '../text.js'

/** What this side could not do, and how the peer is told of it. */
const peerWords = {
  'cannot read': 'it could not read the file',
  'cannot make the folder': 'it could not make its folder',
  'cannot fsync the parent of': 'it could not make its folder durable',
  'cannot store in': 'it cannot use its folder',
  'cannot use the staging folder': 'it cannot use its staging folder',
  'cannot write': 'it could not write the file',
  'cannot store': 'it could not store the file',
  'cannot write the port to': 'it could not tell its port',
} as const

export type Doing = keyof typeof peerWords

/** What has no room left, by the error that says so. */
const full: Readonly<Record<string, string>> = { ENOSPC: 'its disk is full', EDQUOT: 'its disk quota is used up' }

/** The error for a local file or folder that cannot be used; the path is for this side only. */
export function localError(doing: Doing, path: string, error: unknown): TransferError {
  if (error instanceof TransferError) return error
  const fullness = full[codeOf(error) ?? '']
  return new TransferError('local-file', `${doing} ${shown(path)}: ${describe(error)}`, {
    reason: fullness === undefined ? 'disk' : 'no-space',
    peerMessage: fullness ?? `${peerWords[doing]}: ${describe(error)}`,
    cause: error,
  })
}

/** A path as messages show it: also where it is too long for a line, or empty. */
export function shown(path: string): string {
  return path === '' ? '""' : printable(path, 400)
}
