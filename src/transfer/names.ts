/**
 * The names that a receiver accepts. Nothing here asks the disk, so every rule can be tested as a table. A name is
 * accepted as it is if it is legal, stays inside the folder and cannot deceive a person who sees it on a terminal.
 * Every other name is refused with the reason. No name is decoded, normalized or repaired.
 */
import { refusal } from '../errors.js'
import { MAX_NAME } from '../stores/backup-name.js'
import { STAGING } from '../stores/staging.js'
import { isUnsafe, printable } from '../text.js'

/** Device names that Windows finds in every folder, with or without an extension (Naming Files, Microsoft). */
const windowsDevice = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)/i
const windowsForbidden = /[<>:"|?*\\/]|[. ]$/

export interface NameRules {
  /** True if names that begin with a dot are accepted, such as `.bashrc`. They can change what a program does. */
  allowHidden: boolean
  /** The platform whose rules for names apply: `process.platform`, except in tests. */
  platform: NodeJS.Platform
}

/** The reason why no file can be stored under `name`, as one phrase. Null if there is none. */
export function nameProblem(name: string, { allowHidden, platform }: NameRules): string | null {
  const problem = partProblem(name, platform, name)
  if (problem !== null) return problem
  if (name.toLowerCase() === STAGING) return 'it is the name of the staging folder'
  if (!allowHidden && /^\.+[^.]/.test(name))
    return 'it begins with a dot (the receiver allows that with --allow-hidden)'
  return null
}

/** The reason why a directory cannot hold an item of this name. */
export function itemProblem(name: string, { platform }: NameRules): string | null {
  return partProblem(name, platform, withoutBreaks(name))
}

/** True if `target` cannot be the target of a symlink in a directory. */
export function isUnsafeTarget(target: string): boolean {
  return isUnsafe(withoutBreaks(target))
}

/** A line break or tab deceives nobody inside a directory. */
function withoutBreaks(text: string): string {
  return text.replace(/[\n\t]/g, '')
}

/** Names that are right on every system but Windows. Most names are, and need no other check. */
const plainName = /^\w[\w.+-]{0,99}$/

/** The problems that are the same everywhere. `shown` is the part of the name that must be safe to show. */
function partProblem(name: string, platform: NodeJS.Platform, shown: string): string | null {
  if (plainName.test(name) && platform !== 'win32') return null
  if (name === '') return 'it is empty'
  if (Buffer.byteLength(name) > MAX_NAME) return `it has ${Buffer.byteLength(name)} bytes, and ${MAX_NAME} is the limit`
  if (!name.isWellFormed()) return 'it is not well-formed Unicode'
  if (isUnsafe(shown)) return 'it holds a control character or a direction override'
  // On Linux, a backslash is no separator, and `a\x2db` is an ordinary name. Elsewhere it can be one (on a share, in an
  // unpacked archive), so a name that would then leave the folder is refused.
  const parts = name.split(/[/\\]/)
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return 'it would leave the folder'
  if (name.includes('/')) return 'it is a path, not a name'
  if (platform === 'win32' && (windowsForbidden.test(name) || windowsDevice.test(name))) {
    return 'Windows does not allow it'
  }
  return null
}

/** Throws a refusal if no file can be stored under `name`. */
export function checkName(name: string, rules: NameRules): void {
  const problem = nameProblem(name, rules)
  if (problem !== null) throw refusal('name', `the name "${printable(name, 80)}" is refused: ${problem}`)
}

/** The same for an item in a directory. `path` is its path, from the directory on, for the message. */
export function checkItemName(name: string, path: string, rules: NameRules): void {
  const problem = itemProblem(name, rules)
  if (problem !== null) throw refusal('name', `the name "${printable(path, 160)}" is refused: ${problem}`)
}
