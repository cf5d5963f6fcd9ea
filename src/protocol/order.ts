/**
 * The order of the items in a directory. It is the order in which `LC_ALL=C sort` sorts paths, so the digest of a
 * directory can be computed while the directory is sent, and a name that comes twice is noticed without a list of names.
 */

/** The names of files are UTF-8 on the wire and on the disk. UTF-16, in which strings are compared, sorts these apart. */
const sortsApart = /[\ud800-\uffff]/

/**
 * Compares two sort keys byte by byte. The key of a directory is its name and a slash, because that is how the paths
 * below it begin. Any other key is a name.
 */
export function compareKeys(a: string, b: string): number {
  if (sortsApart.test(a) && sortsApart.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}
