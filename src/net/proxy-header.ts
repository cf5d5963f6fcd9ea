/**
 * The header with which a proxy names the peer that it has a connection from: the PROXY protocol of HAProxy, versions 1
 * and 2 (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt). What it says counts only from a proxy that is
 * trusted.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { ProtocolError } from '../protocol/protocol-error.js'

export interface ProxyHeader {
  /** The number of its bytes. */
  length: number
  /** The peer. Null if the proxy itself is the peer, or does not know it. */
  source: { address: string; port: number } | null
  /** True if the proxy is there on its own behalf, to see whether somebody listens. */
  isCheck: boolean
}

/** The longest header of version 1, with its line break (section 2.1). */
const LONGEST_LINE = 107

/** The most bytes of a header of version 2. It may have more (section 2.2), but no proxy has so much to say. */
const LONGEST_BINARY = 4096

const LINE_START = Buffer.from('PROXY ')
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const FIXED = 16

/** The commands of version 2, with the version in the first half of the byte. */
const [LOCAL, PROXY] = [0x20, 0x21]

/** The lengths of the addresses by their family: IPv4, IPv6 and UNIX sockets. */
const addressLengths: Readonly<Record<number, number>> = { 1: 12, 2: 36, 3: 216 }

/** The type of the field with a checksum of the header, and its length. */
const [CRC32C, CRC32C_LENGTH] = [3, 4]

/**
 * Reads the header at the start of `bytes`. Returns undefined if there are too few bytes to tell. Throws a ProtocolError
 * if they are no header.
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (startsLike(bytes, LINE_START)) return readLine(bytes)
  if (startsLike(bytes, SIGNATURE)) return readBinary(bytes)
  throw new ProtocolError('a connection from a proxy must begin with a PROXY header (--proxy-from)')
}

/** True if `bytes` begin with `start`, or `start` begins with them. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.subarray(0, length).equals(start.subarray(0, length))
}

function wrong(what: string): ProtocolError {
  return new ProtocolError(`wrong PROXY header: ${what}`)
}

function readLine(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, LONGEST_LINE).indexOf('\r\n')
  if (end < 0 && bytes.length < LONGEST_LINE) return undefined
  if (end < 0) throw wrong('its line has no end')
  const [, family, ...words] = bytes.toString('latin1', 0, end).split(' ')
  const length = end + 2
  if (family === 'UNKNOWN') return { length, source: null, isCheck: false }
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6
  if ((family !== 'TCP4' && family !== 'TCP6') || words.length !== 4) throw wrong('it is not as version 1 has it')
  const [address, destination, port, ...rest] = words as [string, string, string, string]
  // A zone is no part of an address on a wire.
  if (![address, destination].every((text) => isAddress(text) && !text.includes('%'))) throw wrong('a wrong address')
  if (![port, ...rest].every((text) => /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 0xffff))
    throw wrong('a wrong port')
  return { length, source: { address, port: Number(port) }, isCheck: false }
}

function readBinary(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length < FIXED) return undefined
  const command = bytes.readUInt8(12)
  const kind = bytes.readUInt8(13)
  const length = FIXED + bytes.readUInt16BE(14)
  if (command !== LOCAL && command !== PROXY) throw wrong('another version than 2, or an unknown command')
  if (length > LONGEST_BINARY) throw wrong(`more than ${LONGEST_BINARY} bytes`)
  if (bytes.length < length) return undefined
  const header = bytes.subarray(0, length)
  if (command === LOCAL) return { length, source: null, isCheck: true }
  const family = kind >> 4
  const isStream = (kind & 0xf) === 1
  const addresses = addressLengths[family]
  // The receiver then uses the addresses of the connection itself (section 2.2).
  if (addresses === undefined || !isStream) return { length, source: null, isCheck: false }
  if (length < FIXED + addresses) throw wrong('its addresses are cut off')
  checkSum(header, FIXED + addresses)
  return { length, source: sourceOf(header, family), isCheck: false }
}

function sourceOf(header: Buffer, family: number): ProxyHeader['source'] {
  if (family === 1)
    return { address: header.subarray(FIXED, FIXED + 4).join('.'), port: header.readUInt16BE(FIXED + 8) }
  if (family !== 2) return null
  const groups = Array.from({ length: 8 }, (_, index) => header.readUInt16BE(FIXED + 2 * index).toString(16))
  return { address: shortened(groups.join(':')), port: header.readUInt16BE(FIXED + 32) }
}

/** The usual form of an IPv6 address (RFC 5952). */
function shortened(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1)
}

/** Throws if the fields behind the addresses are cut off, or hold a checksum that is wrong (section 2.2.4). */
function checkSum(header: Buffer, start: number): void {
  for (let at = start; at < header.length; ) {
    if (header.length < at + 3) throw wrong('a field is cut off')
    const length = header.readUInt16BE(at + 1)
    const value = at + 3
    if (header.length < value + length) throw wrong('a field is cut off')
    if (header[at] === CRC32C && length === CRC32C_LENGTH) {
      const blank = Buffer.from(header)
      blank.writeUInt32BE(0, value)
      if (crc32c(blank) !== header.readUInt32BE(value)) throw wrong('its checksum does not match')
    }
    at = value + length
  }
}

/** The CRC of RFC 9260, appendix A. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0)
  }
  return ~crc >>> 0
}
