/** A sender of directories, against receivers that cannot take them, answer wrongly or do not want them. */
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { trySend } from '../fixtures/ends.ts'
import { filesIn } from '../fixtures/folder.ts'
import { listenAsPeer, type Peer } from '../fixtures/peer.ts'
import { digest, frame, receiverOpening } from '../fixtures/peer-frames.ts'
import { startPythonReceiver } from '../fixtures/python.ts'
import { withoutProgram } from '../fixtures/required.ts'

const able = Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 1, features: ['later', 'directories'] })])

/** A directory and a file to send. */
function sources(t: Test): { photos: string; file: string; out: string } {
  const folder = t.testdir({ photos: { 'a.txt': 'text', sub: { b: '' } }, 'file.txt': 'file', out: {} })
  return { photos: join(folder, 'photos'), file: join(folder, 'file.txt'), out: join(folder, 'out') }
}

/** Answers an entry that has come as whole as it should be. */
async function store(peer: Peer, entry: number, more: object = {}): Promise<void> {
  const { fields } = await peer.next('E')
  const { bytes, blake3 } = fields
  await peer.write(frame('S', { entry, name: `stored-${entry}`, bytes, blake3, ...more }))
}

/** A receiver that behaves as the script says, and ends when the sender does. */
async function listen(t: Test, script: (peer: Peer) => Promise<void>) {
  return await listenAsPeer(t, async (peer) => {
    await script(peer).catch(() => {})
    await peer.ended
    peer.socket.destroy()
  })
}

const unable: Record<string, Buffer> = {
  'no features': receiverOpening,
  'other features': Buffer.concat([
    Buffer.from('tcp-recv'),
    frame('G', { version: 1, features: ['directories-2', 'x'] }),
  ]),
}

for (const [what, opening] of Object.entries(unable)) {
  t.test(`sends a receiver with ${what} everything but the directory`, async (t) => {
    const { photos, file } = sources(t)
    let said: Peer | undefined
    const { port } = await listen(t, async (peer) => {
      said = peer
      await peer.write(opening)
      await store(peer, 0)
    })
    const { error, events } = await trySend(t, port, [photos, file])
    const message = /photos: the receiver takes no directories; update it, or send an archive: tar/
    t.match(error, { code: 'refused', exitCode: 5, reason: 'policy', message })
    t.match(events.of('failed'), [{ name: 'photos', code: 'refused', reason: 'policy', message }])
    t.match(events.of('sent'), [{ name: 'file.txt', storedAs: 'stored-0' }])
    t.match(events.of('done'), [{ files: 1, exitCode: 5 }])
    const headers = said?.frames.filter(({ type }) => type === 'H').map(({ fields }) => fields.name)
    t.strictSame(headers, ['file.txt'], 'not even the header of the directory was sent')
    t.match(said?.frames.at(-1), { type: 'F', fields: { entries: 1 } })
  })
}

t.test('sends the receiver in Python everything but the directory', { skip: withoutProgram('python3') }, async (t) => {
  const { photos, file, out } = sources(t)
  const { receiver, port } = await startPythonReceiver(t, out)
  const { error, events } = await trySend(t, Number(port), [photos, file])
  t.match(error, { code: 'refused', exitCode: 5, reason: 'policy', message: 'the receiver takes no directories' })
  t.match(events.of('sent'), [{ name: 'file.txt' }])
  await receiver.kill('SIGTERM')
  t.strictSame(filesIn(out), { 'file.txt': 'file' })
})

/** What a receiver answers to a directory that has come as a whole, and how the sender ends. */
const answers: Record<string, [object, { code: string; reason: string; exitCode: number; message?: RegExp }]> = {
  'the wrong digest': [
    { blake3: digest('another') },
    {
      code: 'digest-mismatch',
      reason: 'digest',
      exitCode: 7,
      message: /the receiver stored \d+ bytes with the digest/,
    },
  ],
  'the wrong size': [{ bytes: 4 }, { code: 'digest-mismatch', reason: 'digest', exitCode: 7 }],
  'no digest': [{ blake3: null }, { code: 'digest-mismatch', reason: 'unverifiable', exitCode: 7 }],
  'the number of another entry': [{ entry: 1 }, { code: 'incomplete', reason: 'protocol', exitCode: 6 }],
}

for (const [what, [answer, wanted]] of Object.entries(answers)) {
  t.test(`confirms nothing of a directory when the receiver answers with ${what}`, async (t) => {
    const { photos } = sources(t)
    const { port } = await listen(t, async (peer) => {
      await peer.write(able)
      await store(peer, 0, answer)
    })
    const { error, events } = await trySend(t, port, photos)
    t.match(error, wanted)
    t.strictSame(events.of('sent'), [], 'no file in it either')
    t.match(events.of('done'), [{ files: 0, bytes: 0 }])
  })
}

/** A folder with a file that would take long to read, although it takes no room on the disk. */
function large(t: Test): string {
  const folder = t.testdir({ large: { '0': 'first', huge: '' }, 'file.txt': 'file' })
  truncateSync(join(folder, 'large', 'huge'), 4 * 1024 ** 3)
  return folder
}

t.test('fails when the receiver confirms a directory that is still under way', async (t) => {
  const { port } = await listen(t, async (peer) => {
    await peer.write(able)
    await peer.next('D')
    peer.socket.pause()
    await peer.write(frame('S', { entry: 0, name: 'large', bytes: 0, blake3: digest('') }))
    peer.socket.resume()
  })
  const { error, events } = await trySend(t, port, join(large(t), 'large'))
  t.match(error, { code: 'incomplete', reason: 'protocol', message: /confirmed entry 0, which it was not sent/ })
  t.strictSame(events.of('sent'), [])
})

t.test('stops reading a directory that is refused in the middle, and goes on with the next entry', async (t) => {
  const folder = large(t)
  let bytes = 0
  let abort: unknown
  const { port } = await listen(t, async (peer) => {
    await peer.write(able)
    await peer.next('D')
    await peer.write(frame('R', { entry: 0, reason: 'no-space', message: 'its disk is full' }))
    abort = (await peer.next('A')).fields
    bytes = peer.received.length
    await store(peer, 1)
  })
  const { error, events } = await trySend(t, port, [join(folder, 'large'), join(folder, 'file.txt')])
  t.match(error, { code: 'refused', exitCode: 5, reason: 'no-space', message: 'its disk is full' })
  t.match(events.of('failed'), [{ name: 'large', reason: 'no-space' }])
  t.match(events.of('sent'), [{ name: 'file.txt', storedAs: 'stored-1' }])
  t.match(events.of('done'), [{ files: 1, exitCode: 5 }])
  t.match(abort, { entry: 0, reason: 'no-space' })
  t.ok(bytes < 512 * 1024 ** 2, `most of it was never read: ${bytes} bytes came`)
})

t.test('reports no more progress than there is, whatever the receiver says', async (t) => {
  const { photos } = sources(t)
  const { port } = await listen(t, async (peer) => {
    await peer.write(able)
    await peer.next('H')
    await peer.write(frame('B', { entry: 0, bytes: Number.MAX_SAFE_INTEGER }), frame('B', { entry: 7, bytes: 1 }))
    await store(peer, 0)
  })
  const { summary, events } = await trySend(t, port, photos)
  t.match(summary, { files: 2, bytes: 4 })
  for (const { received = 0, bytes } of events.of('progress')) t.ok(received <= bytes && bytes <= 4)
})
