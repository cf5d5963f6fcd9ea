/**
 * A link is a connection that carries entries. A framed link speaks the protocol. A plain link carries the bytes of one
 * entry and nothing else (`--plain`); it says by itself what a peer of the protocol would say, so that a transfer takes
 * the same steps over both.
 */
import type { TransferError } from '../errors.js'
import type { End, Header, ReceivedHeader, ReceiverMessage, SenderMessage, Stored } from '../protocol/messages.js'

export interface Link {
  /** Aborted with the link's error as soon as it fails. */
  readonly signal: AbortSignal
  /** Settles when nothing of the connection is left. Never rejects. */
  readonly closed: Promise<void>
  /** True once the peer has sent a byte. */
  readonly hasHeard: boolean
  /** The link's error, with what is known about its usual cause. */
  explain(error: TransferError): TransferError
  /** Ends the link at once with `error`, and says so to the peer if it can. */
  fail(error: TransferError): void
  /** Ends the link after everything has been said. */
  close(): Promise<void>
}

/** The sending end of a link. */
export interface SenderLink extends Link {
  /** Says that a sender is here. */
  open(): Promise<void>
  /**
   * Hands over each message of the receiver, the greeting first. Resolves when the receiver has ended or
   * `stopReceiving` was called. Rejects with the link's error.
   */
  receive(onMessage: (message: ReceiverMessage) => void): Promise<void>
  stopReceiving(): void
  /** Announces an entry. Returns the payload that its digest of the header covers, or null if it has none. */
  begin(header: Header): Promise<Buffer | null>
  /** The bytes to leave free before each piece of data. */
  readonly prefix: number
  /** Makes `length` bytes of `buffer`, from `offset` + `prefix` on, a piece of data. */
  frame(buffer: Buffer, offset: number, length: number): void
  /** Writes whole pieces. Resolves when the kernel has taken them: then the caller may use the buffer again. */
  write(pieces: Buffer): Promise<void>
  end(end: End): Promise<void>
  /** Gives an entry up. A plain link cannot say that: there, the failure of its entry is the failure of the link. */
  readonly abort?: (entry: number, error: TransferError) => Promise<void>
  /** Says that no entry will follow after so many, and ends this direction. */
  finish(entries: number): Promise<void>
}

/** What a receiver is told of an entry, in order: header, data, end or abort. */
export type EntryMessage = Exclude<SenderMessage, { frame: 'header' }> | HeaderMessage

export interface HeaderMessage extends ReceivedHeader {
  frame: 'header'
  /** The payload that the sender's digest of the header covers, or null if there is none. */
  payload: Buffer | null
}

/** The receiving end of a link. */
export interface ReceiverLink extends Link {
  /** The name of the one entry that a plain link carries. */
  readonly entryName?: string
  /**
   * Hands over each message of the sender; a promise keeps the next one back. Data are given by the rule of
   * net/memory.ts. Resolves after the sender has finished. Rejects with the link's error, after `onMessage` has settled.
   */
  receive(onMessage: (message: EntryMessage) => void | Promise<void>): Promise<void>
  /** Answers that the entry is stored. */
  confirm(stored: Stored): Promise<void>
  /** Answers that an entry is not taken. A plain link cannot say that: there, it is the failure of the link. */
  readonly refuse?: (entry: number, error: TransferError) => Promise<void>
}
