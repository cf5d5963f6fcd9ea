/** Messages to bytes. What is written here is what `decoder.ts` reads; the protocol document shows every frame. */
import { FRAME_HEADER, MAX_CONTROL, RECEIVER_MAGIC, SENDER_MAGIC, VERSION } from './limits.js'
import type { Abort, End, Finished, FrameName, Header, Heartbeat, Refused, Stored } from './messages.js'
import { frameTypes } from './messages.js'

/** Writes a frame's first five bytes at `offset`: its type, and the length of the payload that follows them. */
export function writeFrameHeader(buffer: Buffer, name: FrameName, length: number, offset = 0): void {
  buffer.write(frameTypes[name], offset, 'latin1')
  buffer.writeUInt32BE(length, offset + 1)
}

/** A control frame: `fields` as JSON. The longest, a header with a 255-byte name, is far below the limit. */
export function controlFrame(name: FrameName, fields: object): Buffer {
  const json = JSON.stringify(fields)
  const length = Buffer.byteLength(json)
  if (length > MAX_CONTROL) throw new RangeError(`a ${name} frame of ${length} bytes is over ${MAX_CONTROL}`)
  const frame = Buffer.allocUnsafe(FRAME_HEADER + length)
  writeFrameHeader(frame, name, length)
  frame.write(json, FRAME_HEADER)
  return frame
}

/** The name and version that a greeting carries for people. */
const software = 'tcp-send-recv'

function opening(magic: string): Buffer {
  return Buffer.concat([Buffer.from(magic, 'latin1'), controlFrame('greeting', { version: VERSION, software })])
}

export const encode = {
  /** The sender's first bytes: its magic and the greeting. */
  senderOpening: () => opening(SENDER_MAGIC),
  /** The receiver's first bytes, once it has read the sender's. */
  receiverOpening: () => opening(RECEIVER_MAGIC),
  header: ({ kind, ...fields }: Header) =>
    controlFrame('header', kind === 'file' ? fields : { ...fields, '!kind': kind }),
  end: (end: End) => controlFrame('end', end),
  abort: (abort: Abort) => controlFrame('abort', abort),
  finished: (finished: Finished) => controlFrame('finished', finished),
  stored: (stored: Stored) => controlFrame('stored', stored),
  refused: (refused: Refused) => controlFrame('refused', refused),
  heartbeat: (heartbeat: Heartbeat = {}) => controlFrame('heartbeat', heartbeat),
}
