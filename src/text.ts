/**
 * Escapes text from a peer, a file name or an option before it is shown. A terminal or a log must never see a control
 * character, a line break or a direction override that someone else chose.
 */

/**
 * The characters that must not reach a terminal: C0, DEL and C1 controls, line and paragraph separators, the
 * bidirectional
 * embeddings, overrides and isolates (Unicode Standard Annex 9; "Trojan Source", CVE-2021-42574), and lone surrogates.
 * Joiners and direction *marks* are ordinary parts of emoji and Arabic and stay.
 */
const unsafe = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/u
const everyUnsafe = new RegExp(unsafe, 'gu')

/**
 * `value` as JSON, with a JSON escape for every unsafe character. A JSON parser gets back the original text, and a
 * terminal or a log never sees the character.
 */
export function printableJson(value: unknown): string {
  // The unsafe characters that `stringify` leaves unescaped have four digits at most.
  const asEscape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value).replace(everyUnsafe, asEscape)
}

/** True if `text` has a character that must not reach a terminal. */
export function isUnsafe(text: string): boolean {
  return unsafe.test(text)
}

/** `text` with every unsafe character as `\u{hex}`, cut to `limit` characters with an ellipsis. */
export function printable(text: string, limit = 200): string {
  // The text is cut before it is escaped: 64 KiB of control characters would grow eightfold.
  const characters = Array.from(text.slice(0, 2 * limit))
  const short = characters.length > limit || text.length > 2 * limit
  const shown = short ? `${characters.slice(0, limit - 1).join('')}…` : text
  return shown.replace(everyUnsafe, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

/** `text` as one word of a shell command that a person can copy. Unsafe characters in it become `\u{hex}`. */
export function shellWord(text: string): string {
  const shown = printable(text, Number.POSITIVE_INFINITY)
  return /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replace(/'/g, "'\\''")}'`
}

/**
 * A line for `b3sum --check`. The path is escaped as b3sum and GNU coreutils do it: `\\` and `\n` in the path, and a
 * backslash at the start of the line.
 */
export function checksumLine(digest: string, path: string): string {
  if (!/[\\\n]/.test(path)) return `${digest}  ${path}\n`
  const escaped = path.replace(/[\\\n]/g, (character) => (character === '\n' ? '\\n' : '\\\\'))
  return `\\${digest}  ${escaped}\n`
}

/** The path of something in a directory. `path` begins at the directory, which may end in a slash. */
export function below(directory: string, path: string): string {
  return `${directory.replace(/\/+$/, '')}/${path}`
}
