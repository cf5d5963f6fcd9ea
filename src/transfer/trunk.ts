/**
 * A connection that can become one of a bundle: the first one, which the sender decides when it knows its receiver, or
 * another one, which joins the first by its name. The transfer then runs over the bundle.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Motion } from '../access/motion.js'
import { refusal } from '../errors.js'
import type { Bundle } from '../links/bundle.js'
import type { Link } from '../links/link.js'
import { roundTrip } from '../net/round-trip.js'
import { BUNDLE, type ReceiverGreeting, type SenderGreeting } from '../protocol/messages.js'
import type { Bundles } from './bundles.js'
import { dialLanes, type Lanes } from './lanes.js'
import type { More } from './session.js'
import { firstStreams, grow, MAX_STREAMS, type Streams, Surplus } from './streams.js'

export interface TrunkOptions {
  bundles: Bundles
  streams: Streams
  /** Who has proved which key. Empty without one. */
  owner: string
  more: More
  timeout: number
}

/** What a trunk uses of its session. */
export interface TrunkSession {
  link: Link
  motion: Motion
}

export class SenderTrunk {
  /** Names the connection in the sender's greeting. */
  readonly name: string
  readonly #options: TrunkOptions
  readonly #elapsed = roundTrip()
  #isUsed = false

  constructor(name: string, options: TrunkOptions) {
    this.name = name
    this.#options = options
    options.bundles.announce(options.owner, name)
  }

  /** The receiver has greeted. Returns true if the connection is one of a bundle from now on. */
  onGreeting({ features, join, rtt = Number.POSITIVE_INFINITY }: ReceiverGreeting, session: TrunkSession): boolean {
    const { bundles, streams, owner, more } = this.#options
    if (join !== undefined) {
      // Only this side tells a receiver to join, and then the bundle has begun.
      joinBundle(session, joined(bundles.begun(owner, join), streams))
      return true
    }
    const path = Math.min(more.dialling?.rtt ?? rtt, this.#elapsed())
    const count = features.includes(BUNDLE) ? firstStreams(streams, path) : 1
    if (count === 1) return false
    this.#begin(session, count, path)
    return true
  }

  #begin(session: TrunkSession, count: number, rtt: number): void {
    const { bundles, streams, owner, more, timeout } = this.#options
    const bundle = found(bundles.find(owner, this.name))
    this.#isUsed = true
    joinBundle(session, bundle, count)
    const { dialling } = more
    const lanes: Lanes = { bundles, bundle, name: this.name, timeout, role: 'sender' }
    const add = (total: number) => (dialling ? dialLanes(lanes, dialling, total) : bundle.ask(total))
    if (dialling) add(count)
    if (streams === 'auto') bundles.run(growWhileOpen(bundle, { count, rtt }, add))
    more.enter(bundle)
  }

  /** The connection has ended. */
  end(): void {
    this.#options.bundles.forget(this.#options.owner, this.name, this.#isUsed)
  }
}

async function growWhileOpen(
  bundle: Bundle,
  first: { count: number; rtt: number },
  add: (total: number) => void,
): Promise<void> {
  const ended = new AbortController()
  bundle.once('close', () => ended.abort())
  await grow(bundle, first, add, async (milliseconds) => {
    await sleep(milliseconds, undefined, { signal: ended.signal }).catch(() => {})
    return !bundle.destroyed
  })
}

export class ReceiverTrunk {
  readonly #options: TrunkOptions
  /** The name of the bundle. */
  #name: string | undefined
  #isFirst = false
  #isUsed = false

  constructor(options: TrunkOptions) {
    this.#options = options
  }

  /** The sender has greeted. Throws a refusal if it wants to join what is not there. */
  onGreeting({ bundle, join }: SenderGreeting): void {
    const { bundles, owner, streams } = this.#options
    if (join !== undefined) joined(bundles.find(owner, join), streams)
    else if (bundle !== undefined && !bundles.announce(owner, bundle))
      throw refusal('policy', 'another connection has the name of its bundle')
    this.#isFirst = join === undefined
    this.#name = join ?? bundle
  }

  /** The sender says that the connection is one of a bundle. Does nothing if it has not said before of which. */
  begin(session: TrunkSession, wanted = 1): void {
    const { bundles, streams, owner, more, timeout } = this.#options
    const name = this.#name
    if (name === undefined) return
    const bundle = found(bundles.find(owner, name))
    // Others may have joined since its greeting.
    if (!this.#isFirst) joined(bundle, streams)
    joinBundle(session, bundle)
    if (!this.#isFirst) return
    this.#isUsed = true
    const { dialling } = more
    const lanes: Lanes = { bundles, bundle, name, timeout, role: 'receiver' }
    const most = streams === 'auto' ? Number.POSITIVE_INFINITY : streams
    if (dialling) bundle.onAsked = (connections) => dialLanes(lanes, dialling, Math.min(connections, most))
    bundle.onAsked(wanted)
    more.enter(bundle)
  }

  /** The connection has ended. */
  end(): void {
    if (this.#isFirst && this.#name !== undefined)
      this.#options.bundles.forget(this.#options.owner, this.#name, this.#isUsed)
  }
}

function joinBundle({ link, motion }: TrunkSession, bundle: Bundle, connections?: number): void {
  motion.hasBegun = true
  link.joinBundle?.(bundle, () => motion.moved(), connections)
}

/** The bundle, for another connection. */
function joined(known: Bundle | undefined, streams: Streams): Bundle {
  const bundle = found(known)
  const most = streams === 'auto' ? MAX_STREAMS : streams
  if (bundle.connections >= most) throw new Surplus(most)
  return bundle
}

function found(bundle: Bundle | undefined): Bundle {
  if (!bundle) throw refusal('policy', 'it has no transfer that this connection could join')
  return bundle
}
