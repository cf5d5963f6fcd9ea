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

/** The types of files that are compressed themselves, as far as `mediaType` gives them. */
const compressedTypes = [
  /^video\//,
  /^audio\/(?!.*(wave?|aiff|midi|basic)$)/,
  /^image\/(avif|gif|hei[cf]|jp2|jpeg|jxl|png|webp)$/,
  /^font\/woff2?$/,
  /^application\/(.*[+-])?(7z-compressed|bzip2?|gzip|xz|zip|zstd)$/,
  /^application\/(java-archive|pdf|vnd\.rar|vnd\.android\.package-archive|x-(debian-package|redhat-package-manager))$/,
  /^application\/vnd\.(oasis\.opendocument|openxmlformats-officedocument)\./,
]

/** True if nothing is gained by compressing files of this type. */
export function isCompressedType(type: string): boolean {
  return compressedTypes.some((pattern) => pattern.test(type))
}
