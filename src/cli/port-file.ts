/**
 * `--port-file`: a file that holds the port while the command runs, for scripts that let the system pick a free port.
 * A reader finds either the complete port or no file, and never the port of an earlier run.
 */
import { lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { localError } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import type { OnEvent } from '../events.js'
import { printable } from '../text.js'
import { usage } from './values.js'

/**
 * Removes the port file of an earlier run and returns an event listener that writes the new one at the `listening`
 * event. The file is removed when the process exits. Without a path both do nothing.
 *
 * Throws a usage error for an empty path. The listener throws a `local-file` error if the port cannot be written, or if
 * the path holds anything but a port file.
 */
export function portFileWriter(path: string | undefined): OnEvent {
  if (path === undefined) return () => {}
  if (path === '') throw usage('--port-file is empty')
  // If the old file cannot be removed, writing the new one reports why.
  ignoreErrors(() => removePortFile(path))
  return (event) => {
    if (event.event !== 'listening') return
    const text = `${event.port}\n`
    write(path, text)
    // This runs even if the process exits early. Another command may have replaced the file in the meantime.
    process.once('exit', () => ignoreErrors(() => readFileSync(path, 'utf8') === text && rmSync(path)))
  }
}

/**
 * Removes a port file that an earlier run left: a regular file that holds nothing but a port. Anything else is kept,
 * such as a symlink, /dev/stdout, or a file whose name was given by mistake.
 */
function removePortFile(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats?.isFile() && stats.size <= 6 && /^\d{0,5}\n?$/.test(readFileSync(path, 'utf8'))) rmSync(path)
}

function write(path: string, text: string): void {
  const temporary = `${path}.${process.pid}-${Date.now()}`
  try {
    removePortFile(path)
    if (lstatSync(path, { throwIfNoEntry: false })) throw notAPortFile(path)
    writeFileSync(temporary, text, { flag: 'wx' })
    renameSync(temporary, path)
  } catch (error) {
    ignoreErrors(() => rmSync(temporary, { force: true }))
    throw localError('cannot write the port to', path, error)
  }
}

function notAPortFile(path: string): TransferError {
  const text = `cannot write the port to ${printable(path, 400)}: it exists and is not a port file`
  return new TransferError('local-file', text, { reason: 'disk' })
}

function ignoreErrors(work: () => void): void {
  try {
    work()
  } catch {}
}
