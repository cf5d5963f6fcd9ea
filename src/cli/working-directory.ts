/**
 * Handles a working directory that has been removed. `process.cwd()` throws there, and yargs calls it while it loads,
 * so this module must be imported before yargs. Commands that use only absolute paths still work.
 */
import { isAbsolute } from 'node:path'
import { shown } from '../disk/local-error.js'
import { TransferError } from '../errors.js'

let isGone = false

/** Checks whether the working directory exists. If not, `process.cwd()` returns `/` from now on. */
export function checkWorkingDirectory(): void {
  try {
    process.cwd()
  } catch {
    isGone = true
    process.cwd = () => '/'
  }
}

checkWorkingDirectory()

/** Throws a `local-file` error if one of `paths` is relative to a working directory that has been removed. */
export function assertReachable(paths: readonly string[]): void {
  const path = isGone ? paths.find((path) => !isAbsolute(path)) : undefined
  if (path === undefined) return
  const remedy = 'change to another one, or give an absolute path'
  const text = `cannot use ${shown(path)}: the working directory was removed; ${remedy}`
  throw new TransferError('local-file', text, { reason: 'disk' })
}
