/**
 * Checks the options of the library. A program in JavaScript is checked by nothing else, and TypeScript knows no ranges:
 * a timer of NaN milliseconds would end at once.
 */
import { Writable } from 'node:stream'
import { TransferError } from './errors.js'
import type { OnEvent } from './events.js'
import { isTypePattern } from './media-type.js'
import type { OfferOptions } from './offer.js'
import type { ReceiveOptions } from './receive-options.js'
import type { SendOptions } from './send-options.js'
import { isByteStream } from './sources/byte-stream.js'
import { ifExistsChoices } from './stores/final-name.js'
import { printable } from './text.js'
import { compressModes } from './transfer/compression.js'
import { LOWEST_LIMIT } from './transfer/rate.js'
import { MAX_STREAMS } from './transfer/streams.js'

/** Throws a usage error, which begins with `name`, if the value is none for it. */
type Check = (name: string, value: unknown) => void

/** One for each option. */
type Checks<T> = { readonly [name in keyof Required<T>]: Check }

/** The longest timer, in milliseconds. Node.js ends longer ones at once. */
const LONGEST = 2 ** 31 - 1

/** @param must what the value must be */
function value(must: string, is: (value: unknown) => boolean): Check {
  return (name, value) => {
    if (!is(value)) throw new TransferError('usage', `${name} must be ${must}, not ${shown(value)}`)
  }
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `"${printable(value, 40)}"`
  if (value === null || typeof value !== 'object') return printable(String(value), 40)
  return Array.isArray(value) ? 'an array' : 'an object'
}

type Fields = Readonly<Record<string, unknown>>

const isText = (value: unknown) => typeof value === 'string'
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null
const isPath = (value: unknown) => isText(value) || (value instanceof URL && value.protocol === 'file:')

const text = value('a string', isText)
const flag = value('true or false', (value) => typeof value === 'boolean')
const call = value('a function', (value) => typeof value === 'function')

function oneOf(choices: readonly unknown[]): Check {
  return value(`one of ${choices.join(', ')}`, (value) => choices.includes(value))
}

function number(least: number, most = Number.POSITIVE_INFINITY): Check {
  const range = most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`
  return value(`a number ${range}`, (value) => typeof value === 'number' && value >= least && value <= most)
}

/** Without `most`, Infinity is one: it means no limit. */
function whole(least: number, most = Number.POSITIVE_INFINITY): Check {
  const inRange = number(least, most)
  const isWhole = value('a whole number', (value) => Number.isInteger(value) || value === most)
  return (name, value) => {
    inRange(name, value)
    isWhole(name, value)
  }
}

function list(item: Check): Check {
  return (name, items) => {
    value('an array', Array.isArray)(name, items)
    for (const [index, one] of (items as unknown[]).entries()) item(`${name}[${index}]`, one)
  }
}

/** An object, of which only the fields that have a check matter. */
function fields<T>(checks: Checks<T>): Check {
  return (name, object) => {
    value('an object', isObject)(name, object)
    checkFields(`${name}.`, checks, object as Fields)
  }
}

function checkFields(prefix: string, checks: Checks<object>, object: Fields): void {
  for (const [name, check] of Object.entries(checks as Record<string, Check>)) {
    if (object[name] !== undefined) check(prefix + name, object[name])
  }
}

const path = value('a path or a file: URL', isPath)

/** What an object as a source has one of. */
const sourceKinds: Readonly<Record<string, Check>> = {
  path,
  stream: value('a stream, or an async iterable of bytes', isByteStream),
  bytes: value('a Buffer or Uint8Array', (value) => value instanceof Uint8Array),
  fd: whole(0, LONGEST),
  text: value('a string or a stream', (value) => isText(value) || isByteStream(value)),
}

const source: Check = (name, source) => {
  if (isPath(source)) return
  const kinds = Object.keys(sourceKinds).filter((kind) => isObject(source) && source[kind] !== undefined)
  const must = `a path, a file: URL, or an object with one of ${Object.keys(sourceKinds).join(', ')}`
  value(must, () => kinds.length === 1)(name, source)
  const [kind = ''] = kinds
  const object = source as Fields
  sourceKinds[kind]?.(`${name}.${kind}`, object[kind])
  if (kind !== 'text') text(`${name}.name`, object.name)
  if (object.label !== undefined) text(`${name}.label`, object.label)
}

const sources: Check = (name, sources) => {
  list(source)(name, sources)
  if ((sources as unknown[]).length === 0)
    throw new TransferError('usage', `${name} is empty: there is nothing to send`)
}

const isNamedKey = (value: unknown) => isObject(value) && isText(value.name) && isText(value.key)

/** No message shows the value: it may be a key in the wrong place. */
const key: Check = (name, key) => {
  if (isText(key) || typeof key === 'function' || (Array.isArray(key) && key.every(isNamedKey))) return
  throw new TransferError('usage', `${name} must be a key, an array of objects with a name and a key, or a function`)
}

/** Nor a code. */
const code: Check = (name, code) => {
  if (!isText(code) && typeof code !== 'boolean')
    throw new TransferError('usage', `${name} must be true, or four words`)
}

const streamCount = whole(1, MAX_STREAMS)

const streams: Check = (name, streams) => {
  value(`auto, or a number from 1 to ${MAX_STREAMS}`, () => streams === 'auto' || typeof streams === 'number')(
    name,
    streams,
  )
  if (streams !== 'auto') streamCount(name, streams)
}

const offer: Checks<OfferOptions> = {
  sources,
  plain: flag,
  expect: fields({
    size: whole(0, Number.MAX_SAFE_INTEGER),
    blake3: value('64 lower-case hexadecimal digits', (value) => /^[0-9a-f]{64}$/.test(String(value))),
  }),
  exclude: list(text),
  gitignore: flag,
  follow: flag,
  signal: value('an AbortSignal', (value) => isObject(value) && 'aborted' in value),
  onEvent: call,
}

/** What `send` and `receive` have in common. */
const both = {
  plain: offer.plain,
  expect: offer.expect,
  signal: offer.signal,
  onEvent: offer.onEvent,
  host: text,
  port: whole(0, 65_535),
  sockets: list(whole(0, LONGEST)),
  key,
  code,
  limit: number(LOWEST_LIMIT),
  retry: whole(0),
  streams,
  stall: number(1),
  maxConnections: whole(1),
  maxPerPeer: whole(1),
  allowFrom: list(text),
  proxyFrom: list(text),
  count: whole(1),
  oneAttempt: flag,
  wait: number(0, LONGEST),
  timeout: number(1, LONGEST),
  allowUnverified: flag,
  fileEvents: flag,
}

const ofSend: Checks<SendOptions> = { ...offer, ...both, listen: flag, compress: oneOf(compressModes), delta: flag }

/** A folder, or a stream of this or another library. */
const out = value(
  'a folder or a writable stream',
  (value) => (isText(value) && value !== '') || value instanceof Writable || (isObject(value) && 'write' in value),
)

const ofReceive: Checks<ReceiveOptions> = {
  ...both,
  connect: flag,
  out,
  compress: oneOf(['auto', 'never']),
  name: text,
  textOnly: flag,
  perKeyFolder: flag,
  keepPartial: number(0),
  ifExists: oneOf(ifExistsChoices),
  allowHidden: flag,
  accept: list(value('a MIME type or a pattern such as image/*', (value) => isTypePattern(String(value)))),
  maxSize: number(0),
  maxFiles: whole(1),
  maxDepth: whole(1),
  afterStored: call,
}

const ofPartial: Checks<{ out: string; onEvent?: OnEvent }> = {
  out: value('a folder', (value) => isText(value) && value !== ''),
  onEvent: call,
}

/** The checks of every option, for each function of the library. */
export const optionChecks = { send: ofSend, list: offer, receive: ofReceive, partial: ofPartial }

/** Throws a usage error that begins with the name of the first option that is wrong. */
export function checkOptions(call: keyof typeof optionChecks, options: object): void {
  checkFields('', optionChecks[call], options as Fields)
  for (const name of ['sources', 'out']) {
    if (name in optionChecks[call] && (options as Fields)[name] === undefined)
      throw new TransferError('usage', `${name} is needed`)
  }
}

/** Returns `onEvent`, to which everything else is reported. Throws a usage error if there can be none. */
export function onEventOf(options: { onEvent?: OnEvent | undefined }): OnEvent {
  value('an object', isObject)('options', options)
  const { onEvent = () => {} } = options
  call('onEvent', onEvent)
  return onEvent
}
