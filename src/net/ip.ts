/** IP addresses as numbers, and networks of them. */
import { isIPv4, isIPv6 } from 'node:net'
import { TransferError } from '../errors.js'
import { printable } from '../text.js'

/** An address. An IPv4 address in IPv6 form (`::ffff:10.0.0.1`) is the IPv4 address (RFC 4291, 2.5.5.2). */
export interface Address {
  bits: 32 | 128
  value: bigint
}

/** The addresses that begin with the `prefix` first bits of `value`. */
export interface Network extends Address {
  prefix: number
}

/** The first 96 bits of every IPv4 address in IPv6 form. */
const MAPPED = 0xffffn

/** The addresses of one link (fe80::/10). Each machine there is another one. */
const LINK_LOCAL = 0xfe80n >> 6n

/** The number of first bits that all IPv6 addresses of one customer have in common, if not more (RFC 4291, 2.5.4). */
const IPV6_NETWORK = 64n

function ipv4Value(text: string): bigint {
  return text.split('.').reduce((value, part) => value * 256n + BigInt(part), 0n)
}

function ipv6Value(text: string): bigint {
  const [, before, dotted] = /^(.*:)([\d.]+\.[\d.]+)$/.exec(text) ?? []
  if (before !== undefined && dotted !== undefined) {
    const value = ipv4Value(dotted)
    return ipv6Value(`${before}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`)
  }
  const [left = [], right = []] = text.split('::').map((part) => (part === '' ? [] : part.split(':')))
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...zeros, ...right].reduce((value, group) => value * 65_536n + BigInt(`0x${group}`), 0n)
}

/** Reads an address. A zone (`fe80::1%eth0`) is left out. Returns null for any other text. */
export function parseAddress(text: string): Address | null {
  if (isIPv4(text)) return { bits: 32, value: ipv4Value(text) }
  if (!isIPv6(text)) return null
  const value = ipv6Value(text.replace(/%.*$/, ''))
  return value >> 32n === MAPPED ? { bits: 32, value: value & 0xffff_ffffn } : { bits: 128, value }
}

/**
 * What counts as one peer: an IPv4 address, or an IPv6 network of 64 bits, in which one machine can have any number of
 * addresses. Peers without an address, which have gone already, count as one.
 */
export function peerNetwork({ remoteAddress = '' }: { remoteAddress?: string | undefined }): string {
  const address = parseAddress(remoteAddress)
  if (!address) return ''
  const { bits, value } = address
  const isWhole = bits === 32 || value >> 118n === LINK_LOCAL
  return isWhole ? `${bits}/${value}` : `64/${value >> IPV6_NETWORK}`
}

/**
 * Reads a network (`10.0.0.0/8`, `2001:db8::/32`, `::ffff:10.0.0.0/104`) or a single address. Throws a usage error for
 * any other text, also for an address with bits behind its prefix: it would let in more than it seems to.
 *
 * @param option what gives the text, for the message
 */
export function parseNetwork(text: string, option = '--allow-from'): Network {
  const [, host = '', length] = /^([^/%]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? []
  const address = parseAddress(host)
  const written = isIPv4(host) ? 32 : 128
  const given = length === undefined ? written : Number(length)
  if (!address || given > written) {
    const examples = '10.0.0.0/8, 192.0.2.7 or 2001:db8::/32'
    throw new TransferError(
      'usage',
      `${option} must be an address or a network such as ${examples}, not "${printable(text, 60)}"`,
    )
  }
  const prefix = given - (written - address.bits)
  const rest = BigInt(address.bits - Math.max(prefix, 0))
  if (prefix < 0 || (address.value >> rest) << rest !== address.value) {
    const only = `for one address type ${host}`
    throw new TransferError('usage', `${option} ${text}: the address has bits behind its first ${given}; ${only}`)
  }
  return { ...address, prefix }
}

/** True if `address` is in one of the networks. An IPv4 address is only in networks of IPv4 addresses. */
export function isWithin({ bits, value }: Address, networks: readonly Network[]): boolean {
  return networks.some((network) => {
    const rest = BigInt(network.bits - network.prefix)
    return network.bits === bits && value >> rest === network.value >> rest
  })
}
