/** Messages to bytes. `decoder.ts` reads what this module writes; the protocol document shows every frame. */
import { FRAME_HEADER, MAX_CONTROL, RECEIVER_MAGIC, SENDER_MAGIC, VERSION } from './limits.js'
import type { Abort, End, Finished, FrameName, Header, Heartbeat, Refused, Stored } from './messages.js'
import { frameTypes } from './messages.js'

/** Writes the first five bytes of a frame at `offset`: its type, and the length of the payload that follows. */
export function writeFrameHeader(buffer: Buffer, name: FrameName, length: number, offset = 0): void {
  buffer.write(frameTypes[name], offset, 'latin1')
  buffer.writeUInt32BE(length, offset + 1)
}

/** A control frame: `fields` as JSON. The longest is a header with a name of 255 bytes, far below the limit. */
export function controlFrame(name: FrameName, fields: object): Buffer {
  const json = JSON.stringify(fields)
  const length = Buffer.byteLength(json)
  if (length > MAX_CONTROL) throw new RangeError(`a ${name} frame of ${length} bytes is over ${MAX_CONTROL}`)
  const frame = Buffer.allocUnsafe(FRAME_HEADER + length)
  writeFrameHeader(frame, name, length)
  frame.write(json, FRAME_HEADER)
  return frame
}

/** The program's name in a greeting, for people. */
const software = 'tcp-send-recv'

function opening(magic: string, more: object = {}): Buffer {
  const greeting = controlFrame('greeting', { version: VERSION, software, ...more })
  return Buffer.concat([Buffer.from(magic, 'latin1'), greeting])
}

export const encode = {
  /** The sender's first bytes: its magic and the greeting. */
  senderOpening: () => opening(SENDER_MAGIC),
  /** The receiver's first bytes: its magic and the greeting, after it has read the sender's. */
  receiverOpening: (features: readonly string[] = []) =>
    opening(RECEIVER_MAGIC, features.length > 0 ? { features } : {}),
  header: ({ kind, ...fields }: Header) =>
    controlFrame('header', kind === 'file' ? fields : { ...fields, '!kind': kind }),
  end: (end: End) => controlFrame('end', end),
  abort: (abort: Abort) => controlFrame('abort', abort),
  finished: (finished: Finished) => controlFrame('finished', finished),
  stored: (stored: Stored) => controlFrame('stored', stored),
  refused: (refused: Refused) => controlFrame('refused', refused),
  heartbeat: (heartbeat: Heartbeat = {}) => controlFrame('heartbeat', heartbeat),
}
