/** The names of copies: `file_bak.txt`, then `file_bak2.txt`. */
import { MAX_NAME } from '../protocol/names.js'

/** A double extension: the stem of `archive.tar.gz` is `archive`. */
const doubleExtension = /\.tar\.[^.]+$/i

/** Splits a name before its extension. A leading dot starts no extension: `.bashrc` has none. */
function splitExtension(name: string): [stem: string, extension: string] {
  const tar = name.slice(1).search(doubleExtension)
  const dot = tar >= 0 ? tar + 1 : name.lastIndexOf('.')
  return dot > 0 && dot < name.length - 1 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
}

/** The longest prefix of `text` that fits in `bytes` bytes of UTF-8, cut between code points. */
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
 * The name for the `number`th copy of `name`, from 1. The stem of a long name is shortened so that the result still
 * fits. An extension that leaves no room for a stem is treated as part of the stem.
 */
export function backupName(name: string, number: number): string {
  const mark = number === 1 ? '_bak' : `_bak${number}`
  const [stem, extension] = splitExtension(name)
  const room = MAX_NAME - mark.length - Buffer.byteLength(extension)
  const kept = truncate(stem, room)
  return kept === '' ? truncate(name, MAX_NAME - mark.length) + mark : kept + mark + extension
}
