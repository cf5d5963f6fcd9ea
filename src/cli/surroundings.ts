/** Where the output of a command goes: to one terminal or two, to a log, to the journal. */
import { fstatSync } from 'node:fs'
import type { Writable } from 'node:stream'

type Stream = Writable & { fd?: number; isTTY?: boolean }

export interface Surroundings {
  /** True if both streams are the same terminal, where lines of the one land among lines of the other. */
  isShared: boolean
  /** True if the terminal knows no control sequences. */
  isDumb: boolean
  /** What begins a line on stderr: the time, where it is a log that does not tell the time itself. */
  stamp(): string
}

export function surroundingsOf(
  stdout: Stream,
  stderr: Stream,
  { TERM, JOURNAL_STREAM }: { TERM?: string | undefined; JOURNAL_STREAM?: string | undefined },
): Surroundings {
  const isStamped = !stderr.isTTY && !isJournal(stderr, JOURNAL_STREAM)
  return {
    isShared: isSameTerminal(stdout, stderr),
    isDumb: TERM === 'dumb',
    stamp: () => (isStamped ? `${timeStamp(new Date())} ` : ''),
  }
}

function isSameTerminal(one: Stream, other: Stream): boolean {
  if (!one.isTTY || !other.isTTY) return false
  if (one === other) return true
  const [a, b] = [placeOf(one), placeOf(other)]
  return a !== null && a === b
}

/** systemd.exec(5): the variable names the device and the file that it logs for us, which a redirection replaces. */
function isJournal(stream: Stream, name: string | undefined): boolean {
  return name !== undefined && placeOf(stream) === name
}

function placeOf({ fd }: Stream): string | null {
  if (fd === undefined) return null
  const { dev, ino } = fstatSync(fd)
  return `${dev}:${ino}`
}

/** Local time to the second, as ISO 8601 orders it: `2026-11-21 14:03:07`. */
export function timeStamp(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`
}
