/** The payload of a control frame: one JSON object, whose fields are taken by name and checked one by one. */
import { printable } from '../text.js'
import { MAX_COMMAS, MAX_LENGTHS, MAX_NESTING, VERSION } from './limits.js'
import { ProtocolError } from './protocol-error.js'
import { isSimple } from './shape.js'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A field whose name begins with this must be understood. */
const MANDATORY = '!'

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

/** The fields of one payload. Each is taken once; `finish` judges those that nobody took. */
export class Fields {
  readonly #frame: string
  readonly #values: Readonly<Record<string, unknown>>
  /** The names that were taken and must be understood. */
  readonly #understood: string[] = []

  constructor(frame: string, payload: Uint8Array) {
    this.#frame = frame
    if (!isSimple(payload)) {
      throw new ProtocolError(
        `the ${frame} frame is nested deeper than ${MAX_NESTING} or has over ${MAX_COMMAS} commas`,
      )
    }
    let value: unknown
    try {
      value = JSON.parse(utf8.decode(payload))
    } catch {
      throw new ProtocolError(`the ${frame} frame is not JSON in UTF-8`)
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ProtocolError(`the ${frame} frame is not a JSON object`)
    }
    this.#values = value as Record<string, unknown>
  }

  /** Only own properties count, so no name reaches a prototype. */
  #get(name: string): unknown {
    if (name.startsWith(MANDATORY)) this.#understood.push(name)
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined
  }

  #take<T>(name: string, expected: string, isRight: (value: unknown) => value is T): T {
    const value = this.#get(name)
    if (!isRight(value)) throw this.#wrong(name, expected, value)
    return value
  }

  #wrong(name: string, expected: string, value: unknown): ProtocolError {
    // An object is not shown: turning a deep one into text would overflow the stack.
    const isPlain = typeof value !== 'object' || value === null
    const shown = value === undefined ? 'missing' : isPlain ? printable(JSON.stringify(value), 40) : 'something else'
    return new ProtocolError(`"${name}" of the ${this.#frame} frame must be ${expected}, and is ${shown}`)
  }

  /** A well-formed string. A lone surrogate would become another name on disk. */
  string(name: string): string {
    return this.#take(name, 'a string', (value): value is string => typeof value === 'string' && value.isWellFormed())
  }

  /** A whole number from 0 (or `minimum`) to `maximum`, by default the largest that a double holds exactly. */
  integer(name: string, minimum = 0, maximum = Number.MAX_SAFE_INTEGER): number {
    const value = this.#get(name) as number
    if (Number.isSafeInteger(value) && value >= minimum && value <= maximum) return value
    throw this.#wrong(name, `a whole number from ${minimum} to ${maximum}`, value)
  }

  /** The same, or null where the field is null or absent. */
  optionalInteger(name: string, minimum: number, maximum: number): number | null {
    return this.#get(name) == null ? null : this.integer(name, minimum, maximum)
  }

  /** A media type without parameters (RFC 6838, 4.2). */
  mediaType(name: string): string {
    return this.#take(
      name,
      'a media type such as text/plain',
      (value): value is string => typeof value === 'string' && /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}$/.test(value),
    )
  }

  /** A name that nobody can guess. */
  token(name: string): string {
    return this.#take(
      name,
      '32 lower-case hexadecimal digits',
      (value): value is string => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value),
    )
  }

  oneOf<T extends string>(name: string, words: readonly T[]): T {
    return this.#take(name, words.join(' or '), (value): value is T => (words as readonly unknown[]).includes(value))
  }

  boolean(name: string): boolean {
    return this.#take(name, 'true or false', (value): value is boolean => typeof value === 'boolean')
  }

  digests(name: string, most: number): string[] {
    return this.#take(
      name,
      `1 to ${most} digests`,
      (value): value is string[] =>
        Array.isArray(value) && value.length > 0 && value.length <= most && value.every(isDigest),
    )
  }

  /** The lengths of as many chunks, and of no more than a frame may have. */
  lengths(name: string, count: number): number[] {
    return this.#take(
      name,
      `the lengths of all chunks, at most ${MAX_LENGTHS}`,
      (value): value is number[] =>
        Array.isArray(value) &&
        value.length === count &&
        count <= MAX_LENGTHS &&
        value.every((length) => Number.isSafeInteger(length) && length > 0),
    )
  }

  strings(name: string, most: number): string[] {
    return this.#take(
      name,
      `at most ${most} strings`,
      (value): value is string[] =>
        Array.isArray(value) &&
        value.length <= most &&
        value.every((text) => typeof text === 'string' && text.isWellFormed()),
    )
  }

  /** The beginning and the end of each range, in ascending order. No range is empty, and none touches the next one. */
  ranges(name: string, most: number): number[] {
    return this.#take(
      name,
      `the ends of at most ${most} ranges`,
      (value): value is number[] =>
        Array.isArray(value) &&
        value.length % 2 === 0 &&
        value.length <= 2 * most &&
        value.every((end, index) => Number.isSafeInteger(end) && end >= 0 && (index === 0 || end > value[index - 1])),
    )
  }

  digest(name: string): string {
    return this.#take(name, '64 lower-case hexadecimal digits', isDigest)
  }

  /** At most 64 short words, such as the names of features. */
  words(name: string): string[] {
    return this.#take(
      name,
      'at most 64 words of at most 64 characters a-z, 0-9 and -',
      (value): value is string[] =>
        Array.isArray(value) &&
        value.length <= 64 &&
        value.every((word) => typeof word === 'string' && /^[a-z0-9-]{1,64}$/.test(word)),
    )
  }

  /** `read(name)`, or null where the field, which must be there, is null. */
  nullable<T>(name: string, read: (name: string) => T): T | null {
    return this.#get(name) === null ? null : read(name)
  }

  /** `read(name)`, or null where the field is null or absent. */
  optional<T>(name: string, read: (name: string) => T): T | null {
    return this.#get(name) == null ? null : read(name)
  }

  /** The field `name` as `read` takes it, or no field where it is null or absent. */
  present<K extends string, T>(name: K, read: (name: string) => T): { [key in K]?: T } {
    const value = this.optional(name, read)
    return value === null ? {} : ({ [name]: value } as { [key in K]: T })
  }

  /** Called last. A field that nobody took is ignored, unless it must be understood. */
  finish<T>(message: T): T {
    const unsupported = this.unsupported()
    if (unsupported !== null) throw new ProtocolError(unsupported, 'field')
    return message
  }

  /** One line about a field that nobody took and that must be understood, or null if there is none. */
  unsupported(): string | null {
    for (const name in this.#values) {
      if (name.startsWith(MANDATORY) && !this.#understood.includes(name)) {
        return this.notKnown(`"${printable(name, 60)}"`)
      }
    }
    return null
  }

  /** The line that says what this side would have to know. */
  notKnown(what: string): string {
    return `the ${this.#frame} frame needs ${what}, which this side (version ${VERSION}) does not know`
  }
}
