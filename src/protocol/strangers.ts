/** Who speaks when it is not a peer of ours: by the first bytes, for a message that helps. */
import { printable } from '../text.js'
import { RECEIVER_MAGIC, SENDER_MAGIC } from './limits.js'

const httpMethods = ['GET ', 'HEAD ', 'POST ', 'PUT ', 'DELETE ', 'OPTIONS ', 'CONNECT ', 'PATCH ', 'TRACE ', 'PRI * ']

/** How each kind begins. A TLS record begins with its type, handshake or alert, and the version (RFC 8446, 5.1). */
const strangers: readonly { who: string; starts: readonly string[] }[] = [
  { who: 'an HTTP client', starts: httpMethods },
  { who: 'an HTTP server', starts: ['HTTP/'] },
  { who: 'a TLS peer', starts: ['\x16\x03', '\x15\x03'] },
  { who: 'an SSH peer', starts: ['SSH-'] },
  { who: 'a sender, as this side is', starts: [SENDER_MAGIC] },
  { who: 'a receiver, as this side is', starts: [RECEIVER_MAGIC] },
]

/** `start` is what came in the place of the magic: at most eight bytes. */
export function describeStranger(start: Buffer): string {
  const text = start.toString('latin1')
  const who = strangers.find(({ starts }) => starts.some((mark) => text.startsWith(mark)))?.who
  const shown = `its first bytes are "${printable(text, 40)}"`
  return who
    ? `the other side is ${who} (${shown})`
    : `the other side does not speak this protocol (${shown}); with --plain its bytes are taken as they are`
}
