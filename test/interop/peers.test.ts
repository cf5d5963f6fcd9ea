/**
 * `--plain` against the programs that are everywhere: each of them sends and receives, and either side may be the one
 * that waits. A file of 20 MB, more than the kernels hold, and an empty one must arrive byte for byte.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Outcome, portOf, Running, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf } from '../fixtures/folder.js'
import { foreignPeers } from '../fixtures/foreign-peers.js'
import { only, readEvents } from '../fixtures/json-events.js'
import { digest } from '../fixtures/peer-frames.js'
import { type Place, unusedPlace } from '../fixtures/ports.js'

const folder = t.testdir({ large: '', empty: '' })
/** Made once: bytes that do not repeat, so that none can be lost, doubled or swapped unnoticed. */
const large = bytesOf(20_000_000)
writeFileSync(join(folder, 'large'), large)

const files = [
  { name: 'large', size: large.length, blake3: digest(large) },
  { name: 'empty', size: 0, blake3: digest('') },
]
type File = (typeof files)[number]

const copy = join(folder, 'copy')
const plain = ['--plain', '--json']
const storing = [...plain, '--name', 'copy', '--out', folder]

/** The line of a foreign program, with the file that it sends or writes. */
function foreign(t: Test, line: string, { host, port }: Place, file: string): Running {
  const env = { ...process.env, HOST: host, PORT: port, FILE: file }
  return new Running(t, 'bash', ['-c', line], { env, group: true })
}

/** Both have ended well, and what was written is what was read. */
async function ended(t: Test, file: File, ours: Promise<Outcome>, theirs: Promise<Outcome>, event: 'stored' | 'sent') {
  const [our, their] = await Promise.all([ours, theirs])
  t.equal(our.code, 0, our.stderr)
  t.equal(their.code, 0, their.stderr)
  const { size, blake3 } = file
  t.match(only(readEvents(t, our.stdout), event), { size, blake3, verified: false })
  const written = readFileSync(copy)
  t.strictSame([written.length, digest(written)], [size, blake3], 'it is byte for byte the same')
  rmSync(copy)
}

for (const { name: peer, skip, dialSend, dialReceive, listenSend, listenReceive } of foreignPeers) {
  t.test(`${peer} sends to a receiver that listens`, { skip }, async (t) => {
    for (const file of files) {
      const receiver = await startReceiver(t, ['--once', ...storing])
      const theirs = foreign(t, dialSend, { host: '127.0.0.1', port: receiver.port }, join(folder, file.name))
      await ended(t, file, receiver.done, theirs.done, 'stored')
    }
  })

  t.test(`${peer} receives from a sender that listens`, { skip }, async (t) => {
    for (const file of files) {
      const args = ['--listen', '--host', '127.0.0.1', '--port', '0', ...plain, join(folder, file.name)]
      const sender = start(t, 'tcp-send', args)
      const theirs = foreign(t, dialReceive, { host: '127.0.0.1', port: await portOf(sender) }, copy)
      await ended(t, file, sender.done, theirs.done, 'sent')
    }
  })

  // From here on the other one listens; whoever dials tries until it does, so nobody has to probe the port.
  if (listenSend !== undefined) {
    t.test(`${peer} waits with a file for a receiver that dials`, { skip }, async (t) => {
      for (const file of files) {
        const place = await unusedPlace()
        const theirs = foreign(t, listenSend, place, join(folder, file.name))
        const args = ['--connect', place.host, '--port', place.port, '--wait', '120', ...storing]
        await ended(t, file, start(t, 'tcp-recv', args).done, theirs.done, 'stored')
      }
    })
  }

  if (listenReceive !== undefined) {
    t.test(`${peer} waits for the file of a sender that dials`, { skip }, async (t) => {
      for (const file of files) {
        const place = await unusedPlace()
        const theirs = foreign(t, listenReceive, place, copy)
        const args = ['--wait', '120', ...plain, join(folder, file.name), place.host, place.port]
        await ended(t, file, start(t, 'tcp-send', args).done, theirs.done, 'sent')
      }
    })
  }
}
