/**
 * `--port-file`: a file that holds the port for as long as the command runs, for a script that lets the system pick one.
 * A reader finds the whole port or no file at all, and never the port of an earlier run.
 */
import { lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { TransferError } from '../errors.js'
import type { OnEvent } from '../events.js'
import { localTrouble } from '../files/trouble.js'
import { printable } from '../text.js'
import { usage } from './values.js'

/** Removes an old file at once, and returns what writes the new one when the port is known. Does nothing without a path. */
export function portFile(path: string | undefined): OnEvent {
  if (path === undefined) return () => {}
  if (path === '') throw usage('--port-file is empty')
  // What keeps the old file from being removed is told when the new one cannot take its place.
  quietly(() => removeFile(path))
  return (event) => {
    if (event.event !== 'listening') return
    const text = `${event.port}\n`
    write(path, text)
    // Also where the process exits without a clean end. Another command may have taken the name meanwhile.
    process.once('exit', () => quietly(() => readFileSync(path, 'utf8') === text && rmSync(path)))
  }
}

/**
 * Removes what an earlier run can have left: a regular file with nothing in it but a port. Anything else there is kept,
 * such as a link, /dev/stdout, or a file whose name was given by mistake.
 */
function removeFile(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats?.isFile() && stats.size <= 6 && /^\d{0,5}\n?$/.test(readFileSync(path, 'utf8'))) rmSync(path)
}

function write(path: string, text: string): void {
  const temporary = `${path}.${process.pid}-${Date.now()}`
  try {
    removeFile(path)
    if (lstatSync(path, { throwIfNoEntry: false })) throw notOurs(path)
    writeFileSync(temporary, text, { flag: 'wx' })
    renameSync(temporary, path)
  } catch (error) {
    quietly(() => rmSync(temporary, { force: true }))
    throw localTrouble('cannot write the port to', path, error)
  }
}

function notOurs(path: string): TransferError {
  const text = `cannot write the port to ${printable(path, 400)}: it is there already, and is no port file`
  return new TransferError('local-file', text, { reason: 'disk' })
}

function quietly(work: () => void): void {
  try {
    work()
  } catch {}
}
