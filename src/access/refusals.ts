/**
 * The events of connections that never become a transfer: strangers, peers without the key, one too many. Anybody can
 * cause them as fast as a network carries them, so only some are reported. The others are counted, and told with the
 * last one of them.
 */
import type { FailedEvent, RefusedEvent } from '../events.js'

/** At most so many are reported in so many milliseconds. A table, so that a test with hundreds of them need not wait. */
export const refusalLimits = { reported: 10, period: 10_000 }

type Refusal = RefusedEvent | FailedEvent

type OnRefusal = (event: Refusal) => unknown

export class Refusals {
  readonly #onEvent: OnRefusal
  readonly #onFault: (thrown: unknown) => void
  /** Set during a period, which begins with a refusal. */
  #period: NodeJS.Timeout | undefined
  #reported = 0
  /** How many were only counted so far, and the last one of them. */
  #counted = 0
  #last: Refusal | null = null
  /** True while nobody reads what was reported. */
  #isHeldUp = false

  /** @param onFault called with what `onEvent` throws outside of `add` and `end` */
  constructor(onEvent: OnRefusal, onFault: (thrown: unknown) => void) {
    this.#onEvent = onEvent
    this.#onFault = onFault
  }

  /** Reports a refusal, or counts it if there are too many. Throws what `onEvent` throws. */
  add(event: Refusal): void {
    if (this.#period === undefined) this.#begin()
    this.#counted++
    this.#last = event
    this.#reportIfAllowed()
  }

  #begin(): void {
    this.#reported = 0
    this.#period = setTimeout(() => this.#onPeriodEnd(), refusalLimits.period)
  }

  #onPeriodEnd(): void {
    this.#period = undefined
    if (this.#counted === 0) return
    this.#begin()
    this.#reportLater()
  }

  /** Outside of a call of `add`. */
  #reportLater(): void {
    try {
      this.#reportIfAllowed()
    } catch (error) {
      this.#onFault(error)
    }
  }

  #reportIfAllowed(): void {
    if (this.#reported < refusalLimits.reported && !this.#isHeldUp) this.#report()
  }

  /** Reports the last refusal, with the number of those that were only counted. */
  #report(): void {
    const [last, others] = [this.#last, this.#counted - 1]
    if (last === null) return
    this.#reported++
    this.#counted = 0
    this.#last = null
    const drained = this.#onEvent(others === 0 ? last : withOthers(last, others))
    if (!(drained instanceof Promise)) return
    this.#isHeldUp = true
    const goOn = () => {
      this.#isHeldUp = false
      this.#reportLater()
    }
    drained.then(goOn, goOn)
  }

  /** Reports what was only counted so far. Throws what `onEvent` throws. */
  end(): void {
    clearTimeout(this.#period)
    this.#report()
  }
}

function withOthers(event: Refusal, others: number): Refusal {
  const more = others === 1 ? '1 other before it was' : `${others} others before it were`
  return { ...event, message: `${event.message} (${more} only counted)`, others }
}
