/** How many connections a transfer gets. */
import { TransferError } from '../errors.js'
import type { Bundle } from '../links/bundle.js'
import { MAX_CONNECTIONS as MAX_STREAMS } from '../protocol/limits.js'

export { MAX_STREAMS }

/** `auto` decides by the round-trip time, and by whether another connection helps. */
export type Streams = number | 'auto'

export interface StreamsOptions {
  /**
   * How many connections a transfer uses, from 1 to 64. `auto` is one if the round-trip time is short, or little is
   * sent; otherwise it is as many as help. A receiver allows at most this number, and uses no more than the sender wants.
   * With another peer, and with `plain`, it is one. Code `usage` for another value, and for more than one with `plain`.
   * Default `auto`.
   */
  streams?: Streams | undefined
}

/** What the options say. Throws a usage error if they say what cannot be. */
export function streamsOf({
  streams = 'auto',
  plain = false,
}: StreamsOptions & { plain?: boolean | undefined }): Streams {
  if (plain && streams !== 'auto' && streams > 1)
    throw new TransferError('usage', 'several streams need the protocol, so plain does not go with them')
  return plain ? 1 : streams
}

/** The refusal of a connection that is one too many for its transfer. The other side cannot know how many are allowed. */
export class Surplus extends TransferError {
  constructor(most: number) {
    const text = `it takes at most ${most} connections for a transfer`
    super('refused', text, { reason: 'policy', peerMessage: text })
  }
}

/** If no more bytes than this are sent, a second connection does not pay. */
export const LITTLE = 1024 * 1024

/** On a shorter path one connection is enough, in milliseconds. */
const SHORT = 5

/** One connection for each of these, in milliseconds. Each has at most 4 MiB on its way (tcp(7)), and begins slowly. */
const PER_CONNECTION = 6

/** The fewest and the most connections on a long path. More than that get in each other's way (bench/README.md). */
const FEWEST = 2
const MOST = 16

/** How many connections to begin with. `rtt` is the round-trip time in milliseconds. */
export function firstStreams(streams: Streams, rtt: number): number {
  if (streams !== 'auto') return streams
  return rtt < SHORT ? 1 : Math.min(MOST, Math.max(FEWEST, Math.ceil(rtt / PER_CONNECTION)))
}

/** More connections pay if the rate grows by this factor. */
const GROWTH = 1.15

/**
 * Doubles the connections as long as that makes the bundle faster. Measured over some round trips, after a pause in which
 * the new ones find their speed.
 *
 * @param add adds connections, up to this number in all
 * @param pause waits some milliseconds. Resolves with false when the bundle has ended
 */
export async function grow(
  bundle: Pick<Bundle, 'arrived' | 'isFull'>,
  { count, rtt }: { count: number; rtt: number },
  add: (count: number) => void,
  pause: (milliseconds: number) => Promise<boolean>,
): Promise<void> {
  let best = 0
  for (let total = count; total < MOST; ) {
    if (!(await pause(Math.max(500, 5 * rtt)))) return
    const [start, before] = [performance.now(), bundle.arrived]
    if (!(await pause(Math.max(1000, 10 * rtt)))) return
    // A slow source is no reason for more connections.
    if (!bundle.isFull) continue
    const rate = (bundle.arrived - before) / (performance.now() - start)
    if (rate < best * GROWTH) return
    best = rate
    total = Math.min(2 * total, MOST)
    add(total)
  }
}
