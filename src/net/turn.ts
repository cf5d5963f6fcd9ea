/**
 * Turns. One thread serves all connections, so none may work for long while others wait. A connection that has worked
 * for a millisecond waits until the others have had their turns. Work is time, and not bytes: a few bytes may be a
 * thousand frames, each with JSON or a file.
 *
 * Only one of those that wait continues in each round of the event loop. So a hundred connections that never pause make
 * a round little longer than one does. A connection that needs little, such as a new one, is never among them.
 *
 * But of the connections that wait to be accepted, libuv also accepts only one in each round. So while they come, there
 * are rounds for them alone: otherwise a thousand would take as long as a thousand turns.
 */

import { isAlone } from './memory.js'

/** The work of a turn beside other connections, in milliseconds. */
const TURN = 1

/** The work of a turn of a connection that is alone, in milliseconds. Each pause costs it a little. */
const ALONE = 10

/** A connection is alone if none has been accepted for so long, in milliseconds. */
const QUIET = 50

/** The longest time from the end of one turn to the next while connections are accepted, in milliseconds. */
const ACCEPTING = 2

/** To read so many bytes is as much work as a turn. Nobody measures it: Node.js reads before it calls anyone. */
const BYTES = 2 * 1024 * 1024

/** What is done behind a promise counts as so much work, in milliseconds. Its time would be that of others, too. */
const BEHIND = 0.1

/** Those whose turn is over, in the order in which they get the next one. */
const waiting: (() => void)[] = []

/** The `performance.now()` at which a connection was accepted last. */
let accepted = Number.NEGATIVE_INFINITY
/** The same when the last round looked at it. */
let seen = accepted
/** The `performance.now()` at which the last turn ended. */
let ended = 0

/** Called for each connection that was accepted. */
export function onAccepted(): void {
  accepted = performance.now()
}

function serve(): void {
  const isAccepting = accepted > seen && performance.now() - ended < ACCEPTING
  seen = accepted
  if (!isAccepting) waiting.shift()?.()
  if (waiting.length > 0) setImmediate(serve)
}

function wait(resume: () => void): void {
  if (waiting.length === 0) setImmediate(serve)
  waiting.push(resume)
}

/** Resolves when a piece of work may begin that is longer than a turn. */
export function nextTurn(): Promise<void> {
  return new Promise(wait)
}

/** What happens around each wait of `Turn.work`. */
export interface Waits {
  /** Called before it. The memory of what was read may be used again during the wait. */
  before(): void
  /** Called after it. May throw, and then nothing more is done. */
  after?(): void
}

/** The turn of one connection. */
export class Turn {
  /** The work of this turn so far, in milliseconds. */
  #spent = 0
  /** The `performance.now()` up to which work is counted. */
  #since = 0

  /** Called when `length` bytes were read, before anything is done with them. */
  begin(length: number): void {
    this.#spent += (length / BYTES) * TURN
    this.#since = performance.now()
  }

  /**
   * Calls `take` for each message, synchronously as long as none has to wait. So data are mostly digested and written
   * while they are still in the processor's cache. After a message that has to wait, or at the end of the turn, the rest
   * is done behind a promise.
   */
  work<Message>(
    messages: Iterator<Message>,
    take: (message: Message) => void | Promise<void>,
    waits: Waits,
  ): undefined | Promise<void> {
    const waiting = this.#run(messages, take)
    return waiting && this.#workLater(waiting, messages, take, waits)
  }

  /** A loop, and not a chain of promises: an error looks for its stack in the whole chain. */
  async #workLater<Message>(
    first: Promise<void>,
    messages: Iterator<Message>,
    take: (message: Message) => void | Promise<void>,
    { before, after }: Waits,
  ): Promise<void> {
    for (let waiting: Promise<void> | undefined = first; waiting; waiting = this.#run(messages, take)) {
      before()
      await waiting
      this.#spent += BEHIND
      this.#since = performance.now()
      // Messages that wait, one after the other, may all be done without a round of the event loop.
      const nextTurn = this.check()
      if (nextTurn) await nextTurn
      after?.()
      this.#since = performance.now()
    }
  }

  /** Returns the promise of the first message that has to wait, or of the next turn. */
  #run<Message>(
    messages: Iterator<Message>,
    take: (message: Message) => void | Promise<void>,
  ): undefined | Promise<void> {
    for (let next = messages.next(); !next.done; next = messages.next()) {
      const waiting = take(next.value) ?? this.check()
      if (waiting) return waiting
    }
    return undefined
  }

  /** Called after each piece of work. If the turn is over, the returned promise resolves when the next one begins. */
  check(): Promise<void> | undefined {
    const now = performance.now()
    this.#spent += now - this.#since
    this.#since = now
    if (this.#spent < (isAlone() && now - accepted > QUIET ? ALONE : TURN)) return undefined
    ended = now
    return new Promise((resolve) => {
      wait(() => {
        this.#spent = 0
        resolve()
      })
    })
  }
}
