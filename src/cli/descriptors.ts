/**
 * Checks the descriptors that the process starts with: whether a standard stream was closed, and whether the process
 * may open enough files.
 *
 * A standard stream may be closed when the process starts (`>&-`). Node then opens /dev/null in its place before it
 * runs any JavaScript. Writes to the stream vanish without an error, and reads return an empty file. On Linux such a
 * stream can be recognised: Node opens /dev/null for reading and writing, while `>/dev/null` and `</dev/null` in a
 * shell open it for one of them. Some programs also open it for both (Python's `DEVNULL`, Node's `ignore`). Therefore a
 * stream is only checked if it carries the file itself; paths and events may be discarded. Without /proc nothing is
 * checked.
 */
import { closeSync, constants, openSync, readFileSync, readlinkSync } from 'node:fs'
import { asTransferError, TransferError } from '../errors.js'

/** The standard streams by descriptor: their names in messages, and what to type instead of closing them. */
export const standardStreams = [
  { name: 'standard input', remedy: 'for an empty input, use </dev/null' },
  { name: 'standard output', remedy: 'to discard the output, use >/dev/null' },
  { name: 'standard error', remedy: 'to discard the output, use 2>/dev/null' },
] as const

/**
 * Throws a `local-file` error if the standard stream `fd` was closed when the process started. Tests replace `proc`.
 */
export function assertOpen(fd: 0 | 1 | 2, proc = '/proc/self'): void {
  if (!wasClosed(fd, proc)) return
  const { name, remedy } = standardStreams[fd]
  const text = `${name} is closed (or it is /dev/null opened for reading and writing, which looks the same); ${remedy}`
  throw new TransferError('local-file', text, { reason: fd === 0 ? 'disk' : 'output' })
}

function wasClosed(fd: number, proc: string): boolean {
  try {
    if (readlinkSync(`${proc}/fd/${fd}`) !== '/dev/null') return false
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`${proc}/fdinfo/${fd}`, 'utf8'))?.[1]
    return (Number.parseInt(`${flags}`, 8) & constants.O_RDWR) !== 0
  } catch {
    return false
  }
}

/** The descriptors that one transfer needs on either side, including those for modules that are loaded meanwhile. */
const SPARE_DESCRIPTORS = 12

/**
 * Throws a `local-file` error if the process may not open the files that one transfer needs. Found later, the same
 * problem would cause various misleading errors.
 */
export function assertSpareDescriptors(): void {
  const opened: number[] = []
  try {
    while (opened.length < SPARE_DESCRIPTORS) opened.push(openSync(new URL(import.meta.url), 'r'))
  } catch (error) {
    throw asTransferError(error)
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}
