/**
 * Which names a receiver takes. Nothing here asks a disk, so every rule can be tested as a table. A name is taken as it is
 * if it is legal, stays inside the folder and cannot deceive a person who sees it on a terminal. Nothing is decoded,
 * normalised or repaired. Every other name is refused with the reason.
 */
import { refusal } from '../errors.js'
import { MAX_NAME } from '../stores/backup-name.js'
import { STAGING } from '../stores/staging.js'
import { isUnsafe, printable } from '../text.js'

/** Device names that Windows finds in every folder, with or without an extension (Naming Files, Microsoft). */
const windowsDevice = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)/i
const windowsForbidden = /[<>:"|?*\\/]|[. ]$/

export interface NameRules {
  /** Take names that begin with a dot, such as `.bashrc`: they can change what a program does. */
  allowHidden: boolean
  /** Whose file system rules hold: `process.platform`. */
  platform: NodeJS.Platform
}

/** Why `name` cannot be the name of a stored file, as one phrase; or null if it can. */
export function nameProblem(name: string, { allowHidden, platform }: NameRules): string | null {
  if (name === '') return 'it is empty'
  if (Buffer.byteLength(name) > MAX_NAME) return `it has ${Buffer.byteLength(name)} bytes, and ${MAX_NAME} is the limit`
  if (!name.isWellFormed()) return 'it is not well-formed Unicode'
  if (isUnsafe(name)) return 'it holds a control character or a direction override'
  // A backslash separates nothing on Linux, and `a\x2db` is an ordinary name there. But a name that would leave the
  // folder if it did separate (on a share, in an unpacked archive) is never innocent.
  const parts = name.split(/[/\\]/)
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return 'it would leave the folder'
  if (name.includes('/')) return 'it is a path, not a name'
  if (name.toLowerCase() === STAGING) return 'it is the name of the staging folder'
  if (!allowHidden && /^\.+[^.]/.test(name))
    return 'it begins with a dot (the receiver allows that with --allow-hidden)'
  if (platform === 'win32' && (windowsForbidden.test(name) || windowsDevice.test(name))) {
    return 'Windows does not allow it'
  }
  return null
}

/** Throws the refusal of a name that cannot be stored. */
export function checkName(name: string, rules: NameRules): void {
  const problem = nameProblem(name, rules)
  if (problem !== null) throw refusal('name', `the name "${printable(name, 80)}" is refused: ${problem}`)
}
