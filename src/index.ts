/** The library: all that the commands do, without printing, exiting or reading anything global. */
export { type ErrorCode, exitCodes, TransferError } from './errors.js'
export type * from './events.js'
export { EVENTS_VERSION } from './events.js'
export { type ReceiveOptions, receive } from './receive.js'
export {
  type DescriptorToSend,
  type FileToSend,
  type MessageToSend,
  type SendOptions,
  type StreamToSend,
  send,
} from './send.js'
export type { IfExists } from './stores/final-name.js'
export type { Summary } from './summary.js'
export type { Expectation } from './transfer/expectation.js'
