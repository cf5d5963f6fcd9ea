/**
 * Formats numbers and events for people. `describeEvent` makes the text of an event's line on stderr. Text from a peer
 * is escaped, so that it can neither forge a line nor control the terminal.
 */
import { basename } from 'node:path'
import type { FailedEvent, ListeningEvent, PartialEvent, SentEvent, StoredEvent, TransferEvent } from '../events.js'
import { formatAddress, isLoopback } from '../net/address.js'
import { printable } from '../text.js'

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Formats bytes with three digits and a decimal unit: `999 B`, `1.00 kB`, `12.3 MB`. */
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

/** Formats a number with a comma for every three digits: `1,234,567`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** `1 file` or `1,234 files`. */
export function formatFiles(files: number): string {
  return `${formatCount(files)} ${files === 1 ? 'file' : 'files'}`
}

/** Formats seconds as `m:ss` or `h:mm:ss`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

const ages: [unit: string, seconds: number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

/** Formats seconds in the largest unit that fits: `59 seconds`, `1 minute`, `3 days`. */
export function formatAge(seconds: number): string {
  const [unit, length] = ages.find(([, length]) => seconds >= length) ?? ['second', 1]
  const count = Math.floor(seconds / length)
  return `${formatCount(count)} ${unit}${count === 1 ? '' : 's'}`
}

/**
 * Formats bytes and seconds: `3.41 GB in 9.20 s, 371 MB/s`. Small and short transfers have no rate. The rate is that of
 * the bytes that were moved; `resumed` of them were there before. `wire` is what they were on the wire, if some were
 * compressed.
 */
export function formatThroughput(size: number, seconds: number, resumed = 0, wire?: number): string {
  const moved = size - resumed
  const rate = seconds >= 0.1 && moved >= 1000 ? `, ${formatBytes(moved / seconds)}/s` : ''
  const before = resumed === 0 ? '' : `, of which ${formatBytes(resumed)} was there before,`
  const less = wire === undefined ? '' : `, ${formatBytes(wire)} on the wire`
  return `${formatBytes(size)}${before} in ${seconds.toFixed(2)} s${rate}${less}`
}

/** True if the message already contains the name of the file as a word. */
function isNameInMessage({ name, message }: FailedEvent): boolean {
  if (!name) return false
  const isEdge = (character: string | undefined) => character === undefined || /[\s/"':,;]/.test(character)
  for (let index = message.indexOf(name); index >= 0; index = message.indexOf(name, index + 1)) {
    if (isEdge(message[index - 1]) && isEdge(message[index + name.length])) return true
  }
  return false
}

/** The first digits tell files apart. The whole digest is shown on demand, and if only a person can compare it. */
function formatDigest({ blake3, verified }: StoredEvent | SentEvent, isVerbose: boolean): string {
  if (!verified) return `blake3 ${blake3}, NOT VERIFIED`
  return `blake3 ${isVerbose ? blake3 : `${blake3.slice(0, 8)}…`}`
}

/** The path of a directory with a slash at its end, and of a file as it is. `files` is that of the event. */
function shownPath(path: string, files: number | undefined): string {
  return files === undefined || path === '-' ? path : asDirectory(path)
}

/** What a receiver keeps, with how much of it is there: `big.iso: 1.20 GB of 2.66 GB, 3 hours old, key alice`. */
export function describePartial({ name, kind, bytes, size, seconds, key }: PartialEvent): string {
  const what = kind === 'directory' ? asDirectory(name) : name
  const amount = size === null ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(size)}`
  const whose = key === undefined ? '' : `, key ${printable(key, 80)}`
  return `${printable(what)}: ${amount}, ${formatAge(seconds)} old${whose}`
}

function asDirectory(path: string): string {
  return `${path.replace(/\/+$/, '')}/`
}

/** For a directory: ` (136 files)`. */
function filesIn(files: number | undefined): string {
  return files === undefined ? '' : ` (${formatFiles(files)})`
}

function describeStored(event: StoredEvent, isVerbose: boolean): string {
  const { path, name, type, size, seconds, resumed, wire, peer, key, files, reused } = event
  const how = isVerbose
    ? ` (${type}, ${formatThroughput(size, seconds, resumed, wire)}) from ${peer}${key === undefined ? '' : ` (${key})`}`
    : `, ${formatThroughput(size, seconds, resumed, wire)}`
  // Standard output gets a directory as an archive.
  const what = files !== undefined && path === '-' ? `${asDirectory(name)} as a tar archive` : shownPath(path, files)
  const said = reused ? `has ${printable(what)} already` : `stored ${printable(what)}`
  return `${said}${filesIn(files)}${how}, ${formatDigest(event, isVerbose)}`
}

function describeSent(event: SentEvent, isVerbose: boolean): string {
  const { path, name, type, size, seconds, resumed, wire, storedAs, files, reused } = event
  const what = path === '-' ? name : path
  // The receiver's name for the file is only shown if it differs.
  const showsName = isVerbose ? storedAs !== '' : !['', basename(what)].includes(storedAs)
  const as = showsName ? ` as ${printable(shownPath(storedAs, files), 80)}` : ''
  const how = isVerbose
    ? `${filesIn(files)} (${type}, ${formatThroughput(size, seconds, resumed, wire)})${as}`
    : `${as}${filesIn(files)}, ${formatThroughput(size, seconds, resumed, wire)}`
  const had = reused ? ' (the receiver had it already)' : ''
  return `sent ${printable(shownPath(what, files))}${how}, ${formatDigest(event, isVerbose)}${had}`
}

/** What a receiver keeps of a file or directory that has failed. Only the path of a directory ends in a slash. */
function describeKept({ kept }: FailedEvent): string {
  if (kept === undefined) return ''
  if (kept.endsWith('/'))
    return `; what came whole is kept in ${printable(kept)}, and the rest comes when it is sent again`
  return '; what came is kept, and it goes on there when it is sent again'
}

/** The line that tells the code of a listener. */
export function describeCode(words: string): string {
  return `the code for the other side is ${words}`
}

/** Who can use an open port. Nothing is said of one that only this machine can reach. */
function describeAccess({ address, keys = 0, fingerprint, words }: ListeningEvent, peerAction: string): string {
  if (words !== undefined) return `; only a peer with its code can ${peerAction}`
  if (fingerprint !== undefined) return `; only peers with its key (${fingerprint}) can ${peerAction}`
  if (keys > 0) return `; only peers with one of its ${keys} keys can ${peerAction}`
  return isLoopback(address) ? '' : `; whoever can reach this port can ${peerAction}, and nothing is encrypted`
}

/**
 * The text of an event's line for people; null if the event has none. `peerAction` is what a stranger can do at an open
 * port. With `isVerbose` a finished file has its type, its peer and its whole digest.
 */
export function describeEvent(
  event: TransferEvent,
  peerAction: 'send' | 'receive' | 'talk',
  isVerbose = false,
): string | null {
  // The message itself shows an empty name as "".
  const about = 'name' in event && event.name ? ` ${printable(event.name, 80)}` : ''
  switch (event.event) {
    case 'listening': {
      const where = formatAddress(event.address, event.port)
      return `listening on ${where}${describeAccess(event, peerAction)}`
    }
    case 'waiting':
      return printable(event.message, 400)
    case 'stored':
      return describeStored(event, isVerbose)
    case 'sent':
      return describeSent(event, isVerbose)
    case 'refused':
      return `refused${about} from ${event.peer}: ${printable(event.message, 400)}`
    case 'failed': {
      const message = printable(event.message, 400) + describeKept(event)
      if (['interrupted', 'terminated', 'hung-up'].includes(event.code)) return message
      // It says that a part of a directory is left out, which is no failure of the directory.
      if (event.reason === 'left-out') return message
      // A message about a local file already contains its path.
      return `failed${isNameInMessage(event) ? '' : about}: ${message}`
    }
    case 'warning':
      return `warning: ${printable(event.message, 400)}`
    default:
      return null
  }
}
