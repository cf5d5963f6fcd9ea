/** What a receiver accepts. The header and the number of bytes decide, before a store is asked. */
import { refusal } from '../errors.js'
import { typeMatches } from '../media-type.js'
import type { ReceivedHeader } from '../protocol/messages.js'
import type { Expectation } from './expectation.js'
import { checkName, type NameRules } from './names.js'

export interface Policy {
  /** The accepted MIME types and patterns such as `image/*`. Empty means all. */
  accept: readonly string[]
  /** The maximum size of one file, in bytes. */
  maxSize: number
  /** The maximum number of files in one transfer. */
  maxFiles: number
  takesFiles: boolean
  /** False for an output stream, which has no place for a message. */
  takesMessages: boolean
  /** The rules for names. Null if the destination gives no names. */
  names: NameRules | null
  /** True if an entry is accepted although nothing shows that it is complete. */
  allowUnverified: boolean
  /** The size and digest that every file must have. */
  expect: Expectation
}

/** Throws a refusal if the policy does not accept an entry with this header. */
export function checkHeader({ kind, name, size, type, unsupported }: ReceivedHeader, policy: Policy): void {
  if (unsupported !== undefined) throw refusal('field', unsupported)
  const { accept, takesFiles, takesMessages, names } = policy
  if (kind === 'message') {
    if (!takesMessages) throw refusal('policy', 'it takes no messages')
    return
  }
  if (!takesFiles) throw refusal('policy', 'it takes only messages')
  if (accept.length > 0 && !typeMatches(type, accept)) {
    throw refusal('type', `it takes only ${accept.join(', ')}, and this is ${type}`)
  }
  checkLimit(size ?? 0, policy)
  if (names) checkName(name, names)
}

/** Throws a refusal if a file that has `size` bytes so far is too large. */
export function checkLimit(size: number, { maxSize }: Policy): void {
  if (size > maxSize) throw refusal('too-large', `the file has ${size} bytes or more, and the limit is ${maxSize}`)
}
