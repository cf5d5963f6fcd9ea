/** The symlinks that may be part of a directory. */

/**
 * True if a symlink to `target` stays inside the directory that is sent. `depth` is the number of directories between
 * that directory and the symlink. Only the first parts of the target may be `..`, so that it makes no difference whether
 * another part is itself a symlink: each symlink alone stays inside, and so does every chain of them.
 */
export function staysInside(target: string, depth: number): boolean {
  if (target === '' || target.startsWith('/')) return false
  const parts = target.split('/').filter((part) => part !== '' && part !== '.')
  const ups = parts.findIndex((part) => part !== '..')
  const leading = ups === -1 ? parts.length : ups
  return leading <= depth && !parts.slice(leading).includes('..')
}
