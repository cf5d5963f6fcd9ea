/** Numbers and events as people read them: one line each, nothing in it that a peer could use to lie. */
import type { FailedEvent, TransferEvent } from '../events.js'
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

/** The bytes of a finished file with its time and, where that says something, its rate. */
function amount(size: number, seconds: number): string {
  const rate = seconds >= 0.1 ? `, ${formatBytes(size / seconds)}/s` : ''
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

/** What to know of a file whose end nothing confirmed. */
function doubt(verified: boolean): string {
  return verified ? '' : ', NOT VERIFIED'
}

/** The line that people see for an event; null where they see none. `does` is what a stranger at an open port can do. */
export function describeEvent(event: TransferEvent, does: 'send' | 'receive'): string | null {
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
    case 'stored': {
      const { path, type, size, seconds, peer, blake3, verified } = event
      return `stored ${printable(path)} (${type}, ${amount(size, seconds)}) from ${peer}, blake3 ${blake3}${doubt(verified)}`
    }
    case 'sent': {
      const { path, name, type, size, seconds, storedAs, blake3, verified } = event
      const what = path === '-' ? name : path
      const as = storedAs === '' ? '' : ` as ${printable(storedAs, 80)}`
      return `sent ${printable(what)} (${type}, ${amount(size, seconds)})${as}, blake3 ${blake3}${doubt(verified)}`
    }
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
