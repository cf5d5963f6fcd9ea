/** Addresses as text. */
import type { Socket } from 'node:net'
import { TransferError } from '../errors.js'

/** `host:port`, with brackets around an IPv6 address (RFC 3986, 3.2.2). */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Returns `port`. Throws a `usage` error if it is no port. 0 is one: it lets the system pick a port to listen on. */
export function validPort(port: number | undefined): number {
  if (port !== undefined && Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new TransferError('usage', `port must be a whole number from 0 to 65535, not ${port}`)
}

/** The address of the peer of `socket`. An IPv4 peer of a dual-stack socket is shown as IPv4 (RFC 4291, 2.5.5.2). */
export function peerAddress(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  const { remoteAddress = 'unknown', remotePort = 0 } = socket
  return formatAddress(remoteAddress.replace(/^::ffff:(?=\d+\.)/, ''), remotePort)
}

/** True for a peer (`address:port`) on this machine. */
export function isLocalPeer(peer: string): boolean {
  return /^(\[::1\]|127\.)/.test(peer)
}

/** True for an address that only this machine can reach. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}
