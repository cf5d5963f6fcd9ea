/**
 * The names, paths and targets that every receiver refuses in a directory, whatever its system and its options (document,
 * "Directories"). A sender leaves such items out. The names of entries obey the same rules, and more.
 */
import { isUnsafe } from '../text.js'

/** The longest name on common file systems, in bytes (NAME_MAX). */
export const MAX_NAME = 255

/** The longest path in a directory, in bytes: with the path of the folder it must stay below PATH_MAX (4096). */
export const MAX_PATH = 3072

/** The longest target of a symlink on Linux, in bytes. */
export const MAX_TARGET = 4095

const UNSAFE = 'holds a control character or a direction override'

/** The reason why no receiver takes this name, as one phrase. `shown` is the part of it that must be safe to show. */
export function nameProblem(name: string, shown: string): string | null {
  if (name === '') return 'it is empty'
  if (Buffer.byteLength(name) > MAX_NAME) return `it has ${Buffer.byteLength(name)} bytes, and ${MAX_NAME} is the limit`
  if (!name.isWellFormed()) return 'it is not well-formed Unicode'
  if (isUnsafe(shown)) return `it ${UNSAFE}`
  // On Linux, a backslash is no separator, and `a\x2db` is an ordinary name. Elsewhere it can be one (on a share, in an
  // unpacked archive), so a name that would then leave the folder is refused.
  const parts = name.split(/[/\\]/)
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return 'it would leave the folder'
  return name.includes('/') ? 'it is a path, not a name' : null
}

/** Most names are like this, and need no other check. */
const plainName = /^\w[\w.+-]{0,99}$/

/** The reason why no directory can hold an item of this name. */
export function itemProblem(name: string): string | null {
  return plainName.test(name) ? null : nameProblem(name, withoutBreaks(name))
}

/** True if a path in a directory is too long. */
export function isLongPath(path: string): boolean {
  return Buffer.byteLength(path) > MAX_PATH
}

/** The reason why no directory can hold a symlink to `target`, except that it leads out (symlinks.ts). */
export function targetProblem(target: string): string | null {
  if (Buffer.byteLength(target) > MAX_TARGET) return `its target has more than ${MAX_TARGET} bytes`
  return isUnsafe(withoutBreaks(target)) ? `its target ${UNSAFE}` : null
}

/** A line break or tab deceives nobody inside a directory. */
function withoutBreaks(text: string): string {
  return text.replace(/[\n\t]/g, '')
}
