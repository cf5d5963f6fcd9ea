/**
 * A link is a connection that carries entries. A framed link speaks the protocol. A plain link carries the bytes of one
 * entry and nothing else (`--plain`). It makes up the messages that the peer would send, so that a transfer takes the
 * same steps over both.
 */
import type { AtHand } from '../at-hand.js'
import type { TransferError } from '../errors.js'
import type { Turn } from '../net/turn.js'
import type {
  Digests,
  End,
  Header,
  ReceivedHeader,
  ReceiverMessage,
  SenderGreeting,
  SenderMessage,
  Stored,
  Wanted,
} from '../protocol/messages.js'
import type { Bundle } from './bundle.js'

export interface Link {
  /** Aborted with the link's error as soon as it fails. */
  readonly signal: AbortSignal
  /** Resolves when the connection is closed. Never rejects. */
  readonly closed: Promise<void>
  /** True once the peer has sent a byte. */
  readonly hasHeard: boolean
  /** Returns the link's error with a hint at its usual cause, if there is one. */
  explain(error: TransferError): TransferError
  /** Ends the link at once with `error`, and tells the peer if possible. */
  fail(error: TransferError): void
  /** Closes the link after the last message. */
  close(): Promise<void>
  /** True if the connection has become one of a bundle. Then the link does nothing else. */
  readonly isLane?: boolean
  /** Makes the connection one of the bundle. `connections` is how many the sender wants in all. Never over a plain link. */
  readonly joinBundle?: (bundle: Bundle, onMoved: () => void, connections?: number) => void
}

/** The sending end of a link. */
export interface SenderLink extends Link {
  /** Sends the opening of a sender. */
  open(names?: OpeningNames): Promise<void>
  /**
   * Hands over each message of the receiver, the greeting first. A promise holds back the next message. Resolves when the
   * receiver has ended or `stopReceiving` was called. Rejects with the link's error, after `onMessage` has settled.
   */
  receive(onMessage: OnAnswer): Promise<void>
  stopReceiving(): void
  /** Milliseconds that the last write has been waiting for the peer. 0 if nothing waits. */
  readonly blocked: number
  /** Announces an entry. Returns the payload of the header frame for its digest. Null over a plain link. */
  begin(header: Header): Promise<Buffer | null>
  /** The number of bytes to leave free before each piece of data. */
  readonly prefix: number
  /** Makes `length` bytes of `buffer`, from `offset` + `prefix` on, a piece of data. */
  frame(buffer: Buffer, offset: number, length: number): void
  /** Writes whole pieces. Resolves when the kernel has taken them. The caller may then reuse the buffer. */
  write(pieces: Buffer): Promise<void>
  /** Sends the digests of segments or chunks of the current file. A plain link has none of the two. */
  readonly compare?: (digests: Digests) => Promise<void>
  /** Says where in the current file the next data belong. */
  readonly place?: (offset: number) => Promise<void>
  end(end: End): Promise<void>
  /** Gives up an entry. A plain link cannot do that: the failure of its entry is the failure of the link. */
  readonly abort?: (entry: number, error: TransferError) => Promise<void>
  /** Sends the final number of entries, and ends this direction. */
  finish(entries: number): Promise<void>
}

/** The names in the greeting of a sender (protocol/messages.ts). */
export type OpeningNames = Pick<SenderGreeting, 'transfer' | 'bundle' | 'join'>

export type OnAnswer = (message: AnswerMessage) => AtHand<void>

/** A message of the receiver. */
export type AnswerMessage = Exclude<ReceiverMessage, { frame: 'stored' | 'ancillary' }> | StoredMessage

export interface StoredMessage extends Stored {
  frame: 'stored'
  /** The `performance.now()` at which the entry was handed over. A plain link says `stored` only some time later. */
  handedOver?: number
}

/** A message of the sender. The messages of one entry are, in order: header, data, end or abort. */
export type EntryMessage =
  | Exclude<SenderMessage, { frame: 'header' | 'data' | 'compressed' | 'finished' | 'heartbeat' | 'ancillary' }>
  | HeaderMessage
  | DataMessage

export interface DataMessage {
  frame: 'data'
  bytes: Buffer
  /** The number of bytes that came for them, if they were compressed. */
  wire?: number
}

export interface HeaderMessage extends ReceivedHeader {
  frame: 'header'
  /** The payload of the header frame, for its digest. Null over a plain link. */
  payload: Buffer | null
}

/** The receiving end of a link. */
export interface ReceiverLink extends Link {
  /** The turn of the connection, for work in steps on one message. */
  readonly turn: Turn
  /** The name of the one entry that a plain link carries. */
  readonly entryName?: string
  /**
   * Hands over each message of the sender. A promise holds back the next message. The rule of net/memory.ts applies to
   * data. Resolves after the sender has finished. Rejects with the link's error, after `onMessage` has settled.
   */
  receive(onMessage: (message: EntryMessage) => void | Promise<void>): Promise<void>
  /** Answers that the entry is stored. */
  confirm(stored: Stored): Promise<void>
  /** Says what is wanted of a file whose sender asks. Over a plain link, none does. */
  readonly want?: (wanted: Wanted) => Promise<void>
  /** Says what is there of a directory whose sender asks. */
  readonly list?: (entry: number, items: AsyncIterable<string>) => Promise<void>
  /** Answers that an entry is refused. A plain link cannot do that: a refusal is the failure of the link. */
  readonly refuse?: (entry: number, error: TransferError) => Promise<void>
}
