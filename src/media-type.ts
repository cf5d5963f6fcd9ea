/** The MIME type of a name, and the patterns of `--accept`. */
import { extname } from 'node:path'
import mime from 'mime-types'

/** The MIME type of a file whose name does not show one (RFC 2046, 4.5.1). */
export const UNKNOWN_TYPE = 'application/octet-stream'

/** The MIME type by the extension of `name`. */
export function mediaType(name: string): string {
  return mime.lookup(extname(name)) || UNKNOWN_TYPE
}

// True for `type/subtype` and for the patterns `type/*` and `*/*`, without parameters. (No doc comment: `*/` would end
// it.)
export function isTypePattern(text: string): boolean {
  return /^(\*\/\*|[\w.+-]+\/(\*|[\w.+-]+))$/.test(text)
}

/** True if `type` matches one of `patterns`, such as `image/*`. The case of letters is ignored (RFC 2045, 5.1). */
export function typeMatches(type: string, patterns: readonly string[]): boolean {
  const wanted = type.toLowerCase()
  return patterns.some((pattern) => {
    const lower = pattern.toLowerCase()
    return lower === '*/*' || lower === wanted || (lower.endsWith('/*') && wanted.startsWith(lower.slice(0, -1)))
  })
}
