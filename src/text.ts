/**
 * Text that came from a peer, a file name or an option is shown only through here: a terminal or a log must never
 * see a control character, a line break or a direction override that somebody else chose.
 */

/**
 * What must not reach a terminal: C0, DEL and C1 controls, line and paragraph separators, the bidirectional
 * embeddings, overrides and isolates (Unicode Standard Annex 9; "Trojan Source", CVE-2021-42574), and lone surrogates.
 * Joiners and direction *marks* are ordinary parts of emoji and Arabic and stay.
 */
const unsafe = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/u
const everyUnsafe = new RegExp(unsafe, 'gu')

/**
 * `value` as JSON, in which every unsafe character is an escape of JSON's own: a reader gets back the original text, and
 * a terminal or a log never sees it.
 */
export function printableJson(value: unknown): string {
  // What JSON itself leaves unescaped has four digits at most; C0 and lone surrogates are escaped already.
  const asEscape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value).replace(everyUnsafe, asEscape)
}

/** True if `text` holds a character that could make a terminal or a log lie. */
export function isUnsafe(text: string): boolean {
  return unsafe.test(text)
}

/** `text` with every unsafe character as `\u{hex}`, cut to `limit` characters (default 200) with an ellipsis. */
export function printable(text: string, limit = 200): string {
  // Cut first: a peer's 64 KiB of control characters would otherwise grow eightfold before being cut.
  const characters = Array.from(text.slice(0, 2 * limit))
  const short = characters.length > limit || text.length > 2 * limit
  const shown = short ? `${characters.slice(0, limit - 1).join('')}…` : text
  return shown.replace(everyUnsafe, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

/** `text` as one word of a command that a person can copy into a shell. What is unsafe in it is only shown. */
export function shellWord(text: string): string {
  const shown = printable(text, Number.POSITIVE_INFINITY)
  return /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replace(/'/g, "'\\''")}'`
}
