/** What a member of a conversation is told, and what it calls. */
import type { Greeting, Message } from './chat-protocol.js'
import type { Kind } from './kind.js'
import type { Pace } from './pace.js'

export interface MemberOptions {
  /** For a side that has dialled: what it dials, and the name that it says. */
  dials?: { kind: Kind; name: string }
  /** How long a native peer may be silent, and how long any peer may take nothing, in milliseconds. */
  timeout: number
  pace: Pace
  /** Called once, when it is known who the other side is: null for a plain peer. May throw to turn it away. */
  onGreeting(greeting: Greeting | null): void
  /** Called for each message. While the returned promise is pending, nothing is read. */
  onMessage(message: Message): void | Promise<void>
}
