/** Numbers and events as people read them: one line each, nothing in it that a peer could use to lie. */
import { basename } from 'node:path'
import type { FailedEvent, SentEvent, StoredEvent, TransferEvent } from '../events.js'
import { formatAddress, isLoopback } from '../net/address.js'
import { printable } from '../text.js'

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Bytes with three digits and a decimal unit: `999 B`, `1.00 kB`, `12.3 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}

/** Seconds as `m:ss` or `h:mm:ss`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** The bytes of a finished file, or of many, with their time and, where that says something, its rate. */
export function formatThroughput(size: number, seconds: number): string {
  const rate = seconds >= 0.1 && size >= 1000 ? `, ${formatBytes(size / seconds)}/s` : ''
  return `${formatBytes(size)} in ${seconds.toFixed(2)} s${rate}`
}

/** True if the message names the file itself, as a word of its own. */
function isNamed({ name, message }: FailedEvent): boolean {
  if (!name) return false
  const isEdge = (character: string | undefined) => character === undefined || /[\s/"':,;]/.test(character)
  for (let place = message.indexOf(name); place >= 0; place = message.indexOf(name, place + 1)) {
    if (isEdge(message[place - 1]) && isEdge(message[place + name.length])) return true
  }
  return false
}

/** The beginning of the digest tells files apart. The whole is for who compares: where nobody else has, or on demand. */
function digest({ blake3, verified }: StoredEvent | SentEvent, isVerbose: boolean): string {
  if (!verified) return `blake3 ${blake3}, NOT VERIFIED`
  return `blake3 ${isVerbose ? blake3 : `${blake3.slice(0, 8)}…`}`
}

function describeStored(event: StoredEvent, isVerbose: boolean): string {
  const { path, type, size, seconds, peer } = event
  const how = isVerbose
    ? ` (${type}, ${formatThroughput(size, seconds)}) from ${peer}`
    : `, ${formatThroughput(size, seconds)}`
  return `stored ${printable(path)}${how}, ${digest(event, isVerbose)}`
}

function describeSent(event: SentEvent, isVerbose: boolean): string {
  const { path, name, type, size, seconds, storedAs } = event
  const what = path === '-' ? name : path
  // The name that the receiver has given it is news only if it is another one.
  const isNews = isVerbose ? storedAs !== '' : !['', basename(what)].includes(storedAs)
  const as = isNews ? ` as ${printable(storedAs, 80)}` : ''
  const how = isVerbose
    ? ` (${type}, ${formatThroughput(size, seconds)})${as}`
    : `${as}, ${formatThroughput(size, seconds)}`
  return `sent ${printable(what)}${how}, ${digest(event, isVerbose)}`
}

/**
 * The line that people see for an event; null where they see none. `does` is what a stranger at an open port can do,
 * `isVerbose` whether a finished file is told with its type, its peer and its whole digest.
 */
export function describeEvent(event: TransferEvent, does: 'send' | 'receive', isVerbose = false): string | null {
  // What has an empty name is shown as "" by the message.
  const about = 'name' in event && event.name ? ` ${printable(event.name, 80)}` : ''
  switch (event.event) {
    case 'listening': {
      const where = formatAddress(event.address, event.port)
      const open = isLoopback(event.address)
        ? ''
        : `; whoever can reach this port can ${does}, and nothing is encrypted`
      return `listening on ${where}${open}`
    }
    case 'waiting':
      return printable(event.message, 400)
    case 'stored':
      return describeStored(event, isVerbose)
    case 'sent':
      return describeSent(event, isVerbose)
    case 'refused':
      return `refused${about} from ${event.peer}: ${printable(event.message, 400)}`
    case 'failed':
      if (['interrupted', 'terminated', 'hung-up'].includes(event.code)) return printable(event.message, 400)
      // A message about a local file names it by its path already.
      return `failed${isNamed(event) ? '' : about}: ${printable(event.message, 400)}`
    case 'warning':
      return `warning: ${printable(event.message, 400)}`
    default:
      return null
  }
}
