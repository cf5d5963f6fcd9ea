/** Receivers that answer wrongly, or are none, to the real sender: nothing is confirmed, and the sender says why. */
import { PassThrough } from 'node:stream'
import t from 'tap'
import { trySend } from '../fixtures/ends.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { listenAsPeer } from '../fixtures/peer.ts'
import { digest, frame, frameHeader, receiverOpening } from '../fixtures/peer-frames.ts'
import { right, sendTo, text } from '../fixtures/scripted-receiver.ts'

/** What a listener says once the whole file is there, and how the sender ends. */
const answers: Record<string, [Buffer | string, { code: string; reason: string; message?: RegExp | string }]> = {
  'the wrong digest': [
    frame('S', { entry: 0, ...right, blake3: digest('another') }),
    { code: 'digest-mismatch', reason: 'digest', message: 'the receiver stored 12 bytes with the digest' },
  ],
  'the wrong size': [frame('S', { entry: 0, ...right, bytes: 11 }), { code: 'digest-mismatch', reason: 'digest' }],
  'a mark that is none': [
    frame('S', { entry: 0, ...right, reused: 'yes' }),
    { code: 'incomplete', reason: 'protocol' },
  ],
  'an entry that was never sent': [
    frame('S', { ...right, entry: 1 }),
    { code: 'incomplete', reason: 'protocol', message: 'the receiver confirmed entry 1, which it was not sent' },
  ],
  'a second greeting': [frame('G', { version: 1 }), { code: 'incomplete', reason: 'protocol' }],
  'a frame of a sender': [frame('F', { entries: 0 }), { code: 'incomplete', reason: 'protocol' }],
  data: [frame('D', Buffer.from('data')), { code: 'incomplete', reason: 'protocol' }],
  'an unknown frame': [frame('X', {}), { code: 'incomplete', reason: 'protocol' }],
  'a frame over its limit': [frameHeader('S', 65_537), { code: 'incomplete', reason: 'protocol' }],
  'an empty frame': [frameHeader('B', 0), { code: 'incomplete', reason: 'protocol' }],
  garbage: [bytesOf(10_000), { code: 'incomplete', reason: 'protocol' }],
  'a mandatory field of the future': [
    frame('S', { entry: 0, ...right, '!lease': 1 }),
    { code: 'incomplete', reason: 'field' },
  ],
  'a refusal of the entry': [
    frame('R', { entry: 0, reason: 'policy', message: '\u001b[2Jno\u202e\n' }),
    { code: 'refused', reason: 'policy', message: 'the receiver refused it: \\u{1b}[2Jno\\u{202e}\\u{a}' },
  ],
  'a refusal with an unknown code': [
    frame('R', { entry: 0, reason: `\n${'x'.repeat(100)}`, message: 'y'.repeat(60_000) }),
    { code: 'refused', reason: `\\u{a}${'x'.repeat(38)}…`, message: /y{199}…$/ },
  ],
  'a refusal with the name of a method': [
    frame('R', { entry: 0, reason: 'constructor', message: 'no' }),
    { code: 'refused', reason: 'constructor' },
  ],
  'a refusal of the transfer': [
    frame('R', { entry: null, reason: 'busy', message: 'later' }),
    { code: 'refused', reason: 'busy', message: 'the receiver refused the transfer: later' },
  ],
  'a digest that did not match': [
    frame('R', { entry: 0, reason: 'digest', message: 'x' }),
    { code: 'digest-mismatch', reason: 'digest' },
  ],
  'too few bytes': [frame('R', { entry: 0, reason: 'size', message: 'x' }), { code: 'incomplete', reason: 'size' }],
  'its interruption': [
    frame('R', { entry: null, reason: 'interrupted', message: 'x' }),
    { code: 'incomplete', reason: 'interrupted' },
  ],
  'a timeout': [frame('R', { entry: null, reason: 'timeout', message: 'x' }), { code: 'timeout', reason: 'timeout' }],
}

for (const [what, [answer, wanted]] of Object.entries(answers)) {
  t.test(`fails when the receiver answers ${what}`, async (t) => {
    const { error } = await sendTo(t, async (peer) => {
      await peer.write(receiverOpening)
      await peer.next('F')
      await peer.write(answer)
    })
    t.match(error, wanted)
  })
}

const greetings: Record<string, [Buffer | string, { code: string; reason: string; message?: RegExp | string }]> = {
  'a web server': [
    'HTTP/1.1 400 Bad Request\r\n\r\n',
    {
      code: 'incomplete',
      reason: 'magic',
      message: 'the other side is an HTTP server (its first bytes are "HTTP/1.1")',
    },
  ],
  'an ssh server': [
    'SSH-2.0-OpenSSH_9.6\r\n',
    { code: 'incomplete', reason: 'magic', message: 'the other side is an SSH peer (its first bytes are "SSH-2.0-")' },
  ],
  'another sender': [
    'tcp-send',
    { code: 'incomplete', reason: 'magic', message: 'the other side is a sender, as this side is' },
  ],
  'control characters': [
    '\u001b[2J\n',
    { code: 'incomplete', reason: 'magic', message: 'its first bytes are "\\u{1b}[2J\\u{a}"' },
  ],
  'a receiver of version 2': [
    Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 2 })]),
    { code: 'incomplete', reason: 'version', message: /version 2.*version 1/ },
  ],
  'an answer before its greeting': [
    Buffer.concat([Buffer.from('tcp-recv'), frame('S', { entry: 0, ...right })]),
    { code: 'incomplete', reason: 'protocol' },
  ],
}

for (const [who, [words, wanted]] of Object.entries(greetings)) {
  t.test(`fails at ${who}`, async (t) => {
    const { error } = await sendTo(t, async (peer) => {
      await peer.write(words)
    })
    t.match(error, { exitCode: 6, ...wanted })
  })
}

/** A source that has given its bytes and is not at its end, so that the sender is in the middle of it. */
function unfinished(): { stream: PassThrough; name: string } {
  const stream = new PassThrough()
  stream.write(text)
  return { stream, name: 'file.txt' }
}

t.test('fails when the receiver confirms what is still under way', async (t) => {
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('H')
    await peer.write(frame('S', { entry: 0, ...right }))
    await peer.next('A')
    peer.finish()
  })
  const { error } = await trySend(t, listener.port, [unfinished()])
  t.match(error, { code: 'incomplete', reason: 'protocol', message: /confirmed entry 0, which it was not sent/ })
})

t.test('tells the receiver why it breaks off', async (t) => {
  let told: Record<string, unknown> = {}
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening, frame('S', { ...right, entry: 9 }))
    told = (await peer.next('A')).fields
    peer.finish()
  })
  await trySend(t, listener.port, [unfinished()])
  t.match(told, { entry: null, reason: 'protocol', message: 'the receiver confirmed entry 9, which it was not sent' })
})

t.test('is not confused by a refusal of an entry that it never sent, or of one twice', async (t) => {
  const refused = (entry: number) => frame('R', { entry, reason: 'policy', message: 'no' })
  const { error, events } = await sendTo(t, async (peer) => {
    await peer.write(receiverOpening, refused(5))
    await peer.next('F')
    await peer.write(refused(0), refused(0))
  })
  t.match(error, { code: 'refused', reason: 'policy' })
  t.equal(events.of('failed').length, 1)
})

t.test('fails at once when a receiver without BLAKE3 breaks the protocol together with its greeting', async (t) => {
  const { error } = await sendTo(t, async (peer) => {
    await peer.next('E')
    await peer.write('tcp-recv', frame('G', { version: 1, digest: 'sha256' }), frame('X', {}))
  })
  t.match(error, { code: 'incomplete', reason: 'protocol' })
})
