/** Those who write to a listener by UDP. There are no connections: a peer is whoever writes from one address and port. */

/** The limits of a chat over UDP. */
export const datagramLimits = {
  /** The largest message in bytes. It fits into a packet on every usual path. */
  bytes: 1_200,
  /** The longest line that is taken from others, in characters. */
  characters: 4_096,
  /** The maximum number of peers. */
  peers: 1_000,
  /** A peer that has been silent for so long is forgotten, in milliseconds. */
  silence: 120_000,
  /** How many lines a peer may write in a second, after a burst. */
  rate: 20,
  /** How many lines a peer may write at once. */
  burst: 100,
} as const

/** One who writes. */
export class DatagramPeer {
  readonly name: string
  readonly address: string
  readonly port: number
  /** How many of its lines were not taken since the last that was. */
  dropped = 0
  /** The `performance.now()` of its last datagram. */
  heard = performance.now()
  /** How many lines it may write at once. */
  #allowance: number = datagramLimits.burst

  constructor(name: string, address: string, port: number) {
    this.name = name
    this.address = address
    this.port = port
  }

  /** Called for each datagram. */
  onHeard(): void {
    const now = performance.now()
    const regained = ((now - this.heard) / 1000) * datagramLimits.rate
    this.#allowance = Math.min(datagramLimits.burst, this.#allowance + regained)
    this.heard = now
  }

  /** True if it may write another line now. */
  mayWrite(): boolean {
    if (this.#allowance < 1) return false
    this.#allowance--
    return true
  }
}

/** The peers of a listener. */
export class DatagramPeers {
  /** By address and port. The one that was heard last is the last. */
  readonly #peers = new Map<string, DatagramPeer>()
  readonly #onForgotten: (peer: DatagramPeer) => void
  #count = 0
  #timer: NodeJS.Timeout | undefined

  /** @param onForgotten called for each that has been silent for too long */
  constructor(onForgotten: (peer: DatagramPeer) => void) {
    this.#onForgotten = onForgotten
  }

  /** The one that was heard last is the last. */
  get all(): DatagramPeer[] {
    return [...this.#peers.values()]
  }

  /** Who has written from there, a newcomer perhaps. Null if there are too many. */
  hear(address: string, port: number): { peer: DatagramPeer; isNew: boolean } | null {
    const key = `${address} ${port}`
    const known = this.#peers.get(key)
    if (!known && this.#peers.size >= datagramLimits.peers) return null
    const peer = known ?? new DatagramPeer(`peer-${++this.#count}`, address, port)
    peer.onHeard()
    this.#peers.delete(key)
    this.#peers.set(key, peer)
    if (this.#timer === undefined) this.#wait(peer)
    return { peer, isNew: !known }
  }

  /** Forgets all of them without a word. */
  end(): void {
    clearTimeout(this.#timer)
    this.#peers.clear()
  }

  /** Waits until the peer that was heard first of all has been silent for too long. */
  #wait(first: DatagramPeer | undefined): void {
    this.#timer = first && setTimeout(() => this.#forget(), first.heard + datagramLimits.silence - performance.now())
  }

  #forget(): void {
    const silentSince = performance.now() - datagramLimits.silence
    for (const [key, peer] of this.#peers) {
      if (peer.heard > silentSince) break
      this.#peers.delete(key)
      this.#onForgotten(peer)
    }
    this.#wait(this.#peers.values().next().value)
  }
}
