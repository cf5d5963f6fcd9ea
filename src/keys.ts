/**
 * Keys: how they are written, which ones are refused, and what is derived from them. A key is a secret that two sides
 * share. What is derived is for one purpose and one version each, so nothing that is seen of one helps with another.
 *
 * A recording of the first bytes of a connection lets everybody try keys as fast as a computer can. Only a key that a
 * computer has made resists that, so words and phrases are refused. No message here ever repeats a key.
 */
import { hkdfSync, randomBytes } from 'node:crypto'
import { TransferError } from './errors.js'

/** A key as the library takes it. */
export interface NamedKey {
  /** Who has this key. The events of a transfer show it. */
  name: string
  /** The key as it is written in a key file. */
  key: string
}

/** A key, or several keys with names. A side that connects uses the first one, a side that listens takes any of them. */
export type KeyOption = string | readonly NamedKey[]

/** Both sides of a talk have the role `chat`. */
export type KeyRole = 'sender' | 'receiver' | 'chat'

/** The role of the side that a side of this role talks to. */
export const partnerOf = { sender: 'receiver', receiver: 'sender', chat: 'chat' } as const

/** What both sides derive from one key. */
export interface Key {
  /** Null for a key without a name. */
  readonly name: string | null
  /** Names the key on the wire. */
  readonly id: string
  /** For people to compare: `1a2b 3c4d 5e6f 7a8b`. */
  readonly fingerprint: string
  /** The pre-shared key of TLS for a connection that this role has dialled. */
  psk(dialler: KeyRole): Buffer
}

/** The version is part of everything that is derived. */
export const KEY_CONTEXT = 'tcp-transfer/1'

const MAKE_ONE = 'tcp-recv --generate-key makes a key'

/** The rule that a key must meet, for messages. */
const RULE = 'a key is at least 32 hexadecimal digits or 22 characters of base64, all chosen at random'

/** A longer text is no key, but another file. */
const MAX_LENGTH = 512

/** Why `text` is no key; null if it is one. Never repeats it. */
function keyProblem(text: string): string | null {
  if (text === '') return 'the key is empty'
  const isHex = /^[0-9a-f]+$/i.test(text)
  const isBase64 = /^(?:[\w-]+|[a-z0-9+/]+)={0,2}$/i.test(text)
  if (!isHex && !isBase64) return 'this is no key: it has other characters than hexadecimal digits or base64'
  if (text.length > MAX_LENGTH) return `the key has more than ${MAX_LENGTH} characters`
  if (text.replace(/=+$/, '').length < (isHex ? 32 : 22)) return 'the key is too short'
  const isMixed = [/[a-z]/, /[A-Z]/, /[0-9]/].every((kind) => kind.test(text))
  if (!isHex && !isMixed) return 'the key is not random: base64 has digits, upper and lower case'
  if (counts(text)) return 'the key is not random: it counts up or down'
  if (repeats(text, isHex ? 8 : 12)) return 'the key is not random: it repeats itself'
  return null
}

/** True if most characters follow the one before them, as in `012345`. Of random keys, one in a million does. */
function counts(text: string): boolean {
  const steps = Array.from(text.slice(1), (character, index) => character.charCodeAt(0) - text.charCodeAt(index))
  return steps.filter((step) => Math.abs(step) <= 1).length > 0.6 * steps.length
}

/** True if `text` has fewer different characters, or pairs of them, than any random text of its length. */
function repeats(text: string, characters: number): boolean {
  const pairs = new Set(Array.from(text.slice(1), (character, index) => `${text[index]}${character}`))
  return new Set(text).size < characters || pairs.size < 18
}

function derive(key: string | Buffer, purpose: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', `${KEY_CONTEXT} ${purpose}`, length))
}

/** The key that two sides have agreed on: nobody else can have it. */
export function agreedKey(secret: Buffer): Key {
  return createKey(null, secret)
}

function createKey(name: string | null, text: string | Buffer): Key {
  const groups = derive(text, 'fingerprint', 8).toString('hex').match(/.{4}/g) as string[]
  const psks = new Map<KeyRole, Buffer>()
  // The key itself is only in this closure, where no inspection of an object shows it.
  return {
    name,
    id: derive(text, 'id', 16).toString('hex'),
    fingerprint: groups.join(' '),
    psk(dialler) {
      const psk = psks.get(dialler) ?? derive(text, `psk ${dialler}`, 32)
      psks.set(dialler, psk)
      return psk
    },
  }
}

/** The bytes at the start that some editors of Windows write. */
const BYTE_ORDER_MARK = /^\ufeff/

function keyError(where: string, problem: string): TransferError {
  return new TransferError('usage', `${where}: ${problem}; ${RULE} (${MAKE_ONE})`)
}

/** Returns the key in `text` without white space around it. `where` begins the message if it is none. */
export function parseKey(where: string, text: string): string {
  const key = text.replace(BYTE_ORDER_MARK, '').trim()
  const problem = keyProblem(key)
  if (problem !== null) throw keyError(where, problem)
  return key
}

/** True if `text` is written like a key, so that no message may repeat it. */
export function isKey(text: string): boolean {
  return keyProblem(text.trim()) === null
}

/** The name of a key is also the name of a folder (`--per-key-folder`), on every system. */
const NAME = /^(?!.*\.$)[a-z0-9][a-z0-9._-]{0,63}$/i
const NAME_RULE =
  'a name has at most 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit'

/** Parses a key file: a line for each key, `KEY` or `NAME KEY`. Empty lines and those that begin with `#` are ignored. */
export function parseKeyFile(where: string, text: string): KeyOption {
  const lines = text
    .replace(BYTE_ORDER_MARK, '')
    .split(/\r\n|\n|\r/)
    .map((line, index) => ({ at: `${where}, line ${index + 1}`, words: line.trim().split(/\s+/) }))
    .filter(({ words: [first = ''] }) => first !== '' && !/^#/.test(first))
  const [only] = lines
  if (!only) throw keyError(where, 'it has no key')
  if (lines.length === 1 && only.words.length === 1) return parseKey(only.at, String(only.words[0]))
  const keys = lines.map(({ at, words: [first = '', second, ...more] }) => {
    if (more.length > 0) throw keyError(at, 'a line is KEY or NAME KEY')
    if (second === undefined) throw usage(at, 'of several keys each has a name: NAME KEY')
    return { at, name: first, key: second }
  })
  check(keys)
  return keys.map(({ name, key }) => ({ name, key }))
}

/** Derives what is needed of the keys that the library is given. Throws a usage error if one is none. */
export function keysOf(option: KeyOption): Key[] {
  if (typeof option === 'string') return [createKey(null, parseKey('key', option))]
  if (option.length === 0) throw keyError('key', 'the list is empty')
  const keys = option.map(({ name, key }, index) => ({ at: `key[${index}]`, name, key: key.trim() }))
  check(keys)
  return keys.map(({ name, key }) => createKey(name, key))
}

function usage(where: string, problem: string): TransferError {
  return new TransferError('usage', `${where}: ${problem}`)
}

/** Throws a usage error unless all keys and names are valid and different. */
function check(keys: readonly { at: string; name: string; key: string }[]): void {
  const seen = new Set<string>()
  for (const { at, name, key } of keys) {
    const problem = keyProblem(key)
    if (problem !== null) throw keyError(at, problem)
    if (!NAME.test(name)) throw usage(at, NAME_RULE)
    // The events show names.
    if (isKey(name)) throw usage(at, 'the name looks like a key')
    // Some file systems do not tell upper case from lower case.
    if (seen.has(name.toLowerCase())) throw usage(at, 'the name is there twice')
    if (seen.has(`key ${key}`)) throw usage(at, 'the key is there twice')
    seen.add(name.toLowerCase()).add(`key ${key}`)
  }
}

/** A new key: 256 random bits. One in a thousand has no digit or the like, and would be refused. */
export function generateKey(): string {
  let key: string
  do key = randomBytes(32).toString('base64url')
  while (!isKey(key))
  return key
}

/** By what a side knows who has proved which key. Empty without one. */
export function ownerOf(key: Key | undefined): string {
  return key?.name ?? key?.fingerprint ?? ''
}
