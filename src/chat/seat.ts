/** The place of a connection in a listener. One that has said nothing yet can lose it when all are taken. */
import type { Holder } from '../access/places.js'
import type { TransferError } from '../errors.js'
import type { Member } from './member.js'

export class Seat implements Holder {
  member: Member | undefined
  /** True once it has said something, or has greeted. */
  hasBegun = false
  readonly motion = this
  readonly #start = performance.now()

  get idle(): number {
    return this.hasBegun ? 0 : performance.now() - this.#start
  }

  fail(error: TransferError): void {
    this.member?.fail(error)
  }
}
