/** The symlinks that may be part of a directory. */

/**
 * True if a symlink to `target` stays inside the directory that is sent. `depth` is the number of directories between
 * that directory and the symlink. Only the first parts of the target may be `..`, so that it makes no difference whether
 * another part is itself a symlink: each symlink alone stays inside, and so does every chain of them. A backslash is an
 * ordinary character here, but a separator where the directory may go later. So the target must stay inside either way.
 */
export function staysInside(target: string, depth: number): boolean {
  return target !== '' && [/\//, /[\\/]/].every((separator) => isInside(target.split(separator), depth))
}

function isInside([first, ...rest]: string[], depth: number): boolean {
  // The target is absolute.
  if (first === '') return false
  const parts = [first, ...rest].filter((part) => part !== '' && part !== '.')
  const ups = parts.findIndex((part) => part !== '..')
  const leading = ups === -1 ? parts.length : ups
  return leading <= depth && !parts.slice(leading).includes('..')
}
