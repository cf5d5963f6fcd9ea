/**
 * What a receiver must know so that a sender can go on over another connection: which connection that transfer had
 * before, and what it has answered. The sender may not have heard the last answers, and sends those entries again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { TransferError } from '../errors.js'
import type { Stored } from '../protocol/messages.js'

/**
 * How many answers are remembered, of all transfers together. When the network fails, the system may hold megabytes that
 * have come, which are thousands of small files, and none of their answers is heard.
 */
const MOST = 16 * 1024

/** How long they are remembered, in milliseconds: a sender comes back soon. */
const MEMORY = 5 * 60 * 1000

/** A sender whose connection has not moved for this long, in milliseconds, has gone: it sends a heartbeat each second. */
const GONE = 3_000

/** A session, as others see it that want to go on with its work. */
export interface Returning {
  /** Resolves when the session has ended and has kept what it can. */
  readonly ended: Promise<unknown>
  readonly motion: { readonly idle: number }
  /** True if it is taking this file now. */
  isTaking(origin: string): boolean
  /** Aborted when its connection fails. Then it is at its last work. */
  readonly signal: AbortSignal
  /** True if its connection has become one of a bundle. Another session goes on with the transfer. */
  readonly isLane: boolean
  fail(error: TransferError): void
}

export class Returns {
  /** The answers of each transfer, and when it had its last one. The one that has rested longest comes first. */
  readonly #transfers = new Map<string, { last: number; answers: Map<number, Stored> }>()
  /** The number of answers. */
  #count = 0
  readonly #sessions = new Map<string, Returning>()
  /** The session that has taken a file or directory last, by its origin. */
  readonly #takers = new Map<string, Returning>()

  /** A sender has come. If it has another connection, that one has broken, whether this side has noticed or not. */
  async arrive(transfer: string, session: Returning): Promise<void> {
    const before = this.#sessions.get(transfer)
    this.#sessions.set(transfer, session)
    if (before && !before.isLane) await end(before)
    void session.ended.then(() => {
      if (this.#sessions.get(transfer) === session) this.#sessions.delete(transfer)
    })
  }

  /**
   * Before a session takes a file or directory that another one has begun with. That one has probably lost its sender: the
   * end of its connection lies behind megabytes that it has not read, or will never come. So this waits a moment for it,
   * and ends it if it does not move. Two senders of the same file that both move begin anew.
   */
  async take(origin: string, session: Returning): Promise<void> {
    const before = this.#takers.get(origin)
    this.#takers.set(origin, session)
    void session.ended.then(() => {
      if (this.#takers.get(origin) === session) this.#takers.delete(origin)
    })
    if (!before || before === session) return
    const isTaking = () => before.signal.aborted || before.isTaking(origin)
    if (isTaking())
      await Promise.race([before.ended, sleep(GONE, undefined, { signal: session.signal }).catch(() => {})])
    if (before.signal.aborted) await before.ended
    else if (isTaking() && before.motion.idle > GONE) await end(before)
  }

  /** True if something is being taken that may be kept soon. `start` is how its origin begins. */
  isTaking(start: string): boolean {
    for (const origin of this.#takers.keys()) if (origin.startsWith(start)) return true
    return false
  }

  remember(transfer: string, id: number, answer: Stored): void {
    const known = this.#transfers.get(transfer) ?? { last: 0, answers: new Map<number, Stored>() }
    const now = performance.now()
    known.last = now
    if (!known.answers.has(id)) this.#count++
    known.answers.set(id, answer)
    this.#transfers.delete(transfer)
    this.#transfers.set(transfer, known)
    while (this.#hasTooMuch(now)) this.#forgetOldest()
  }

  /** True if there are too many answers, or old ones. */
  #hasTooMuch(now: number): boolean {
    const { last } = this.#transfers.values().next().value as { last: number }
    return this.#count > MOST || now - last >= MEMORY
  }

  /** Forgets the oldest answer of the transfer that has rested longest. */
  #forgetOldest(): void {
    const [transfer, { answers }] = this.#transfers.entries().next().value as [string, { answers: Map<number, Stored> }]
    answers.delete(answers.keys().next().value as number)
    this.#count--
    if (answers.size === 0) this.#transfers.delete(transfer)
  }

  /** What was answered to an entry. */
  find(transfer: string, id: number): Stored | undefined {
    return this.#transfers.get(transfer)?.answers.get(id)
  }
}

async function end(session: Returning): Promise<void> {
  session.fail(
    new TransferError('incomplete', 'the sender went on over another connection', {
      reason: 'broken',
      peerMessage: 'you went on over another connection',
    }),
  )
  await session.ended
  // The listener counts the end of the one before it admits the other.
  await new Promise((resolve) => setImmediate(resolve))
}
