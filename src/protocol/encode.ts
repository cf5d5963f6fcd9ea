/** Messages to bytes. `decoder.ts` reads what this module writes; the protocol document shows every frame. */
import { type CompressedPiece, PIECE_HEAD, writePieceHead } from './compressed.js'
import { FRAME_HEADER, MAX_CONTROL, RECEIVER_MAGIC, SENDER_MAGIC, VERSION } from './limits.js'
import type {
  Abort,
  Bundling,
  Digests,
  End,
  Finished,
  FrameName,
  Header,
  Heartbeat,
  Listed,
  Position,
  ReceiverGreeting,
  Refused,
  SenderGreeting,
  Stored,
  Wanted,
} from './messages.js'
import { frameTypes } from './messages.js'

/** Writes the first five bytes of a frame at `offset`: its type, and the length of the payload that follows. */
export function writeHead(buffer: Buffer, type: string, length: number, offset: number): void {
  buffer[offset] = type.charCodeAt(0)
  buffer.writeUInt32BE(length, offset + 1)
}

/** The same for a frame of either direction. */
export function writeFrameHeader(buffer: Buffer, name: FrameName, length: number, offset = 0): void {
  writeHead(buffer, frameTypes[name], length, offset)
}

/** A control frame: `fields` as JSON. The longest is a symlink with a target of 4,095 bytes, far below the limit. */
export function frameOf(type: string, fields: object): Buffer {
  const json = JSON.stringify(fields)
  const length = Buffer.byteLength(json)
  if (length > MAX_CONTROL) throw new RangeError(`a frame ${type} of ${length} bytes is over ${MAX_CONTROL}`)
  const frame = Buffer.allocUnsafe(FRAME_HEADER + length)
  writeHead(frame, type, length, 0)
  frame.write(json, FRAME_HEADER)
  return frame
}

/** A control frame of either direction. */
export function controlFrame(name: FrameName, fields: object): Buffer {
  return frameOf(frameTypes[name], fields)
}

/** The program's name in a greeting, for people. */
const software = 'tcp-send-recv'

function opening(magic: string, more: object = {}): Buffer {
  const greeting = controlFrame('greeting', { version: VERSION, software, ...more })
  return Buffer.concat([Buffer.from(magic, 'latin1'), greeting])
}

export const encode = {
  /** The sender's first bytes: its magic and the greeting. */
  senderOpening: (names: Pick<SenderGreeting, 'transfer' | 'bundle' | 'join'> = {}) => opening(SENDER_MAGIC, names),
  /** The receiver's first bytes: its magic and the greeting, after it has read the sender's. */
  receiverOpening: (features: readonly string[] = [], facts: Pick<ReceiverGreeting, 'rtt' | 'join'> = {}) =>
    opening(RECEIVER_MAGIC, { ...(features.length > 0 ? { features } : {}), ...facts }),
  header: ({ kind, ...fields }: Header) =>
    controlFrame('header', kind === 'file' ? fields : { ...fields, '!kind': kind }),
  compressed: (piece: CompressedPiece) => {
    const head = Buffer.allocUnsafe(FRAME_HEADER + PIECE_HEAD)
    writeFrameHeader(head, 'compressed', PIECE_HEAD + piece.bytes.length)
    writePieceHead(head, piece, FRAME_HEADER)
    return Buffer.concat([head, piece.bytes])
  },
  digests: (digests: Digests) => controlFrame('digests', digests),
  position: (position: Position) => controlFrame('position', position),
  end: (end: End) => controlFrame('end', end),
  abort: (abort: Abort) => controlFrame('abort', abort),
  finished: (finished: Finished) => controlFrame('finished', finished),
  stored: (stored: Stored) => controlFrame('stored', stored),
  refused: (refused: Refused) => controlFrame('refused', refused),
  wanted: (wanted: Wanted) => controlFrame('wanted', wanted),
  listed: (listed: Listed) => controlFrame('listed', listed),
  bundle: (bundling: Bundling = {}) => controlFrame('bundle', bundling),
  heartbeat: (heartbeat: Heartbeat = {}) => controlFrame('heartbeat', heartbeat),
}
