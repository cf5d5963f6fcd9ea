/**
 * What the two sides say, as values. Everything here came out of a peer's JSON, so each field is checked for its type
 * and range and copied into a fresh object: nothing that a peer named can reach a prototype, and nothing unknown
 * travels further. Who may lie: every field of every message.
 */
import { TransferError } from '../errors.js'
import { printable } from '../text.js'
import { MAX_TIME } from './limits.js'

/** The types of a frame, each one ASCII letter on the wire. */
export const frameTypes = {
  greeting: 'G',
  header: 'H',
  data: 'D',
  end: 'E',
  abort: 'A',
  finished: 'F',
  stored: 'S',
  refused: 'R',
  heartbeat: 'B',
} as const

export type FrameName = keyof typeof frameTypes

/** Opens each direction. */
export interface Greeting {
  version: number
  /** The digest that this side computes and compares. Absent: BLAKE3. `sha256` is for a peer that has no BLAKE3. */
  digest?: string
  /** The program and its version, for a person who reads an error. */
  software?: string
}

/** Announces an entry. Entries are numbered from 0 by their headers' order in the connection. */
export interface Header {
  name: string
  /** Bytes; null when the sender cannot know, as with standard input. */
  size: number | null
  /** The MIME type, by the sender's word. */
  type: string
  /** Milliseconds since 1970, or null. */
  mtime: number | null
  /** Permission bits, or null. The receiver keeps only 0o777 of them. */
  mode: number | null
  /** True for a message: it is shown, and not stored. On the wire `"!message": true`, since who ignored it would store a file. */
  message?: boolean
}

/** Closes an entry: all its bytes have been sent. Digests are 64 lower-case hexadecimal digits. */
export interface End {
  bytes: number
  /** The BLAKE3 of all the entry's bytes; null from a sender that cannot compute it. */
  blake3: string | null
  /** The SHA-256 of all the entry's bytes, for a side without BLAKE3. */
  sha256?: string
  /** The digest of the payload of the entry's header frame: BLAKE3 where `blake3` is there, otherwise SHA-256. */
  header?: string
}

/** The sender gives up the current entry, or, with `entry` null, the whole transfer. */
export interface Abort {
  entry: number | null
  code: string
  reason: string
}

/** After the last entry: how many there were. */
export interface Finished {
  entries: number
}

/** The receiver has the entry: verified, durable, under its final name. */
export interface Stored {
  entry: number
  name: string
  bytes: number
  /** The BLAKE3 of the bytes that it stored; null from a receiver that cannot compute it. */
  blake3: string | null
  /** The SHA-256 of the bytes that it stored, where the two sides use that. */
  sha256?: string
}

/** Says that a side is there and, from a receiver, how much it has of the entry under way. */
export interface Heartbeat {
  entry?: number
  bytes?: number
}

/** The receiver does not take the entry, or, with `entry` null, the whole transfer. */
export interface Refused {
  entry: number | null
  code: string
  reason: string
}

/** What the sender's direction consists of, in the grammar that `SenderDecoder` keeps. */
export type SenderMessage =
  | ({ kind: 'greeting' } & Greeting)
  | ({ kind: 'header' } & Header)
  | { kind: 'data'; bytes: Buffer }
  | ({ kind: 'end' } & End)
  | ({ kind: 'abort' } & Abort)
  | ({ kind: 'finished' } & Finished)
  | { kind: 'heartbeat' }

/** What the receiver's direction consists of. */
export type ReceiverMessage =
  | ({ kind: 'greeting' } & Greeting)
  | ({ kind: 'stored' } & Stored)
  | ({ kind: 'refused' } & Refused)
  | ({ kind: 'heartbeat' } & Heartbeat)

/** The peer broke the protocol. `reason` is `protocol`, `version` or `magic`; the text may be told to the peer. */
export class ProtocolError extends TransferError {
  constructor(message: string, reason: 'protocol' | 'version' | 'magic' | 'field' = 'protocol') {
    super('incomplete', message, { reason, peerMessage: message })
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The fields of one control payload, each taken once by name and checked; what is left over is judged by `finish`. */
export class Fields {
  readonly #kind: string
  readonly #values: Map<string, unknown>

  constructor(kind: string, payload: Uint8Array) {
    this.#kind = kind
    let value: unknown
    try {
      value = JSON.parse(utf8.decode(payload))
    } catch {
      throw new ProtocolError(`the ${kind} frame is not JSON in UTF-8`)
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ProtocolError(`the ${kind} frame is not a JSON object`)
    }
    this.#values = new Map(Object.entries(value))
  }

  #take<T>(name: string, expected: string, isRight: (value: unknown) => value is T): T {
    const value = this.#values.get(name)
    this.#values.delete(name)
    if (!isRight(value)) throw this.#wrong(name, expected, value)
    return value
  }

  #wrong(name: string, expected: string, value: unknown): ProtocolError {
    // An object is not shown: turning a deep one into text would overflow the stack.
    const isPlain = typeof value !== 'object' || value === null
    const shown = value === undefined ? 'missing' : isPlain ? printable(JSON.stringify(value), 40) : 'something else'
    return new ProtocolError(`"${name}" of the ${this.#kind} frame must be ${expected}, and is ${shown}`)
  }

  /** A well-formed string; a lone surrogate would become another name on disk. */
  string(name: string): string {
    return this.#take(name, 'a string', (value): value is string => typeof value === 'string' && value.isWellFormed())
  }

  boolean(name: string): boolean {
    return this.#take(name, 'true or false', (value) => typeof value === 'boolean')
  }

  /** A whole number from 0 (or `minimum`) to `maximum`, by default the largest that a double counts exactly (2^53 - 1). */
  integer(name: string, minimum = 0, maximum = Number.MAX_SAFE_INTEGER): number {
    return this.#take(
      name,
      `a whole number from ${minimum} to ${maximum}`,
      (value): value is number =>
        Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum,
    )
  }

  /** A media type without parameters (RFC 6838, 4.2). */
  mediaType(name: string): string {
    return this.#take(
      name,
      'a media type such as text/plain',
      (value): value is string => typeof value === 'string' && /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}$/.test(value),
    )
  }

  digest(name: string): string {
    return this.#take(
      name,
      '64 lower-case hexadecimal digits',
      (value): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value),
    )
  }

  /** `read(name)`, or null where the field, which must be there, is null. */
  nullable<T>(name: string, read: (name: string) => T): T | null {
    if (this.#values.get(name) !== null) return read(name)
    this.#values.delete(name)
    return null
  }

  /** `read(name)`, or null where the field is null or absent. */
  optional<T>(name: string, read: (name: string) => T): T | null {
    if (this.#values.get(name) == null) {
      this.#values.delete(name)
      return null
    }
    return read(name)
  }

  /** The field `name` as `read` takes it, or no field where it is null or absent. */
  present<K extends string, T>(name: K, read: (name: string) => T): { [key in K]?: T } {
    const value = this.optional(name, read)
    return value === null ? {} : ({ [name]: value } as { [key in K]: T })
  }

  /** Called last: a field that nobody took is ignored, unless its name begins with `!`: that one must be understood. */
  finish<T>(message: T): T {
    for (const name of this.#values.keys()) {
      if (name.startsWith('!')) {
        const text = `the ${this.#kind} frame needs "${printable(name, 60)}", which this side (version 1) does not know`
        throw new ProtocolError(text, 'field')
      }
    }
    return message
  }
}

/** How each control frame's payload becomes a message. */
export const parsers = {
  greeting: (payload: Uint8Array): Greeting => {
    const fields = new Fields('greeting', payload)
    const version = fields.integer('version', 1)
    // A later version's other fields mean nothing to us, so the version alone is read before it is judged.
    if (version !== 1) return { version }
    const text = (name: string) => fields.string(name).slice(0, 200)
    return fields.finish({ version, ...fields.present('digest', text), ...fields.present('software', text) })
  },
  header: (payload: Uint8Array): Header => {
    const fields = new Fields('header', payload)
    const message = fields.optional('!message', (name) => fields.boolean(name)) ?? false
    return fields.finish({
      ...(message ? { message } : {}),
      name: fields.string('name'),
      size: fields.nullable('size', (name) => fields.integer(name)),
      type: fields.optional('type', (name) => fields.mediaType(name)) ?? 'application/octet-stream',
      mtime: fields.optional('mtime', (name) => fields.integer(name, -MAX_TIME, MAX_TIME)),
      mode: fields.optional('mode', (name) => fields.integer(name, 0, 0o177777)),
    })
  },
  end: (payload: Uint8Array): End => {
    const fields = new Fields('end', payload)
    return fields.finish({
      bytes: fields.integer('bytes'),
      blake3: fields.optional('blake3', (name) => fields.digest(name)),
      ...fields.present('sha256', (name) => fields.digest(name)),
      ...fields.present('header', (name) => fields.digest(name)),
    })
  },
  abort: (payload: Uint8Array): Abort => {
    const fields = new Fields('abort', payload)
    return fields.finish({
      entry: fields.nullable('entry', (name) => fields.integer(name)),
      code: fields.string('code'),
      reason: fields.string('reason'),
    })
  },
  finished: (payload: Uint8Array): Finished => {
    const fields = new Fields('finished', payload)
    return fields.finish({ entries: fields.integer('entries') })
  },
  stored: (payload: Uint8Array): Stored => {
    const fields = new Fields('stored', payload)
    return fields.finish({
      entry: fields.integer('entry'),
      name: fields.string('name'),
      bytes: fields.integer('bytes'),
      blake3: fields.optional('blake3', (name) => fields.digest(name)),
      ...fields.present('sha256', (name) => fields.digest(name)),
    })
  },
  refused: (payload: Uint8Array): Refused => {
    const fields = new Fields('refused', payload)
    return fields.finish({
      entry: fields.nullable('entry', (name) => fields.integer(name)),
      code: fields.string('code'),
      reason: fields.string('reason'),
    })
  },
  heartbeat: (payload: Uint8Array): Heartbeat => {
    const fields = new Fields('heartbeat', payload)
    return fields.finish({
      ...fields.present('entry', (name) => fields.integer(name)),
      ...fields.present('bytes', (name) => fields.integer(name)),
    })
  },
}
