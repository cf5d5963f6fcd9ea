/** Addresses as people write them. */
import type { Socket } from 'node:net'

/** `host:port`, with brackets around an IPv6 address (RFC 3986, 3.2.2). */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** The other end of `socket`. An IPv4 peer of a dual-stack socket is shown as IPv4 (RFC 4291, 2.5.5.2). */
export function peerAddress(socket: Socket): string {
  const { remoteAddress = 'unknown', remotePort = 0 } = socket
  return formatAddress(remoteAddress.replace(/^::ffff:(?=\d+\.)/, ''), remotePort)
}

/** True for an address that only this machine can reach. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}
