/** Recognizes peers that speak something else by their first bytes, for messages that help. */
import { printable } from '../text.js'
import { CODE_MAGIC, CODE_VERSION } from './code-exchange.js'
import { CHAT_MAGIC, FRAME_HEADER, MAX_CONTROL, RECEIVER_MAGIC, SENDER_MAGIC } from './limits.js'
import { frameTypes } from './messages.js'

/**
 * A receiver's answer to a peer that is no sender. A person reads it, and `tcp-send --plain` recognizes its start. It
 * does not begin with a magic, so no program takes it for frames.
 */
const LINE_START = 'This is tcp-recv,'
export const STRANGER_LINE = `${LINE_START} which takes files from tcp-send; with --plain it takes any bytes.\n`

/** The answer of a talk with a key to a peer that has none, which may be no program of these. */
export const CHAT_LINE =
  'This is tcp-chat with a key, and it talks only with those who have the same one (--key-file).\n'

const httpMethods = ['GET ', 'HEAD ', 'POST ', 'PUT ', 'DELETE ', 'OPTIONS ', 'CONNECT ', 'PATCH ', 'TRACE ', 'PRI * ']

/** The first bytes of each. A TLS record begins with its type, handshake or alert, and the version (RFC 8446, 5.1). */
const strangers: readonly { who: string; starts: readonly string[] }[] = [
  { who: 'an HTTP client', starts: httpMethods },
  { who: 'an HTTP server', starts: ['HTTP/'] },
  { who: 'a TLS peer', starts: ['\x15\x03'] },
  { who: 'an SSH peer', starts: ['SSH-'] },
  { who: 'a load balancer (see --proxy-from)', starts: ['PROXY ', '\r\n\r\n\0\r\nQ'] },
  { who: 'a sender, as this side is', starts: [SENDER_MAGIC] },
  { who: 'a receiver, as this side is', starts: [RECEIVER_MAGIC] },
  { who: 'tcp-chat', starts: [CHAT_MAGIC] },
]

/** The answer to a peer with a key, of a side without one: a fatal alert, `unknown_psk_identity` (RFC 8446, 5.1 and 6). */
export const NO_KEY_ALERT = Buffer.from([0x15, 0x03, 0x03, 0, 2, 2, 115])

/** True for the first message of a TLS client, as a peer with a key sends it. */
function isTlsHello(start: Buffer): boolean {
  return start[0] === 0x16 && start[1] === 3
}

/** Said by a side without a key of a peer that has one. */
export const KEY_THERE = 'the other side has a key, and this side has none; give it the same one (--key-file)'

/** True for a peer that has a key or a code. */
export function isSecret(start: Buffer): boolean {
  return isTlsHello(start) || start.toString('latin1', 0, CODE_MAGIC.length) === CODE_MAGIC
}

/** Who the peer is. `start` is what came in place of the magic: at most eight bytes. */
export function describeStranger(start: Buffer): string {
  const text = start.toString('latin1')
  if (isTlsHello(start)) return KEY_THERE
  if (isSecret(start)) return 'the other side has a code, and this side has none; start this side with --code'
  const who = strangers.find(({ starts }) => starts.some((mark) => text.startsWith(mark)))?.who
  const shown = `its first bytes are "${printable(text)}"`
  return who
    ? `the other side is ${who} (${shown})`
    : `the other side does not speak this protocol (${shown}); with --plain its bytes are taken as they are`
}

export type Side = 'sender' | 'receiver'

const sides: readonly { side: Side; magic: string }[] = [
  { side: 'sender', magic: SENDER_MAGIC },
  { side: 'receiver', magic: RECEIVER_MAGIC },
]

/**
 * The side of the protocol that opens with `bytes`, or null if neither does; undefined if there are too few bytes to
 * tell. A text may begin with a magic, so the header of a greeting must follow. For a side that does not speak the
 * protocol.
 */
export function openingSide(bytes: Buffer): Side | null | undefined {
  const start = bytes.toString('latin1', 0, SENDER_MAGIC.length)
  if (CODE_MAGIC.startsWith(start)) return sideWithCode(bytes)
  const found = sides.find(({ magic }) => magic.startsWith(start))
  if (!found) return null
  const header = bytes.subarray(SENDER_MAGIC.length, SENDER_MAGIC.length + FRAME_HEADER)
  if (!frameTypes.greeting.startsWith(header.toString('latin1', 0, 1))) return null
  if (header.length < FRAME_HEADER) return undefined
  const length = header.readUInt32BE(1)
  return length > 0 && length <= MAX_CONTROL ? found.side : null
}

/** The side that begins with its share of a code. */
function sideWithCode(bytes: Buffer): Side | null | undefined {
  const [version, role] = bytes.subarray(CODE_MAGIC.length)
  if (version === undefined || role === undefined) return undefined
  const side = sides.find(({ side }) => side.charCodeAt(0) === role)?.side ?? null
  return version === CODE_VERSION ? side : null
}

/** The same for an answer. That of a receiver may also be its line of text. */
export function answeringSide(bytes: Buffer): Side | null | undefined {
  const start = bytes.toString('latin1', 0, LINE_START.length)
  if (!LINE_START.startsWith(start)) return openingSide(bytes)
  return start === LINE_START ? 'receiver' : undefined
}
