/**
 * Bytes to frames, for both directions: a magic, then frames within their limits. The decoder never buffers more than
 * one control payload (64 KiB). Data passes through as slices of the pushed bytes.
 */
import { FRAME_HEADER, MAX_CONTROL, MAX_DATA } from './limits.js'
import { type FrameName, frameTypes } from './messages.js'
import { ProtocolError } from './protocol-error.js'
import { describeStranger } from './strangers.js'

const EMPTY = Buffer.alloc(0)

/** `ancillary` is a frame whose type is an unknown lower-case letter. A peer skips it (document, "Extensions"). */
export type AnyFrameName = FrameName | 'ancillary'

/** One whole control frame, or one piece of a data frame. `first` and `length` describe the frame it belongs to. */
interface Frame {
  name: AnyFrameName
  payload: Buffer
  first: boolean
  length: number
}

type FrameState = 'magic' | 'frame-header' | 'control' | 'data'

const names = new Map<number, AnyFrameName>([
  ...[...'abcdefghijklmnopqrstuvwxyz'].map((letter) => [letter.charCodeAt(0), 'ancillary'] as const),
  ...Object.entries(frameTypes).map(([name, letter]) => [letter.charCodeAt(0), name as FrameName] as const),
])

/** Magic and frames. Next state: magic → frame-header → control | data → frame-header → … */
export class FrameDecoder {
  #state: FrameState = 'magic'
  /** The bytes of the current `push` that are still to be read. */
  #rest: Buffer = EMPTY
  readonly #magic: string
  /** The bytes of a unit that came in pieces. The buffer is allocated once, at the checked size of the unit. */
  #held: Buffer = EMPTY
  #filled = 0
  #name: AnyFrameName = 'greeting'
  #length = 0
  #left = 0
  #first = false

  constructor(magic: string) {
    this.#magic = magic
  }

  /** Replaces the unread bytes of the current `push` by what `keep` returns, so that their memory may be used again. */
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

  /** The next whole unit (magic, frame header or control payload) from the held and the pushed bytes, or null. */
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

  /** Checks the magic at its first wrong byte: a peer that speaks another protocol may be waiting for an answer. */
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
