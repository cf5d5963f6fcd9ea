/**
 * Finds out what stdout and stderr of the command are connected to: one terminal or two, a log, or systemd's journal.
 */
import { fstatSync } from 'node:fs'
import type { Writable } from 'node:stream'

type Stream = Writable & { fd?: number; isTTY?: boolean }

export interface Stdio {
  /** True if stdout and stderr are the same terminal, so that their lines are mixed there. */
  isSameTerminal: boolean
  /** True if the terminal supports no control sequences (`TERM=dumb`). */
  isDumbTerminal: boolean
  /** Returns the prefix of a line on stderr: the local time and a space in a log without its own times, else empty. */
  linePrefix(): string
}

/** `env` is the environment of the process. */
export function inspectStdio(
  stdout: Stream,
  stderr: Stream,
  env: { TERM?: string | undefined; JOURNAL_STREAM?: string | undefined },
): Stdio {
  const hasTimestamps = !stderr.isTTY && !isJournal(stderr, env.JOURNAL_STREAM)
  return {
    isSameTerminal: isSameTerminal(stdout, stderr),
    isDumbTerminal: env.TERM === 'dumb',
    linePrefix: () => (hasTimestamps ? `${timestamp(new Date())} ` : ''),
  }
}

function isSameTerminal(stdout: Stream, stderr: Stream): boolean {
  if (!stdout.isTTY || !stderr.isTTY) return false
  if (stdout === stderr) return true
  const id = fileId(stdout)
  return id !== null && id === fileId(stderr)
}

/**
 * `JOURNAL_STREAM` holds the device and inode that systemd connected to the journal (systemd.exec(5)). The variable is
 * inherited even if the stream was redirected later, so the two are compared.
 */
function isJournal(stream: Stream, journalStream: string | undefined): boolean {
  return journalStream !== undefined && fileId(stream) === journalStream
}

/**
 * The device and inode of the stream's file, in the format of `JOURNAL_STREAM`; null for a stream without a descriptor.
 */
function fileId({ fd }: Stream): string | null {
  if (fd === undefined) return null
  const { dev, ino } = fstatSync(fd)
  return `${dev}:${ino}`
}

/** Local time to the second: `2026-11-21 14:03:07`. */
export function timestamp(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`
}
