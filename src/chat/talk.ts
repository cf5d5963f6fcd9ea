/** A conversation as the library and the command see it, whatever it runs over. */
import type { OnChatEvent } from './chat-events.js'

/** What all kinds of conversation are told. */
export interface TalkOptions {
  /** The address to listen on, or the host to connect to. */
  host: string | undefined
  port: number | undefined
  name: string
  /** In milliseconds; undefined if it was not given. */
  wait: number | undefined
  timeout: number
  signal: AbortSignal
  onEvent: OnChatEvent
}

/** What a conversation came to. */
export interface TalkSummary {
  /** The number of lines that others have said, and of those that this side has said. */
  linesIn: number
  linesOut: number
  /** The duration in seconds, to the millisecond. */
  seconds: number
}

export interface Talk {
  /** Where this side listens. Null for a side that has dialled. */
  readonly address: { address: string; port: number } | null
  /**
   * Says a text, each line of which is a line of the conversation. Resolves when more can be said, so who waits for it
   * never says more than the others take. Resolves with false if nobody was there to hear it.
   */
  say(text: string): Promise<boolean>
  /** The names of all who are there, with one's own. */
  who(): Promise<string[]>
  /**
   * Called when there will be nothing more to say. A side that has dialled then leaves, but goes on taking lines of a
   * plain peer until that ends, too. A side that listens does the same after it has said something. If it has not, it
   * goes on until its partner leaves; a room goes on.
   */
  sayNoMore(): void
  /** Leaves, and tells the others. `word` is what a plain partner is sent for that: `Q` by default. */
  leave(word?: string): void
  /** Resolves when it is over. Rejects with a TransferError if that was not meant. */
  readonly finished: Promise<TalkSummary>
}
