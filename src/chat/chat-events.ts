/** The events of a conversation, for `onEvent` and `tcp-chat --json`. README.md documents every field. */
import type { FailedEvent, ListeningEvent, RefusedEvent, WarningEvent } from '../events.js'

/** Somebody has joined. For a side that has dialled: the one that it has reached. */
export interface JoinedEvent {
  event: 'joined'
  name: string
  /** `address:port`, for a side that has a connection to this peer. */
  peer?: string
  /** True for a peer that is no tcp-chat. */
  plain?: boolean
  /** The name of the key that this peer has proved, if it has one. */
  key?: string
  /** For a side that has dialled: its own name there, and true if others can be there, too. */
  you?: string
  room?: boolean
}

/** Somebody has said a line. */
export interface LineEvent {
  event: 'line'
  from: string
  /** As it came. It must be escaped before a terminal shows it. */
  text: string
}

/** Somebody has left. */
export interface LeftEvent {
  event: 'left'
  name: string
  /** `left`, or the reason of an error if that was not meant, and the error as one line for a person. */
  reason: string
  message?: string
}

/** Lines are missing here, because nobody read the events, or over UDP because there were too many. */
export interface DroppedEvent {
  event: 'dropped'
  lines: number
  /** Over UDP: whose lines. */
  from?: string
}

/** Something to know, as one line for a person. */
export interface NoticeEvent {
  event: 'notice'
  message: string
}

/** The conversation is over. This is always the last event. */
export interface ChatDoneEvent {
  event: 'done'
  linesIn: number
  linesOut: number
  /** In seconds, to the millisecond. */
  seconds: number
  /** The exit status of the command. 0 means that it ended as it was meant to. */
  exitCode: number
}

export type ChatEvent =
  | ListeningEvent
  | JoinedEvent
  | LineEvent
  | LeftEvent
  | DroppedEvent
  | NoticeEvent
  | WarningEvent
  | RefusedEvent
  | FailedEvent
  | ChatDoneEvent

/** Called for every event, in order. If it returns a promise, nothing more is read from a partner until it settles. */
export type OnChatEvent = (event: ChatEvent) => unknown
