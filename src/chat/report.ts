/** What one conversation tells its user: the events, the number of lines, and how it ended. */
import { asTransferError, type TransferError } from '../errors.js'
import { failedEvent, secondsSince } from '../event-values.js'
import type { ChatEvent, OnChatEvent } from './chat-events.js'
import type { TalkSummary } from './talk.js'

export class Report {
  readonly #onEvent: OnChatEvent
  readonly #start = performance.now()
  /** As in the summary. */
  linesIn = 0
  linesOut = 0
  /** Called with what `onEvent` throws, which ends the conversation. */
  onFault: (error: TransferError) => void = () => {}
  #isOver = false
  /** Resolves with the summary, or rejects with the failure, after the event `done`. */
  readonly finished: Promise<TalkSummary>
  #settle!: (failure: TransferError | null) => void

  constructor(onEvent: OnChatEvent) {
    this.#onEvent = onEvent
    this.finished = new Promise<TalkSummary>((resolve, reject) => {
      this.#settle = (failure) => (failure ? reject(failure) : resolve(this.#summary()))
    })
    // Who never asks must not be ended by it.
    this.finished.catch(() => {})
  }

  #summary(): TalkSummary {
    return { linesIn: this.linesIn, linesOut: this.linesOut, seconds: secondsSince(this.#start) }
  }

  /** Returns a promise while nobody takes the events. It never rejects. */
  emit(event: ChatEvent): Promise<void> | undefined {
    try {
      const taken = this.#onEvent(event)
      return taken instanceof Promise ? taken.catch(() => {}) : undefined
    } catch (error) {
      this.onFault(asTransferError(error))
      return undefined
    }
  }

  /** Reports the end. Only the first call counts. */
  end(failure: TransferError | null): void {
    if (this.#isOver) return
    this.#isOver = true
    if (failure) this.emit(failedEvent(failure))
    this.emit({ event: 'done', ...this.#summary(), exitCode: failure?.exitCode ?? 0 })
    this.#settle(failure)
  }
}
