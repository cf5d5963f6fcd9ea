/**
 * The descriptors that a command is given: whether its standard streams carry anything, and whether it may open more.
 *
 * Standard streams may be closed when the process begins (`>&-`). Before any code of ours runs, Node opens /dev/null in
 * their place, so what is written there vanishes without an error, and what is read is an empty file. On Linux it can be
 * seen: Node opens it for reading and writing, a shell's `>/dev/null` or `</dev/null` for one of them. Programs that start
 * others (Python's DEVNULL, Node's `ignore`) open it for both too, so a stream is looked at only where it is to carry the
 * file itself: paths and events may go nowhere. Where there is no /proc nothing is checked.
 */
import { closeSync, constants, openSync, readFileSync, readlinkSync } from 'node:fs'
import { asTransferError, TransferError } from '../errors.js'

export const standardStreams = [
  { name: 'standard input', remedy: 'for an empty input, use </dev/null' },
  { name: 'standard output', remedy: 'to discard what goes there, use >/dev/null' },
  { name: 'standard error', remedy: 'to discard what goes there, use 2>/dev/null' },
] as const

/** Throws if the standard stream `fd` was closed when the process began. `proc` is replaced in tests. */
export function assertOpen(fd: 0 | 1 | 2, proc = '/proc/self'): void {
  if (!isLost(fd, proc)) return
  const { name, remedy } = standardStreams[fd]
  const text = `${name} is closed (or it is /dev/null opened for reading and writing, which looks the same); ${remedy}`
  throw new TransferError('local-file', text, { reason: fd === 0 ? 'disk' : 'output' })
}

function isLost(fd: number, proc: string): boolean {
  try {
    if (readlinkSync(`${proc}/fd/${fd}`) !== '/dev/null') return false
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`${proc}/fdinfo/${fd}`, 'utf8'))?.[1]
    return (Number.parseInt(`${flags}`, 8) & constants.O_RDWR) !== 0
  } catch {
    return false
  }
}

/** The descriptors that one transfer takes on either side, and those of modules that are loaded meanwhile. */
const SPARE = 12

/** Throws if a transfer could not open the files that it takes. Later that would show in many ways, most of them odd. */
export function assertSpareDescriptors(): void {
  const opened: number[] = []
  try {
    while (opened.length < SPARE) opened.push(openSync(new URL(import.meta.url), 'r'))
  } catch (error) {
    throw asTransferError(error)
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}
