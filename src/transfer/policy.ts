/** What a receiver accepts. The header and the number of bytes decide, before a store is asked. */
import { refusal, type TransferError } from '../errors.js'
import { mediaType, typeMatches } from '../media-type.js'
import type { ReceivedHeader } from '../protocol/messages.js'
import { isLongPath, MAX_PATH, targetProblem } from '../protocol/names.js'
import { staysInside } from '../protocol/symlinks.js'
import { printable } from '../text.js'
import type { Expectation } from './expectation.js'
import { checkItemName, checkName, type NameRules } from './names.js'

export interface Policy {
  /** The accepted MIME types and patterns such as `image/*`. Empty means all. */
  accept: readonly string[]
  /** The maximum size of one file, in bytes. */
  maxSize: number
  /** The maximum number of entries in one transfer, and of everything in its directories. */
  maxFiles: number
  /** The maximum number of directories around a file, in a directory. */
  maxDepth: number
  takesFiles: boolean
  /** False for an output stream, which has no place for a message. */
  takesMessages: boolean
  /** False if the destination gives no names to files. It does give names to what is in a directory. */
  hasNames: boolean
  names: NameRules
  /** True if an entry is accepted although nothing shows that it is complete. */
  allowUnverified: boolean
  /** The size and digest that every file must have. */
  expect: Expectation
}

/** Throws a refusal if the policy does not accept an entry with this header. */
export function checkHeader({ kind, name, size, type, unsupported }: ReceivedHeader, policy: Policy): void {
  if (unsupported !== undefined) throw refusal('field', unsupported)
  const { takesFiles, takesMessages, hasNames, names } = policy
  if (kind === 'message') {
    if (!takesMessages) throw refusal('policy', 'it takes no messages')
    return
  }
  if (!takesFiles) throw refusal('policy', 'it takes only messages')
  if (kind === 'file') {
    if (policy.accept.length > 0) checkType(type, policy)
    checkLimit(size ?? 0, policy)
  }
  if (hasNames || kind === 'directory') checkName(name, names)
}

function checkType(type: string, { accept }: Policy): void {
  if (typeMatches(type, accept)) return
  throw refusal('type', `it takes only ${accept.join(', ')}, and this is ${type}`)
}

/** Throws a refusal if the policy does not accept an item of a directory. `path` begins at the directory. */
export function checkItem(name: string, path: string, policy: Policy): void {
  checkItemName(name, path, policy.names)
  if (isLongPath(path)) throw refusal('name', `a path in it has more than ${MAX_PATH} bytes`)
}

/** Throws a refusal if there are too many directories inside each other. */
export function checkDepth(depth: number, { maxDepth }: Policy): void {
  if (depth > maxDepth) throw refusal('files', `it takes at most ${maxDepth} directories inside each other`)
}

/** Throws a refusal if a symlink of a directory is not accepted. `depth` is that of `staysInside`. */
export function checkSymlink(path: string, target: string, depth: number): void {
  const refuse = (why: string) => refusal('name', `the symlink "${printable(path, 160)}" is refused: ${why}`)
  if (!staysInside(target, depth)) throw refuse('it leads out of the directory')
  const problem = targetProblem(target)
  if (problem !== null) throw refuse(problem)
}

/** Throws a refusal if the policy does not accept a file of a directory. */
export function checkItemFile(path: string, size: number, policy: Policy): void {
  try {
    if (policy.accept.length > 0) checkType(mediaType(path), policy)
    checkLimit(size, policy)
  } catch (error) {
    const { reason, message } = error as TransferError
    throw refusal(reason, `${printable(path, 160)}: ${message}`)
  }
}

/** Throws a refusal if a file that has `size` bytes so far is too large. */
export function checkLimit(size: number, { maxSize }: Policy): void {
  if (size > maxSize) throw refusal('too-large', `the file has ${size} bytes or more, and the limit is ${maxSize}`)
}
