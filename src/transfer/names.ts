/**
 * Which names a receiver takes, and which it gives. Pure: no disk is asked, so every rule can be tested as a table.
 * A name that is legal on this file system, stays inside the folder and cannot lie on a terminal is taken as it is;
 * nothing is decoded, normalised or repaired. Everything else is refused with its reason.
 */
import { refusal, type TransferError } from '../errors.js'
import { isUnsafe, printable } from '../text.js'

/** The folder inside `--out` that holds what is not finished yet. No peer may name it. */
export const STAGING = '.tcp-recv'

/** The most bytes of a name on every file system that matters here (NAME_MAX). */
export const MAX_NAME = 255

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
  if (problem !== null) throw nameRefusal(name, problem)
}

function nameRefusal(name: string, problem: string): TransferError {
  return refusal('name', `the name "${printable(name, 80)}" is refused: ${problem}`)
}

/** The refusal of a name that the file system in use cannot hold. */
export function unfitName(name: string): TransferError {
  return nameRefusal(name, 'the file system there cannot hold it')
}

/** True for a name that every file system holds. Any other is tried out before its bytes come. */
export function isPlain(name: string): boolean {
  return /^[\w.+-]{1,100}$/.test(name)
}

/** Extensions that belong to the one before them: `archive.tar.gz` is an archive named `archive`. */
const afterTar = /\.tar\.[^.]+$/i

/** Splits a name before its extension. A leading dot starts no extension: `.bashrc` has none. */
function splitExtension(name: string): [stem: string, extension: string] {
  const tar = name.slice(1).search(afterTar)
  const dot = tar >= 0 ? tar + 1 : name.lastIndexOf('.')
  return dot > 0 && dot < name.length - 1 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
}

/** The longest start of `text` that fits in `bytes` bytes of UTF-8, cut between code points. */
function truncate(text: string, bytes: number): string {
  let used = 0
  let kept = ''
  for (const character of text) {
    used += Buffer.byteLength(character)
    if (used > bytes) break
    kept += character
  }
  return kept
}

/**
 * The name under which the `number`th copy of `name` is kept: `file_bak.txt`, then `file_bak2.txt`. The stem of a long
 * name is shortened so that the result still fits; an extension that leaves no room for a stem is treated as part of it.
 */
export function backupName(name: string, number: number): string {
  const mark = number === 1 ? '_bak' : `_bak${number}`
  const [stem, extension] = splitExtension(name)
  const room = MAX_NAME - mark.length - Buffer.byteLength(extension)
  const kept = truncate(stem, room)
  return kept === '' ? truncate(name, MAX_NAME - mark.length) + mark : kept + mark + extension
}
