/** What must be true of the decoders for every stream of bytes. */
import { LaneDecoder } from '../../dist/protocol/bundle-frames.js'
import type { Compressor } from '../../dist/protocol/compressed.js'
import { ReceiverDecoder, SenderDecoder } from '../../dist/protocol/decoder.js'
import { ProtocolError } from '../../dist/protocol/protocol-error.js'
import { TreeDecoder } from '../../dist/protocol/tree-decoder.js'
import { referenceDecode } from '../fixtures/reference-decoder.ts'
import { referenceLane } from '../fixtures/reference-lane.ts'
import { referenceTree } from '../fixtures/reference-tree.ts'
import type { Case, GrammarName } from './corpus.ts'
import type { Random } from './random.ts'

type Message = { frame: string; bytes?: unknown; first?: boolean }

interface Decoder {
  push(bytes: Buffer): Iterable<Message>
  detach?(keep: (bytes: Buffer) => Buffer): void
}

interface Outcome {
  messages: Message[]
  /** What was thrown; null if nothing. */
  error: unknown
  /** Of a directory: true if it may end here. */
  isWhole: boolean
}

/** The most bytes of a control payload, which is all that a decoder may ever hold, but for a compressed piece. */
const MOST_HELD = 65_536
const MOST_COMPRESSED = 1_048_576

/** So slow is nothing on any machine. */
const SLOW = 500

/** Most directories are read as one of which the receiver has a part. */
const isResumed = (stream: Buffer) => stream.length % 4 > 0

/** What the receiver of most streams has said that it can inflate. */
const compressorsOf = (stream: Buffer): Compressor[] => (stream.length % 4 > 0 ? ['zstd', 'brotli'] : [])

function senderDecoder(stream: Buffer): SenderDecoder {
  const decoder = new SenderDecoder()
  decoder.allow(compressorsOf(stream))
  return decoder
}

const create: Record<GrammarName, (stream: Buffer) => Decoder> = {
  sender: senderDecoder,
  receiver: () => new ReceiverDecoder(),
  tree: (stream) => new TreeDecoder(isResumed(stream)),
  lane: () => new LaneDecoder(),
}

let largest = 0

/** Notes the largest buffer that is made. */
export function watchAllocations(): void {
  for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const) {
    const make = Buffer[name]
    Buffer[name] = (size: number, ...rest: []) => {
      if (size > largest) largest = size
      return make(size, ...rest)
    }
  }
}

/** Copies that stay when the memory of the pushed bytes is used again. */
let memory: Buffer = Buffer.alloc(1 << 20)

/** Feeds the stream as a connection would: in pieces, whose memory is spoiled as soon as it may be used again. */
function feed(grammar: GrammarName, stream: Buffer, places: readonly number[], detach: boolean): Outcome {
  const decoder = create[grammar](stream)
  const messages: Message[] = []
  let error: unknown = null
  if (memory.length < stream.length) memory = Buffer.alloc(2 * stream.length)
  largest = 0
  try {
    for (let index = 0; index <= places.length; index++) {
      const start = places[index - 1] ?? 0
      const piece = memory.subarray(0, stream.copy(memory, 0, start, places[index] ?? stream.length))
      for (const message of decoder.push(piece)) {
        keep(message, messages)
        if (!detach || !decoder.detach) continue
        decoder.detach(Buffer.from)
        piece.fill(0xee)
      }
      piece.fill(0xee)
    }
  } catch (thrown) {
    error = thrown
  }
  return { messages, error, isWhole: error === null && decoder instanceof TreeDecoder && mayEnd(decoder) }
}

function mayEnd(decoder: TreeDecoder): boolean {
  try {
    decoder.finish()
    return true
  } catch (error) {
    if (error instanceof ProtocolError) return false
    throw error
  }
}

/** Data that came in several pieces is one message. A frame that is skipped says nothing. */
function keep(message: Message, messages: Message[]): void {
  if (message.frame === 'ancillary') return
  const { bytes } = message
  if (!(bytes instanceof Buffer)) {
    messages.push(message)
    return
  }
  const last = messages.at(-1)
  const isMore = message.frame === 'data' && last?.frame === 'data' && message.first !== true
  if (isMore) last.bytes = Buffer.concat([last.bytes as Buffer, bytes])
  else messages.push({ ...message, bytes: Buffer.from(bytes) })
}

function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (one instanceof Buffer) return other instanceof Buffer && one.equals(other)
  return (
    Array.isArray(one) && Array.isArray(other) && one.length === other.length && one.every((v, i) => v === other[i])
  )
}

/**
 * The text about what is not supported is compared only for being there: a control character in it is escaped.
 * `payload` is of no message, but of its frame.
 */
function isSameMessage(one: Message, other: Message): boolean {
  const [mine, theirs] = [one as Record<string, unknown>, other as Record<string, unknown>]
  for (const name in mine) {
    if (name === 'payload') continue
    if (name === 'unsupported' ? theirs[name] === undefined : !isSame(mine[name], theirs[name])) return false
  }
  for (const name in theirs) if (theirs[name] !== undefined && mine[name] === undefined) return false
  return true
}

function areSame(one: readonly Message[], other: readonly Message[]): boolean {
  return one.length === other.length && one.every((message, index) => isSameMessage(message, other[index] as Message))
}

function reasonOf(error: unknown): string | null {
  return error instanceof ProtocolError ? error.reason : null
}

/** The text of the error, unless it shows how much of a wrong magic has come. */
function textOf(error: unknown): string {
  return reasonOf(error) === 'magic' ? 'magic' : `${error}`
}

function reference({ grammar, bytes }: Case): { messages: Message[]; reason: string | null; isWhole: boolean } {
  const found = referenceOf(grammar, bytes)
  const messages: Message[] = []
  for (const message of found.messages) keep(message, messages)
  return { ...found, messages }
}

function referenceOf(grammar: GrammarName, bytes: Buffer) {
  if (grammar === 'tree') return referenceTree(bytes, isResumed(bytes))
  if (grammar === 'lane') return { ...referenceLane(bytes), isWhole: false }
  return { ...referenceDecode(grammar, bytes, compressorsOf(bytes)), isWhole: false }
}

/** Where to cut a stream: nowhere, at each byte, or at some places. */
function cutPlaces(length: number, random: Random): number[] {
  if (length < 200 && random.once(16)) return Array.from({ length: Math.max(0, length - 1) }, (_, at) => at + 1)
  const places = Array.from({ length: random.few(6) }, () => random.below(length + 1))
  return places.sort((a, b) => a - b)
}

export interface Judgement {
  /** What is wrong, in words that are the same for the same fault; null if nothing is. */
  problem: string | null
  /** What happened, in short: a stream for which it is new may lead to others. */
  signature: number
}

/** Decodes a stream in several ways. */
export function judge(tried: Case, random: Random): Judgement {
  const { grammar, bytes } = tried
  const start = performance.now()
  const whole = feed(grammar, bytes, [], false)
  const time = performance.now() - start
  const held = largest
  const signature = signatureOf(grammar, whole)
  const not = (problem: string) => ({ problem: `${grammar}: ${problem}`, signature })
  if (whole.error !== null && !(whole.error instanceof ProtocolError)) return not(`throws ${whole.error}`)
  if (time > SLOW && isSlow(tried)) return not('takes too long')
  const cut = feed(grammar, bytes, cutPlaces(bytes.length, random), random.once(2))
  if (textOf(cut.error) !== textOf(whole.error) || cut.isWhole !== whole.isWhole) return not('another outcome when cut')
  if (!areSame(cut.messages, whole.messages)) return not('other messages when cut')
  const mayInflate = grammar === 'sender' && compressorsOf(bytes).length > 0
  const most = mayInflate ? MOST_COMPRESSED : MOST_HELD
  if (Math.max(held, largest) > Math.max(most, bytes.length)) return not('holds too much')
  const expected = reference(tried)
  const reason = reasonOf(whole.error)
  if (reason !== expected.reason) return not(`ends with ${reason}, and the reference with ${expected.reason}`)
  if (!areSame(whole.messages, expected.messages)) return not('other messages than the reference')
  if (whole.isWhole !== expected.isWhole) return not('ends where the reference does not, or the other way round')
  return { problem: null, signature }
}

/** Another program may have had the processor. */
function isSlow({ grammar, bytes }: Case): boolean {
  return [1, 2, 3].every(() => {
    const start = performance.now()
    feed(grammar, bytes, [], false)
    return performance.now() - start > SLOW
  })
}

/** A number, because millions of texts would fill the memory. */
function signatureOf(grammar: string, { messages, error, isWhole }: Outcome): number {
  let letters = ''
  for (let at = 0; at < messages.length && at < 8; at++) letters += messages[at]?.frame.slice(0, 2)
  const text = error === null ? String(isWhole) : (error as Error).message.replace(/\d+|"[^"]*"/g, '').slice(0, 70)
  const all = `${grammar} ${letters} ${text}`
  let hash = 0x811c9dc5
  for (let at = 0; at < all.length; at++) hash = Math.imul(hash ^ all.charCodeAt(at), 0x01000193)
  return hash
}
