/** Errors of local files and folders. The message for this side names the path, the message for the peer does not. */
import { TransferError } from '../errors.js'
import { codeOf, describe } from '../system-errors.js'
import { printable } from '../text.js'

/** Each action that can fail on this side, with the words for the peer. */
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

export type LocalAction = keyof typeof peerWords

/** The errors that mean a lack of space, with the words for the peer. */
const noSpace: Readonly<Record<string, string>> = { ENOSPC: 'its disk is full', EDQUOT: 'its disk quota is used up' }

/** The error for a local file or folder that cannot be used. A TransferError is returned as it is. */
export function localError(action: LocalAction, path: string, error: unknown): TransferError {
  if (error instanceof TransferError) return error
  const spaceProblem = noSpace[codeOf(error) ?? '']
  return new TransferError('local-file', `${action} ${shown(path)}: ${describe(error)}`, {
    reason: spaceProblem === undefined ? 'disk' : 'no-space',
    peerMessage: spaceProblem ?? `${peerWords[action]}: ${describe(error)}`,
    cause: error,
  })
}

/** A path as messages show it: escaped, cut to 400 characters, and `""` if it is empty. */
export function shown(path: string): string {
  return path === '' ? '""' : printable(path, 400)
}
