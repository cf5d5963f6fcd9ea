/** What the receiving engine needs of a place to put bytes; a folder and an output stream are two such places. */
import type { Header } from '../protocol/messages.js'

export interface Store {
  /** Makes ready for one entry. Throws a refusal, or a local-file error, before any byte of it is taken. */
  begin(header: Header): Promise<Incoming>
  /** Gives back what the store holds open. */
  close(): Promise<void>
}

/** One entry on its way in. After `commit` or `discard` it is of no use. */
export interface Incoming {
  /** Takes the next bytes, at once or behind a promise; then it must `keep` them (memory.ts). */
  write(bytes: Buffer): void | Promise<void>
  /** Makes everything written durable and gives it its final name. */
  commit(): Promise<StoredAs>
  /** Leaves no trace. Never throws. */
  discard(): Promise<void>
}

export interface StoredAs {
  /** The final name, which the peer is told. */
  name: string
  /** The path on this machine, which it is not. */
  path: string
  /** For a message, which has neither: what it says. */
  text?: string
}
