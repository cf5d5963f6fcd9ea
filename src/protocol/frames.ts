/**
 * Bytes to frames, for both directions: a magic, then frames within their limits. The decoder never buffers more than
 * one payload: 64 KiB, or 1 MiB if it is compressed. Data passes through as slices of the pushed bytes.
 */
import { FRAME_HEADER, MAX_CONTROL, MAX_DATA } from './limits.js'
import { ProtocolError } from './protocol-error.js'
import { describeStranger, isSecret } from './strangers.js'

const EMPTY = Buffer.alloc(0)

/** The frames of one direction, or of the content of a directory. */
export interface Grammar<Name extends string> {
  /** The bytes that come before the first frame. They may be empty. */
  magic: string
  /** Each type of frame by its letter. A lower-case letter that is missing is an ancillary frame, which is skipped. */
  names: ReadonlyMap<number, Name | 'ancillary'>
}

/** @param types the letter of each frame */
export function grammar<Name extends string>(magic: string, types: Partial<Record<Name, string>>): Grammar<Name> {
  const known = Object.entries(types as Record<string, string>).map(
    ([name, letter]) => [letter.charCodeAt(0), name as Name] as const,
  )
  const ancillary = [...'abcdefghijklmnopqrstuvwxyz'].map((letter) => [letter.charCodeAt(0), 'ancillary'] as const)
  return { magic, names: new Map<number, Name | 'ancillary'>([...ancillary, ...known]) }
}

/** The name of a frame with its article, for messages. */
export function aFrame(name: string): string {
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name} frame`
}

/** One whole control frame, or one piece of a data frame. `first` and `length` describe the frame it belongs to. */
export interface Frame<Name extends string> {
  name: Name | 'ancillary'
  payload: Buffer
  first: boolean
  length: number
}

type FrameState = 'magic' | 'frame-header' | 'control' | 'data'

/** Magic and frames. Next state: magic → frame-header → control | data → frame-header → … */
export class FrameDecoder<Name extends string> {
  #grammar: Grammar<Name | 'data'>
  #state: FrameState
  /** The bytes of the current `push`, and the place of the first that was not read. */
  #bytes: Buffer = EMPTY
  #at = 0
  /** The bytes of a unit that came in pieces. The buffer is allocated once, at the checked size of the unit. */
  #held: Buffer = EMPTY
  #filled = 0
  #name: Name | 'data' | 'ancillary' = 'ancillary'
  #length = 0
  #left = 0
  #first = false

  constructor(grammar: Grammar<Name | 'data'>) {
    this.#grammar = grammar
    this.#state = grammar.magic === '' ? 'frame-header' : 'magic'
  }

  /** Allows other frames from now on. */
  extend(grammar: Grammar<Name | 'data'>): void {
    this.#grammar = grammar
  }

  /** True if no frame has begun that is not complete. */
  get isAtRest(): boolean {
    return this.#state === 'frame-header' && this.#filled === 0
  }

  /** Replaces the unread bytes of the current `push` by what `keep` returns, so that their memory may be used again. */
  detach(keep: (bytes: Buffer) => Buffer): void {
    this.#bytes = keep(this.#bytes.subarray(this.#at))
    this.#at = 0
  }

  /** Returns the unread bytes of the current `push`, and reads none of them. Called between two frames. */
  takeRest(): Buffer {
    const rest = this.#bytes.subarray(this.#at)
    this.#at = this.#bytes.length
    return rest
  }

  *push(bytes: Buffer): Generator<Frame<Name | 'data'>, void, undefined> {
    this.#bytes = bytes
    this.#at = 0
    while (this.#at < this.#bytes.length) {
      if (this.#state === 'data') {
        const payload = this.#bytes.subarray(this.#at, this.#at + this.#left)
        this.#at += payload.length
        this.#left -= payload.length
        const first = this.#first
        this.#first = false
        if (this.#left === 0) this.#state = 'frame-header'
        yield { name: 'data', payload, first, length: this.#length }
        continue
      }
      if (this.#state === 'frame-header' && this.#filled === 0 && this.#bytes.length - this.#at >= FRAME_HEADER) {
        this.#at += FRAME_HEADER
        this.#readHeader(this.#bytes, this.#at - FRAME_HEADER)
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
        this.#readHeader(unit, 0)
      }
    }
  }

  /** The next whole unit (magic, frame header or control payload) from the held and the pushed bytes, or null. */
  #gather(): Buffer | null {
    const wanted = this.#wanted()
    if (this.#filled === 0 && this.#bytes.length - this.#at >= wanted) {
      this.#at += wanted
      return this.#bytes.subarray(this.#at - wanted, this.#at)
    }
    if (this.#filled === 0) this.#held = Buffer.allocUnsafe(wanted)
    const copied = this.#bytes.copy(this.#held, this.#filled, this.#at)
    this.#at += copied
    this.#filled += copied
    if (this.#filled < wanted) return null
    this.#filled = 0
    return this.#held
  }

  #wanted(): number {
    if (this.#state === 'magic') return this.#grammar.magic.length
    return this.#state === 'control' ? this.#length : FRAME_HEADER
  }

  /** Checks the magic at its first wrong byte: a peer that speaks another protocol may be waiting for an answer. */
  #checkMagic(start: Buffer): void {
    const text = start.toString('latin1')
    // A TLS client is recognized by two bytes.
    if (text === '\x16' || this.#grammar.magic.startsWith(text)) return
    throw new ProtocolError(describeStranger(start), isSecret(start) ? 'key' : 'magic')
  }

  #readHeader(unit: Buffer, offset: number): void {
    const type = unit.readUInt8(offset)
    const length = unit.readUInt32BE(offset + 1)
    const name = this.#grammar.names.get(type)
    if (name === undefined) throw new ProtocolError(`unknown frame type ${type}`)
    const limit = name === 'data' || name === 'compressed' ? MAX_DATA : MAX_CONTROL
    if (length === 0) throw new ProtocolError(`the ${name} frame is empty`)
    if (length > limit) throw new ProtocolError(`the ${name} frame has ${length} bytes, over the limit of ${limit}`)
    this.#name = name
    this.#length = length
    this.#left = length
    this.#first = true
    this.#state = name === 'data' ? 'data' : 'control'
  }
}
