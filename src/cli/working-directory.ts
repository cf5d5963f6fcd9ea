/**
 * A working directory that was removed while a shell stood in it. `process.cwd()` throws there, and yargs calls it while it
 * is loaded, so this module is imported before it. What needs no working directory goes on as ever.
 */
import { isAbsolute } from 'node:path'
import { TransferError } from '../errors.js'
import { shown } from '../files/trouble.js'

let isGone = false

/** Looks whether the working directory is still there. Where it is not, `process.cwd()` says `/` from now on. */
export function findWorkingDirectory(): void {
  try {
    process.cwd()
  } catch {
    isGone = true
    process.cwd = () => '/'
  }
}

findWorkingDirectory()

/** Throws if one of the paths that a command is to use depends on a working directory that is gone. */
export function assertReachable(paths: readonly string[]): void {
  const path = isGone ? paths.find((path) => !isAbsolute(path)) : undefined
  if (path === undefined) return
  const text = `cannot use ${shown(path)}: the working directory was removed; change to another one, or give an absolute path`
  throw new TransferError('local-file', text, { reason: 'disk' })
}
