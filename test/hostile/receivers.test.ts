/** Whatever answers at the port of a receiver: a sender never believes it, never waits for ever, and says what happened. */
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { type Ended, trySend } from '../fixtures/ends.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { listenAsPeer, type Peer } from '../fixtures/peer.ts'
import { digest, frame, frameHeader, receiverOpening } from '../fixtures/peer-frames.ts'

const text = 'a small file'
const right = { name: 'file.txt', bytes: text.length, blake3: digest(text) }

/** Sends `text` to a listener that behaves as the script says. What a script leaves open the listener ends. */
async function sendTo(t: Test, script: (peer: Peer) => Promise<void>, options?: Partial<SendOptions>): Promise<Ended> {
  const path = join(t.testdir({ 'file.txt': text }), 'file.txt')
  const listener = await listenAsPeer(t, async (peer) => {
    await script(peer).catch(() => {})
    await peer.ended
    peer.socket.destroy()
  })
  const sent = await trySend(t, listener.port, path, options)
  t.equal(sent.summary, undefined, 'it never succeeds')
  t.strictSame(sent.events.of('sent'), [], 'nothing is confirmed')
  t.match(sent.events.of('done'), [{ files: 0, exitCode: sent.error?.exitCode }])
  return sent
}

/** What a listener says once the whole file is there, and how the sender ends. */
const answers: Record<string, [Buffer | string, { code: string; reason: string; message?: RegExp | string }]> = {
  'the wrong digest': [
    frame('S', { entry: 0, ...right, blake3: digest('another') }),
    { code: 'digest-mismatch', reason: 'digest', message: 'the receiver stored 12 bytes with the BLAKE3' },
  ],
  'the wrong size': [frame('S', { entry: 0, ...right, bytes: 11 }), { code: 'digest-mismatch', reason: 'digest' }],
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
    frame('R', { entry: 0, code: 'policy', reason: '\u001b[2Jno\u202e\n' }),
    { code: 'refused', reason: 'policy', message: 'the receiver refused it: \\u{1b}[2Jno\\u{202e}\\u{a}' },
  ],
  'a refusal with an unknown code': [
    frame('R', { entry: 0, code: `\n${'x'.repeat(100)}`, reason: 'y'.repeat(60_000) }),
    { code: 'refused', reason: `\\u{a}${'x'.repeat(38)}…`, message: /y{199}…$/ },
  ],
  'a refusal with the name of a method': [
    frame('R', { entry: 0, code: 'constructor', reason: 'no' }),
    { code: 'refused', reason: 'constructor' },
  ],
  'a refusal of the transfer': [
    frame('R', { entry: null, code: 'busy', reason: 'later' }),
    { code: 'refused', reason: 'busy', message: 'the receiver refused the transfer: later' },
  ],
  'a digest that did not match': [
    frame('R', { entry: 0, code: 'digest', reason: 'x' }),
    { code: 'digest-mismatch', reason: 'digest' },
  ],
  'too few bytes': [frame('R', { entry: 0, code: 'size', reason: 'x' }), { code: 'incomplete', reason: 'size' }],
  'its interruption': [
    frame('R', { entry: null, code: 'interrupted', reason: 'x' }),
    { code: 'incomplete', reason: 'interrupted' },
  ],
  'a timeout': [frame('R', { entry: null, code: 'timeout', reason: 'x' }), { code: 'timeout', reason: 'timeout' }],
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
  'who confirms before anything was sent': [
    Buffer.concat([receiverOpening, frame('S', { entry: 0, ...right })]),
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

t.test('fails when the receiver confirms what is still under way', async (t) => {
  const source = new PassThrough()
  source.write(text)
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('H')
    await peer.write(frame('S', { entry: 0, ...right }))
    await peer.next('A')
    peer.finish()
  })
  const { error } = await trySend(t, listener.port, [{ stream: source, name: 'file.txt' }])
  t.match(error, { code: 'incomplete', reason: 'protocol', message: /confirmed entry 0, which it was not sent/ })
})

t.test('tells the receiver why it breaks off', async (t) => {
  let told: Record<string, unknown> = {}
  await sendTo(t, async (peer) => {
    await peer.write(receiverOpening, frame('S', { ...right, entry: 9 }))
    told = (await peer.next('A')).fields
  })
  t.match(told, { entry: null, code: 'protocol', reason: 'the receiver confirmed entry 9, which it was not sent' })
})

t.test('is not confused by a refusal of an entry that it never sent, or of one twice', async (t) => {
  const refused = (entry: number) => frame('R', { entry, code: 'policy', reason: 'no' })
  const { error, events } = await sendTo(t, async (peer) => {
    await peer.write(receiverOpening, refused(5))
    await peer.next('F')
    await peer.write(refused(0), refused(0))
  })
  t.match(error, { code: 'refused', reason: 'policy' })
  t.equal(events.of('failed').length, 1)
})

t.test('fails when the connection ends before the answer, wherever it was', async (t) => {
  const frames = ['G', 'H', 'D', 'E', 'F']
  for (const type of frames) {
    const { error } = await sendTo(t, async (peer) => {
      await peer.next(type)
      peer.finish(receiverOpening)
    })
    t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken' }, `after ${type}`)
  }
  const { error } = await sendTo(t, async (peer) => peer.finish())
  t.match(error, { code: 'incomplete', message: 'the receiver closed the connection before it confirmed everything' })
})

t.test('fails when a receiver that said it was alive goes away', async (t) => {
  const { error } = await sendTo(t, async (peer) => {
    await peer.write(receiverOpening)
    for (let times = 0; times < 100; times++) await peer.write(frame('B', {}))
    await peer.next('F')
    peer.finish(frame('B', {}))
  })
  t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
})

t.test('gives up on a receiver that reads and never answers', async (t) => {
  const { error } = await sendTo(t, (peer) => peer.closed, { timeout: 100 })
  t.match(error, { code: 'timeout', exitCode: 9, message: /^no progress for 0\.1 seconds/ })
})

t.test('gives up on a receiver that never reads, and reads no more of its source than fits', async (t) => {
  const leftOpen = watchOpenFiles('/')
  const listener = await listenAsPeer(t, (peer) => peer.socket.pause())
  let given = 0
  const endless = Readable.from(
    (function* () {
      for (; given < 1_000; given++) yield bytesOf(1_048_576)
    })(),
  )
  const sent = await trySend(t, listener.port, [{ stream: endless, name: 'endless' }], { timeout: 300 })
  t.match(sent.error, { code: 'timeout', exitCode: 9 })
  t.ok(endless.destroyed)
  t.ok(given < 100, `${given} MiB were read`)
  // The listener and its side of the connection.
  t.equal((await leftOpen()).length, 2)
})

t.test('stops reading a source that was refused, and sends the next one', async (t) => {
  const endless = new PassThrough()
  endless.write(bytesOf(2_000))
  let aborted: Record<string, unknown> = {}
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('D')
    await peer.write(frame('R', { entry: 0, code: 'no-space', reason: 'full' }))
    aborted = (await peer.next('A')).fields
    await peer.next('F')
    await peer.write(frame('S', { ...right, entry: 1 }))
    peer.finish()
  })
  const sources = [
    { stream: endless, name: 'endless' },
    { stream: Readable.from([text]), name: 'file.txt' },
  ]
  const sent = await trySend(t, listener.port, sources)
  t.match(sent.error, { code: 'refused', exitCode: 5, reason: 'no-space' })
  t.match(sent.events.of('sent'), [{ name: 'file.txt' }])
  t.equal(sent.events.of('failed').length, 1)
  t.match(aborted, { entry: 0, code: 'no-space' })
  t.ok(endless.destroyed)
})

t.test('takes answers in any order, and from a receiver that stays silent after them', async (t) => {
  const listener = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    await peer.next('F')
    await peer.write(frame('S', { ...right, entry: 1 }), frame('B', {}), frame('S', { ...right, entry: 0, name: 'x' }))
  })
  const sources = ['one', 'two'].map((name) => ({ stream: Readable.from([text]), name }))
  const sent = await trySend(t, listener.port, sources)
  t.match(sent.summary, { files: 2 })
  t.match(sent.events.of('sent'), [{ name: 'two' }, { name: 'one', storedAs: 'x' }])
})
