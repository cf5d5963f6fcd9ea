/** The options of `send` and `receive` that limit what peers can do. */
import { defaults } from './defaults.js'

export interface PeerOptions {
  /**
   * How long a transfer may make no progress although its peer is alive, in milliseconds. Progress means content and
   * answers, not heartbeats, and the time that this side takes itself does not count. Such a transfer fails with the
   * code `timeout`. Without effect with `plain`, where nothing but content shows that a peer is alive. Default
   * 3,600,000, an hour: a pipe may rest for long.
   */
  stall?: number | undefined
  /**
   * When listening: the maximum number of simultaneous connections. Beyond it, the connection that has made no progress
   * for longest, and for 5 seconds at least, is ended with the reason `busy`. If there is none, the new one is refused
   * with that reason. Default 256.
   */
  maxConnections?: number | undefined
  /**
   * When listening: the same for the connections of one peer. A peer is an IPv4 address or the first 64 bits of an IPv6
   * address. Default: no limit of its own, because many machines can share one address.
   */
  maxPerPeer?: number | undefined
  /**
   * When listening: the only addresses and networks that may connect, such as `10.0.0.0/8`. Others are reset before a
   * byte is read, which the event `refused` reports with the reason `policy`. Code `usage` if one cannot be read, or has
   * bits behind its prefix. Default: all. An empty list lets nobody in.
   */
  allowFrom?: readonly string[] | undefined
  /**
   * When listening: the addresses and networks of proxies, such as load balancers, that begin each connection with a
   * header of the PROXY protocol, version 1 or 2. The peer in it then counts everywhere: in events, for `allowFrom` and
   * for `maxPerPeer`. Other connections are taken as they are. Code `usage` as for `allowFrom`. Default: none.
   */
  proxyFrom?: readonly string[] | undefined
}

/** The options with their defaults, for the listener. */
export function peerLimits({
  maxConnections = defaults.maxConnections,
  ...options
}: PeerOptions & { plain?: boolean | undefined }) {
  const { maxPerPeer = Number.POSITIVE_INFINITY, allowFrom, proxyFrom } = options
  return { stall: stallOf(options), maxConnections, maxPerPeer, allowFrom, proxyFrom }
}

/** The limit of a transfer without progress. Without the protocol there are no heartbeats, so `timeout` is enough. */
export function stallOf({ stall = defaults.stall, plain }: PeerOptions & { plain?: boolean | undefined }): number {
  return plain ? Number.POSITIVE_INFINITY : stall
}
