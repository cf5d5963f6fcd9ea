/**
 * Bytes to messages. A decoder owns no socket, file or clock: it is fed pieces of a stream, cut anywhere, and yields
 * the same messages for every cut. It never buffers more than one control payload (64 KiB); data passes through as
 * slices of what was fed in. It throws a ProtocolError at the first byte that breaks the protocol, and is of no use after.
 *
 *   FrameDecoder      magic, then frames within their limits           (both directions)
 *   SenderDecoder     greeting (header data* (end | abort))* finished  (what a receiver reads)
 *   ReceiverDecoder   greeting (stored | refused)*                     (what a sender reads)
 *
 * A heartbeat may stand between any two frames after the greeting.
 */
import { CHUNK, FRAME_HEADER, MAX_CONTROL, MAX_DATA, RECEIVER_MAGIC, SENDER_MAGIC, VERSION } from './limits.js'
import {
  type FrameName,
  frameTypes,
  ProtocolError,
  parsers,
  type ReceiverMessage,
  type SenderMessage,
} from './messages.js'
import { describeStranger } from './strangers.js'

const EMPTY = Buffer.alloc(0)

/** One whole control frame, or one piece of a data frame: `first` and `length` describe the frame it belongs to. */
interface Frame {
  name: FrameName
  payload: Buffer
  first: boolean
  length: number
}

type FrameState = 'magic' | 'frame-header' | 'control' | 'data'
type SenderState = 'greeting' | 'idle' | 'entry' | 'over'

/** The frames that may come in each state of the sender's direction. */
const allowedFrames: Record<SenderState, readonly FrameName[]> = {
  greeting: ['greeting'],
  idle: ['header', 'abort', 'finished', 'heartbeat'],
  entry: ['data', 'end', 'abort', 'heartbeat'],
  over: [],
}

const names = new Map<number, FrameName>(
  Object.entries(frameTypes).map(([name, letter]) => [letter.charCodeAt(0), name as FrameName]),
)

/** Magic and frames. Next state: magic → frame-header → control | data → frame-header → … */
class FrameDecoder {
  #state: FrameState = 'magic'
  /** What is still to be read of the bytes of the running `push`. */
  #rest: Buffer = EMPTY
  readonly #magic: string
  /** The bytes of a unit that came in pieces; allocated once, at the unit's own (checked) size. */
  #held: Buffer = EMPTY
  #filled = 0
  #name: FrameName = 'greeting'
  #length = 0
  #left = 0
  #first = false

  constructor(magic: string) {
    this.#magic = magic
  }

  /** Has what is left of the bytes that the running `push` was given kept, so that their memory may be used again. */
  detach(keep: (bytes: Buffer) => Buffer): void {
    this.#rest = keep(this.#rest)
  }

  *push(bytes: Buffer): Generator<Frame, void, undefined> {
    this.#rest = bytes
    while (this.#rest.length > 0) {
      if (this.#state === 'data') {
        const payload = this.#rest.subarray(0, this.#left)
        this.#rest = this.#rest.subarray(payload.length)
        this.#left -= payload.length
        const first = this.#first
        this.#first = false
        if (this.#left === 0) this.#state = 'frame-header'
        yield { name: 'data', payload, first, length: this.#length }
        continue
      }
      const unit = this.#gather()
      if (this.#state === 'magic') this.#checkMagic(unit ?? this.#held.subarray(0, this.#filled))
      if (unit === null) return
      if (this.#state === 'control') {
        this.#state = 'frame-header'
        yield { name: this.#name, payload: unit, first: true, length: this.#length }
      } else if (this.#state === 'magic') {
        this.#state = 'frame-header'
      } else {
        this.#readHeader(unit)
      }
    }
  }

  /** The next whole unit (magic, frame header or control payload), out of what was held and what has come; or null. */
  #gather(): Buffer | null {
    const rest = this.#rest
    const wanted = this.#wanted()
    if (this.#filled === 0 && rest.length >= wanted) {
      this.#rest = rest.subarray(wanted)
      return rest.subarray(0, wanted)
    }
    if (this.#filled === 0) this.#held = Buffer.allocUnsafe(wanted)
    const copied = rest.copy(this.#held, this.#filled)
    this.#rest = rest.subarray(copied)
    this.#filled += copied
    if (this.#filled < wanted) return null
    this.#filled = 0
    return this.#held
  }

  #wanted(): number {
    if (this.#state === 'magic') return this.#magic.length
    return this.#state === 'control' ? this.#length : FRAME_HEADER
  }

  /** Judges the magic as early as its first wrong byte: who speaks another protocol may be waiting for our answer. */
  #checkMagic(start: Buffer): void {
    const text = start.toString('latin1')
    if (this.#magic.startsWith(text)) return
    throw new ProtocolError(describeStranger(start), 'magic')
  }

  #readHeader(unit: Buffer): void {
    const type = unit.readUInt8(0)
    const length = unit.readUInt32BE(1)
    const name = names.get(type)
    if (name === undefined) throw new ProtocolError(`unknown frame type ${type}`)
    const limit = name === 'data' ? MAX_DATA : MAX_CONTROL
    if (length === 0) throw new ProtocolError(`the ${name} frame is empty`)
    if (length > limit) throw new ProtocolError(`the ${name} frame has ${length} bytes, over the limit of ${limit}`)
    this.#name = name
    this.#length = length
    this.#left = length
    this.#first = true
    this.#state = name === 'data' ? 'data' : 'control'
  }
}

function checkVersion(version: number, side: string): void {
  if (version === VERSION) return
  throw new ProtocolError(
    `the ${side} speaks version ${version} of the protocol, this side version ${VERSION}`,
    'version',
  )
}

/** Reads the sender's direction. Next state: greeting → idle → entry → idle → … → over */
export class SenderDecoder {
  readonly #frames = new FrameDecoder(SENDER_MAGIC)
  #state: SenderState = 'greeting'
  #entries = 0
  #size: number | null = null
  #bytes = 0
  #lastChunkWasShort = false

  /** To be called before the memory of the pushed bytes is used again while the generator is not at its end. */
  detach(keep: (bytes: Buffer) => Buffer): void {
    this.#frames.detach(keep)
  }

  *push(bytes: Buffer): Generator<SenderMessage, void, undefined> {
    for (const frame of this.#frames.push(bytes)) {
      this.#checkOrder(frame.name)
      switch (frame.name) {
        case 'data':
          if (frame.first) this.#countData(frame.length)
          yield { kind: 'data', bytes: frame.payload }
          break
        case 'greeting': {
          const greeting = parsers.greeting(frame.payload)
          checkVersion(greeting.version, 'sender')
          this.#state = 'idle'
          yield { kind: 'greeting', ...greeting }
          break
        }
        case 'header': {
          const header = parsers.header(frame.payload)
          this.#state = 'entry'
          this.#entries++
          this.#size = header.size
          this.#bytes = 0
          this.#lastChunkWasShort = false
          yield { kind: 'header', ...header }
          break
        }
        case 'end':
          this.#state = 'idle'
          yield { kind: 'end', ...parsers.end(frame.payload) }
          break
        case 'abort': {
          const abort = parsers.abort(frame.payload)
          if (abort.entry !== null && (this.#state !== 'entry' || abort.entry !== this.#entries - 1)) {
            throw new ProtocolError(`an abort of entry ${abort.entry} may not come here`)
          }
          this.#state = abort.entry === null ? 'over' : 'idle'
          yield { kind: 'abort', ...abort }
          break
        }
        case 'finished': {
          const finished = parsers.finished(frame.payload)
          if (finished.entries !== this.#entries) {
            throw new ProtocolError(`the sender says it sent ${finished.entries} entries, and sent ${this.#entries}`)
          }
          this.#state = 'over'
          yield { kind: 'finished', ...finished }
          break
        }
        default:
          parsers.heartbeat(frame.payload)
          yield { kind: 'heartbeat' }
      }
    }
  }

  #checkOrder(name: FrameName): void {
    if (!allowedFrames[this.#state].includes(name)) {
      throw new ProtocolError(`a ${name} frame may not come here (state: ${this.#state})`)
    }
  }

  #countData(length: number): void {
    if (this.#lastChunkWasShort) throw new ProtocolError(`data after a chunk of less than ${CHUNK} bytes`)
    this.#lastChunkWasShort = length % CHUNK !== 0
    this.#bytes += length
    if (this.#size !== null && this.#bytes > this.#size) {
      throw new ProtocolError(`more data than the ${this.#size} bytes that the header announced`)
    }
  }
}

/** Reads the receiver's direction. Next state: greeting → answers */
export class ReceiverDecoder {
  readonly #frames = new FrameDecoder(RECEIVER_MAGIC)
  #greeted = false;

  *push(bytes: Buffer): Generator<ReceiverMessage, void, undefined> {
    for (const frame of this.#frames.push(bytes)) {
      if ((frame.name === 'greeting') === this.#greeted) {
        throw new ProtocolError(`a ${frame.name} frame may not come here`)
      }
      switch (frame.name) {
        case 'greeting': {
          const greeting = parsers.greeting(frame.payload)
          checkVersion(greeting.version, 'receiver')
          this.#greeted = true
          yield { kind: 'greeting', ...greeting }
          break
        }
        case 'stored':
          yield { kind: 'stored', ...parsers.stored(frame.payload) }
          break
        case 'refused':
          yield { kind: 'refused', ...parsers.refused(frame.payload) }
          break
        case 'heartbeat':
          parsers.heartbeat(frame.payload)
          yield { kind: 'heartbeat' }
          break
        default:
          throw new ProtocolError(`a ${frame.name} frame may not come from a receiver`)
      }
    }
  }
}
