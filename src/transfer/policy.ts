/** What a receiver lets in. Everything here is decided from the header and the bytes counted, before a store is asked. */
import { refusal } from '../errors.js'
import { typeMatches } from '../media-type.js'
import type { ReceivedHeader } from '../protocol/messages.js'
import type { Expectation } from './expectation.js'
import { checkName, type NameRules } from './names.js'

export interface Policy {
  /** MIME types and patterns such as `image/*`. Empty: all. */
  accept: readonly string[]
  /** The most bytes of one file. */
  maxSize: number
  /** The most files of one transfer. */
  maxFiles: number
  takesFiles: boolean
  /** An output stream has no place for a message. */
  takesMessages: boolean
  /** The rules for names. Null if the destination gives no names. */
  names: NameRules | null
  /** Whether an entry is taken although nothing shows it to be whole. */
  allowUnverified: boolean
  /** What every file must turn out to have. */
  expect: Expectation
}

/** Throws the refusal of an entry with this header. */
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

/** Throws the refusal of a file that has `size` bytes so far. */
export function checkLimit(size: number, { maxSize }: Policy): void {
  if (size > maxSize) throw refusal('too-large', `the file has ${size} bytes or more, and the limit is ${maxSize}`)
}
