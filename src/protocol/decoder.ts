/**
 * Bytes to messages. A decoder owns no socket, file or clock. It is fed pieces of a stream, cut anywhere, and yields
 * the same messages for every cut. It never buffers more than one payload of a frame that is not `D`. Data passes
 * through as slices of the pushed bytes. At the first byte that breaks the protocol it throws a ProtocolError; it must not be used
 * after that.
 *
 *   FrameDecoder      magic, then frames within their limits           (both directions; frames.ts)
 *   SenderDecoder     greeting (header digests* data* (position data*)* (end | abort))* finished  (read by a receiver)
 *   ReceiverDecoder   greeting (stored | refused | wanted | listed)*  (read by a sender)
 *
 * In both directions a `bundle` may follow the greeting in place of everything else. What comes behind it is read by
 * another decoder (bundle-frames.ts).
 *
 * Heartbeats and ancillary frames may stand between any two frames after the greeting.
 */
import { type Compressor, parsePiece } from './compressed.js'
import { aFrame, FrameDecoder, grammar } from './frames.js'
import { CHUNK, RECEIVER_MAGIC, SENDER_MAGIC } from './limits.js'
import { type FrameName, frameTypes, type ReceiverMessage, type ResumeWay, type SenderMessage } from './messages.js'
import { parsers } from './parsers.js'
import { ProtocolError } from './protocol-error.js'

/** `ancillary` is a frame whose type is an unknown lower-case letter. A peer skips it (document, "Extensions"). */
type AnyFrameName = FrameName | 'ancillary'

const { compressed: _, ...plainTypes } = frameTypes
const senderGrammar = grammar<FrameName>(SENDER_MAGIC, plainTypes)
/** For a receiver that has said what it can inflate. */
const compressedGrammar = grammar(SENDER_MAGIC, frameTypes)
const receiverGrammar = grammar<FrameName>(RECEIVER_MAGIC, plainTypes)

type SenderState = 'greeting' | 'idle' | 'entry' | 'over'

/** The frames that are allowed in each state of the sender's direction. */
const allowedFrames: Record<SenderState, readonly AnyFrameName[]> = {
  greeting: ['greeting'],
  idle: ['bundle', 'header', 'abort', 'finished', 'heartbeat', 'ancillary'],
  entry: ['data', 'compressed', 'digests', 'position', 'end', 'abort', 'heartbeat', 'ancillary'],
  over: [],
}

/** Reads the sender's direction. Next state: greeting → idle → entry → idle → … → over */
export class SenderDecoder {
  readonly #frames = new FrameDecoder<FrameName>(senderGrammar)
  #state: SenderState = 'greeting'
  #entries = 0
  #size: number | null = null
  /** The end of the data so far, in the file. */
  #offset = 0
  #lastChunkWasShort = false
  #resume: ResumeWay | undefined
  /** True once data may no longer be preceded by digests. */
  #isPlaced = false
  #headerPayload: Buffer = Buffer.alloc(0)
  #compressors: readonly Compressor[] = []

  /** The payload of the latest header frame as it came. The digest of the header in the end frame covers it. */
  get headerPayload(): Buffer {
    return this.#headerPayload
  }

  /** The receiver has named these algorithms. Before that, `Z` is an unknown type. */
  allow(compressors: readonly Compressor[]): void {
    this.#compressors = compressors
    if (compressors.length > 0) this.#frames.extend(compressedGrammar)
  }

  /** Must be called before the memory of the pushed bytes is used again, unless the generator has reached its end. */
  detach(keep: (bytes: Buffer) => Buffer): void {
    this.#frames.detach(keep)
  }

  /** The bytes behind the frame that was read last. They are not read here. */
  takeRest(): Buffer {
    return this.#frames.takeRest()
  }

  *push(bytes: Buffer): Generator<SenderMessage, void, undefined> {
    for (const frame of this.#frames.push(bytes)) {
      this.#checkOrder(frame.name)
      switch (frame.name) {
        case 'data':
          if (frame.first) this.#countData(frame.length)
          yield { frame: 'data', bytes: frame.payload }
          break
        case 'compressed': {
          const piece = parsePiece(frame.payload, this.#compressors)
          this.#countData(piece.length)
          yield { frame: 'compressed', ...piece }
          break
        }
        case 'greeting':
          this.#state = 'idle'
          yield { frame: 'greeting', ...parsers.greeting(frame.payload) }
          break
        case 'header': {
          const header = parsers.header(frame.payload)
          this.#state = 'entry'
          this.#entries++
          this.#size = header.size
          this.#resume = header.resume
          this.#offset = 0
          this.#isPlaced = false
          this.#lastChunkWasShort = false
          this.#headerPayload = Buffer.from(frame.payload)
          yield { frame: 'header', ...header }
          break
        }
        case 'digests': {
          const digests = parsers.digests(frame.payload)
          const way = digests.lengths ? 'delta' : 'compare'
          if (this.#resume !== way || this.#isPlaced) throw new ProtocolError('a digests frame may not come here')
          yield { frame: 'digests', ...digests }
          break
        }
        case 'position': {
          const position = parsers.position(frame.payload)
          this.#place(position.offset)
          yield { frame: 'position', ...position }
          break
        }
        case 'end':
          this.#state = 'idle'
          yield { frame: 'end', ...parsers.end(frame.payload) }
          break
        case 'abort': {
          const abort = parsers.abort(frame.payload)
          if (abort.entry !== null && (this.#state !== 'entry' || abort.entry !== this.#entries - 1)) {
            throw new ProtocolError(`an abort of entry ${abort.entry} may not come here`)
          }
          this.#state = abort.entry === null ? 'over' : 'idle'
          yield { frame: 'abort', ...abort }
          break
        }
        case 'finished': {
          const finished = parsers.finished(frame.payload)
          if (finished.entries !== this.#entries) {
            throw new ProtocolError(`the sender says it sent ${finished.entries} entries, and sent ${this.#entries}`)
          }
          this.#state = 'over'
          yield { frame: 'finished', ...finished }
          break
        }
        case 'bundle': {
          const bundling = parsers.bundle(frame.payload)
          if (this.#entries > 0) throw new ProtocolError('a bundle frame may not come after an entry')
          this.#state = 'over'
          yield { frame: 'bundle', ...bundling }
          break
        }
        case 'heartbeat':
          parsers.senderHeartbeat(frame.payload)
          yield { frame: 'heartbeat' }
          break
        case 'ancillary':
          yield { frame: 'ancillary' }
      }
    }
  }

  #checkOrder(name: AnyFrameName): void {
    if (!allowedFrames[this.#state].includes(name)) {
      throw new ProtocolError(`${aFrame(name)} may not come here (state: ${this.#state})`)
    }
  }

  #place(offset: number): void {
    if (this.#resume === undefined || this.#resume === 'list')
      throw new ProtocolError('a position frame may not come here')
    if (offset <= this.#offset || offset % CHUNK !== 0 || offset >= (this.#size as number) || this.#lastChunkWasShort)
      throw new ProtocolError(`data cannot continue at ${offset}`)
    this.#offset = offset
    this.#isPlaced = true
  }

  #countData(length: number): void {
    if (this.#lastChunkWasShort) throw new ProtocolError(`data after a chunk of less than ${CHUNK} bytes`)
    this.#lastChunkWasShort = length % CHUNK !== 0
    this.#offset += length
    this.#isPlaced = true
    if (this.#size !== null && this.#offset > this.#size) {
      throw new ProtocolError(`more data than the ${this.#size} bytes that the header announced`)
    }
  }
}

/** Reads the receiver's direction. Next state: greeting → answers */
export class ReceiverDecoder {
  readonly #frames = new FrameDecoder(receiverGrammar)
  #greeted = false

  /** As in `SenderDecoder`. */
  detach(keep: (bytes: Buffer) => Buffer): void {
    this.#frames.detach(keep)
  }

  /** As in `SenderDecoder`. */
  takeRest(): Buffer {
    return this.#frames.takeRest()
  }

  *push(bytes: Buffer): Generator<ReceiverMessage, void, undefined> {
    for (const frame of this.#frames.push(bytes)) {
      if ((frame.name === 'greeting') === this.#greeted) {
        throw new ProtocolError(`${aFrame(frame.name)} may not come here`)
      }
      switch (frame.name) {
        case 'greeting':
          this.#greeted = true
          yield { frame: 'greeting', ...parsers.receiverGreeting(frame.payload) }
          break
        case 'stored':
          yield { frame: 'stored', ...parsers.stored(frame.payload) }
          break
        case 'refused':
          yield { frame: 'refused', ...parsers.refused(frame.payload) }
          break
        case 'wanted':
          yield { frame: 'wanted', ...parsers.wanted(frame.payload) }
          break
        case 'listed':
          yield { frame: 'listed', ...parsers.listed(frame.payload) }
          break
        case 'bundle':
          yield { frame: 'bundle', ...parsers.bundle(frame.payload) }
          break
        case 'heartbeat':
          yield { frame: 'heartbeat', ...parsers.heartbeat(frame.payload) }
          break
        case 'ancillary':
          yield { frame: 'ancillary' }
          break
        default:
          throw new ProtocolError(`${aFrame(frame.name)} may not come from a receiver`)
      }
    }
  }
}
