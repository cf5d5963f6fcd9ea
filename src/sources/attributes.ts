/** The attributes of files and directories: those that are sent, and those that show a change. */
import type { Stats } from 'node:fs'
import { MAX_TIME } from '../protocol/limits.js'

/** The attributes of which one differs after a change of the content, unless the modification time was set back. */
const contentAttributes = ['dev', 'ino', 'size', 'mtimeMs'] as const

/**
 * What has happened to a file between two looks at it, or null. The modification time can be set back; only the kernel
 * sets the change time. The change time also covers the name, mode and owner, and does not say which one changed.
 */
export function changeOf(before: Stats, after: Stats): string | null {
  if (contentAttributes.some((key) => before[key] !== after[key])) return 'changed'
  return before.ctimeMs === after.ctimeMs ? null : 'changed (its content, name or attributes)'
}

/** The attributes of a file or directory that are sent. */
export function attributesOf({ mode, mtimeMs }: Stats): { mode: number; mtime: number | null } {
  return { mtime: Math.abs(mtimeMs) <= MAX_TIME ? Math.round(mtimeMs) : null, mode: mode & 0o7777 }
}
