/** The library: everything that the commands do, without printing, exiting or reading the command line. */
export type { KeySource } from './access/entrance.js'
export type * from './chat/chat-events.js'
export type { Talk, TalkSummary } from './chat/talk.js'
export { type ChatOptions, chat } from './chat.js'
export { type ErrorCode, exitCodes, type Reason, reasons, TransferError, type TransferErrorOptions } from './errors.js'
export type * from './events.js'
export { EVENTS_VERSION } from './events.js'
export type { KeyOption, NamedKey } from './keys.js'
export { type ListOptions, list } from './list.js'
export { cleanPartial, listPartial, type PartialOptions } from './partial.js'
export { receive } from './receive.js'
export type { ReceiveOptions } from './receive-options.js'
export type { Address, Received, Receiving } from './receiving.js'
export { send } from './send.js'
export type { SendOptions } from './send-options.js'
export type { ByteStream } from './sources/byte-stream.js'
export type {
  BytesToSend,
  DescriptorToSend,
  FileToSend,
  MessageToSend,
  Sendable,
  StreamToSend,
} from './sources/create-source.js'
export type { IfExists } from './stores/final-name.js'
export type { Summary } from './summary.js'
export type { CompressMode } from './transfer/compression.js'
export type { Expectation } from './transfer/expectation.js'
export type { Streams } from './transfer/streams.js'
