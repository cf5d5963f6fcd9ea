/** The library: all that the commands do, without printing, exiting or reading anything global. */
export { type ErrorCode, exitCodes, TransferError } from './errors.js'
export type * from './events.js'
export { EVENTS_VERSION } from './events.js'
export type { IfExists } from './files/folder-store.js'
export { type ReceiveOptions, receive } from './receive.js'
export { type FileToSend, type SendOptions, type StreamToSend, type Summary, send } from './send.js'
