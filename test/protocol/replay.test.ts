/** The real sender and the real receiver, each against the other side of a golden transcript, byte for byte. */
import { chmodSync, lutimesSync, symlinkSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { encode } from '../../dist/protocol/encode.js'
import { BUNDLE, DIRECTORIES, KEPT_DIRECTORIES, RESUME, RESUME_DIRECTORIES } from '../../dist/protocol/messages.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { treeOf } from '../fixtures/folder.ts'
import { hex } from '../fixtures/literals.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, type Frame, frame, readFrames, senderOpening } from '../fixtures/peer-frames.ts'
import { type Line, readTranscript, transcriptNames } from '../fixtures/transcript.ts'

/** Heartbeats come by the clock and not by the conversation, so they are left out of both sides. */
function withoutHeartbeats(bytes: Buffer): string {
  return bytes.toString('latin1').replaceAll(hex('42 00000002 7b7d').toString('latin1'), '')
}

/** How the receiver's part of each transcript begins. */
const receiverOpening = encode.receiverOpening([DIRECTORIES, KEPT_DIRECTORIES, RESUME, RESUME_DIRECTORIES, BUNDLE])

/** A sender that cannot go on draws no name for its transfer. */
const once = { retry: 0 }

/** The file that goes on in two transcripts. */
const numbers = (chunks: number) => `${'0123456789abcde\n'.repeat(64 * chunks)}the last chunk may be short\n`
const [resumedFile, damagedFile] = [numbers(1025), numbers(16 * 1024 + 1)]

/** What came before, over a connection that broke, and has been kept. */
const kept: Record<string, string> = {
  resumed: resumedFile.slice(0, 1_048_576),
  damaged: `${damagedFile.slice(0, 16_777_216)}${'x'.repeat(1024)}`,
}

/** What the receiver of each transcript has in the end. */
const stored: Record<string, Record<string, string>> = {
  'one-small-file': { 'hello.txt': 'hello\n' },
  'second-refused': { 'a.txt': 'first\n', 'b.txt': 'it was here\n' },
  'aborted-entry': { 'hello.txt': 'hello\n' },
  'standard-input': { 'numbers.txt': `${'0123456789abcde\n'.repeat(64)}the last chunk may be short\n` },
  'empty-file': { empty: '' },
  message: {},
  directory: { 'photos/a.txt': 'hello\n', 'photos/latest': '-> sub/empty', 'photos/sub/empty': '' },
  resumed: { 'numbers.txt': resumedFile },
  damaged: { 'numbers.txt': damagedFile },
  sha256: { 'hello.txt': 'hello\n' },
  'without-digest': {},
  'version-refused': {},
  extensions: { 'hello.txt': 'hello\n' },
  'magic-mismatch': {},
}

for (const name of transcriptNames.filter((name) => name !== 'bundle' && name !== 'compressed')) {
  t.test(`${name}: the receiver answers the sender as in the transcript`, async (t) => {
    const transcript = readTranscript(name)
    const out = t.testdir(name === 'second-refused' ? { 'b.txt': 'it was here\n' } : {})
    const { port, events, stop } = await startReceiver(t, { out, ifExists: 'fail', compress: 'never' })
    if (kept[name] !== undefined) {
      const { fields } = readFrames(transcript.sender).frames[1] as Frame
      const { resume: _, ...header } = fields
      const before = await Peer.dial(t, port)
      before.finish(senderOpening, frame('H', header), ...dataFrames(Buffer.from(kept[name])))
      await events.until('ended')
    }
    const peer = await Peer.dial(t, port)
    peer.finish(transcript.sender)
    t.equal(await peer.ended, 'end')
    t.equal(withoutHeartbeats(peer.received), withoutHeartbeats(transcript.receiver))
    await stop()
    t.strictSame(treeOf(out), stored[name])
  })
}

function dataFrames(content: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < content.length; at += 1_048_576) pieces.push(frame('D', content.subarray(at, at + 1_048_576)))
  return pieces
}

/** A receiver that greets, and says the rest of its part of a transcript once it has heard all that the sender says. */
async function listenAsIn(t: Test, name: string, opening = receiverOpening) {
  const transcript = readTranscript(name)
  let heard: (bytes: string) => void
  const said = new Promise<string>((resolve) => {
    heard = resolve
  })
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.next('G')
    await peer.write(opening)
    await peer.ended
    peer.finish(transcript.receiver.subarray(receiverOpening.length))
    heard(withoutHeartbeats(peer.received))
  })
  return { port, said, expected: withoutHeartbeats(transcript.sender) }
}

/** A folder with these files, as old and as private as they are in the transcripts. */
function folderWith(t: Test, files: Record<string, string>): string[] {
  const folder = t.testdir(files)
  return Object.keys(files).map((name) => {
    const path = join(folder, name)
    chmodSync(path, 0o644)
    utimesSync(path, 1_700_000_000, 1_700_000_000)
    return path
  })
}

t.test('one-small-file: the sender sends it as in the transcript', async (t) => {
  const { port, said, expected } = await listenAsIn(t, 'one-small-file')
  const { summary } = await trySend(t, port, folderWith(t, { 'hello.txt': 'hello\n' }), once)
  t.equal(await said, expected)
  t.match(summary, { files: 1, bytes: 6 })
})

t.test('empty-file: the sender sends it as in the transcript', async (t) => {
  const { port, said, expected } = await listenAsIn(t, 'empty-file')
  const { summary } = await trySend(t, port, folderWith(t, { empty: '' }), once)
  t.equal(await said, expected)
  t.match(summary, { files: 1, bytes: 0 })
})

t.test('second-refused: the sender sends both as in the transcript, and fails for the second', async (t) => {
  const { port, said, expected } = await listenAsIn(t, 'second-refused')
  const { error, events } = await trySend(t, port, folderWith(t, { 'a.txt': 'first\n', 'b.txt': 'second\n' }), once)
  t.equal(await said, expected)
  t.match(error, { exitCode: 5, reason: 'exists' })
  t.match(events.of('sent'), [{ name: 'a.txt', storedAs: 'a.txt' }])
  t.match(events.of('failed'), [{ name: 'b.txt', reason: 'exists' }])
})

t.test('aborted-entry: the sender gives up a file that changes, as in the transcript', async (t) => {
  const { port, said, expected } = await listenAsIn(t, 'aborted-entry')
  const [log = '', ...others] = folderWith(t, { 'app.log': 'line 1\n', 'hello.txt': 'hello\n' })
  const { error, events } = await trySend(t, port, [log, ...others], {
    ...once,
    onEvent: (event) => {
      // Told before the first byte is read and after the file's time was: what a program that writes to it would do.
      if (event.event === 'progress' && event.name === 'app.log') utimesSync(log, 1_800_000_000, 1_800_000_000)
    },
  })
  t.equal(await said, expected)
  t.match(error, { exitCode: 8, reason: 'changed' })
  t.match(events.of('sent'), [{ name: 'hello.txt' }])
})

t.test('message: the sender sends it as in the transcript', async (t) => {
  const { port, said, expected } = await listenAsIn(t, 'message')
  const { error, events } = await trySend(t, port, [{ text: 'build 17 is ready' }], once)
  t.equal(await said, expected)
  t.equal(error, undefined)
  t.match(events.of('sent'), [{ name: 'message', storedAs: '', verified: true }])
})

/** To a receiver with which no directory can go on, the sender says nothing that is of its machine. */
const older = encode.receiverOpening([DIRECTORIES, KEPT_DIRECTORIES])

t.test('directory: the sender sends it as in the transcript', async (t) => {
  const { port, said, expected } = await listenAsIn(t, 'directory', older)
  const photos = join(t.testdir({ photos: { 'a.txt': 'hello\n', sub: { empty: '' } } }), 'photos')
  symlinkSync('sub/empty', join(photos, 'latest'))
  lutimesSync(join(photos, 'latest'), 1_700_000_000, 1_700_000_000)
  for (const [path, mode] of Object.entries({ 'a.txt': 0o644, 'sub/empty': 0o644, sub: 0o755, '.': 0o755 })) {
    chmodSync(join(photos, path), mode)
    utimesSync(join(photos, path), 1_700_000_000, 1_700_000_000)
  }
  const { summary, events } = await trySend(t, port, photos, once)
  t.equal(await said, expected)
  t.match(summary, { files: 2, bytes: 6 })
  t.match(
    events.of('sent').map(({ name, storedAs }) => [name, storedAs]),
    [
      ['photos/a.txt', 'photos/a.txt'],
      ['photos/sub/empty', 'photos/sub/empty'],
      ['photos', 'photos'],
    ],
  )
})

t.test('standard-input: the sender passes on what comes as in the transcript', async (t) => {
  const transcript = readTranscript('standard-input')
  const stream = new PassThrough()
  let heard = ''
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(receiverOpening)
    stream.write('0123456789abcde\n'.repeat(64))
    await peer.next('D')
    stream.end('the last chunk may be short\n')
    await peer.ended
    heard = withoutHeartbeats(peer.received)
    peer.finish(transcript.receiver.subarray(receiverOpening.length))
  })
  const { summary } = await trySend(t, port, [{ stream, name: 'numbers.txt' }], once)
  t.equal(heard, withoutHeartbeats(transcript.sender))
  t.match(summary, { files: 1, bytes: 1052 })
})

t.test('extensions: the sender skips the features and the lower-case frames of a receiver', async (t) => {
  const later = Buffer.concat([frame('x', { later: 1 }), frame('z', Buffer.from('not JSON'))])
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write('tcp-recv', frame('G', { version: 1, features: ['later', 'resume-2'], later: 1 }), later)
    const { fields } = await peer.next('E')
    await peer.next('F')
    const stored = { entry: 0, name: 'hello.txt', bytes: 6, blake3: fields.blake3 }
    peer.finish(later, frame('S', stored), later)
  })
  const { summary } = await trySend(t, port, folderWith(t, { 'hello.txt': 'hello\n' }))
  t.match(summary, { files: 1, bytes: 6 })
})

/** The frames of a sender. What it draws or takes from its machine is that of the transcript. */
function withTokensOf(transcript: readonly Frame[], said: readonly Frame[]): object[] {
  let headerDigest = ''
  return said
    .filter(({ type }) => type !== 'B')
    .map(({ type, fields, bytes }, index) => {
      const other = transcript[index]?.fields ?? {}
      if (type === 'H') headerDigest = digest(bytes)
      if (type === 'D') return { type, content: bytes.toString('latin1') }
      // The digest covers the tokens.
      if (type === 'E' && fields.header === headerDigest) return { type, fields: { ...fields, header: other.header } }
      const tokens = ['transfer', 'source', 'edition'].filter((name) => /^[0-9a-f]{32}$/.test(`${fields[name]}`))
      return { type, fields: { ...fields, ...Object.fromEntries(tokens.map((name) => [name, other[name]])) } }
    })
}

for (const [name, file] of Object.entries({ resumed: resumedFile, damaged: damagedFile })) {
  t.test(`${name}: the sender goes on as in the transcript`, async (t) => {
    const transcript = readTranscript(name)
    const expected = readFrames(transcript.sender).frames
    let said: Frame[] = []
    const { port } = await listenAsPeer(t, async (peer) => {
      for (const { side, lines } of transcript.turns) {
        if (side === 'receiver') await peer.write(...lines.map(({ bytes }) => bytes))
        // Each turn of the sender ends with another frame, for which it then waits.
        else
          await peer.next(readFrames(Buffer.concat([Buffer.alloc(8), ...turnBytes(lines)])).frames.at(-1)?.type ?? '')
      }
      await peer.ended
      said = peer.frames
      peer.finish()
    })
    const { summary, events } = await trySend(t, port, folderWith(t, { 'numbers.txt': file }))
    t.strictSame(withTokensOf(expected, said), withTokensOf(expected, expected))
    t.match(summary, { files: 1, bytes: file.length })
    t.match(events.of('sent'), [{ name: 'numbers.txt', size: file.length, verified: true }])
    t.strictSame(
      events.of('warning').map(({ reason }) => reason),
      name === 'damaged' ? ['damaged'] : [],
    )
  })
}

t.test('compressed: the receiver inflates what the sender sends, and answers as in the transcript', async (t) => {
  const transcript = readTranscript('compressed')
  const out = t.testdir()
  const { port, stop } = await startReceiver(t, { out, ifExists: 'fail' })
  const peer = await Peer.dial(t, port)
  peer.finish(transcript.sender)
  t.equal(await peer.ended, 'end')
  const [greeting, ...answers] = readFrames(transcript.receiver).frames as [Frame, ...Frame[]]
  // A newer Node.js can inflate more.
  const features = (await peer.next('G')).fields.features as string[]
  t.strictSame(
    features.filter((name) => name !== 'zstd'),
    greeting.fields.features,
  )
  t.strictSame(
    peer.frames.slice(1).filter(({ type }) => type !== 'B'),
    answers,
  )
  await stop()
  t.strictSame(treeOf(out), { 'numbers.txt': numbers(4) })
})

t.test('bundle: the receiver answers the sender in blocks, as in the transcript', async (t) => {
  const transcript = readTranscript('bundle')
  const out = t.testdir()
  const { port, stop } = await startReceiver(t, { out, ifExists: 'fail', compress: 'never' })
  const peer = await Peer.dial(t, port)
  for (const { side, lines } of transcript.turns) {
    const bytes = Buffer.concat(lines.map((line) => line.bytes))
    if (side === 'sender') await peer.write(bytes)
    // The sender waits for what it confirms: how often the receiver says what has come depends on the time.
    else for (const { type } of readFrames(withMagic(bytes)).frames) if (type !== 'K') await peer.next(type)
  }
  peer.finish()
  t.equal(await peer.ended, 'end')
  const said = (frames: Frame[]) =>
    frames.filter(({ type }) => !'KB'.includes(type)).map(({ type, bytes }) => [type, bytes.toString('latin1')])
  t.strictSame(said(peer.frames), said(readFrames(transcript.receiver).frames))
  t.match(peer.frames.findLast(({ type }) => type === 'K')?.fields, { blocks: 1 })
  await stop()
  t.strictSame(treeOf(out), { 'hello.txt': 'hello\n' })
})

/** The frames of a turn, behind the magic that the first turn has. */
function withMagic(bytes: Buffer): Buffer {
  return bytes.toString('latin1', 0, 4) === 'tcp-' ? bytes : Buffer.concat([Buffer.alloc(8), bytes])
}

/** The frames of one turn. The first one begins with the magic. */
function turnBytes(lines: readonly Line[]): Buffer[] {
  const bytes = lines.map((line) => line.bytes)
  return bytes[0]?.toString() === 'tcp-send' ? bytes.slice(1) : bytes
}
