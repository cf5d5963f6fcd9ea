/** Bytes of a directory that change on the way: it is stored as it was sent, or not at all. */
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { namesIn, treeOf } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { Peer } from '../fixtures/peer.ts'
import { frame, senderOpening } from '../fixtures/peer-frames.ts'
import { damagedPort } from '../fixtures/proxy.ts'
import { directoryFrames, tree } from '../fixtures/tree-frames.ts'

const parts = [
  tree.file('a.txt', 'text', { mode: 0o644, mtime: 1e12 }),
  tree.open('b', { mode: 0o755 }),
  tree.streamed('c', 'x'.repeat(2_000)),
  tree.link('d', '../a.txt'),
  tree.close(),
  tree.file('e', ''),
]
const whole = { 'a.txt': 'text', 'b/c': 'x'.repeat(2_000), 'b/d': '-> ../a.txt', e: '' }
const bytes = Buffer.concat([senderOpening, ...directoryFrames('dir', parts), frame('F', { entries: 1 })])

t.test('stores a directory as it was sent or not at all, whatever becomes of its bytes', async (t) => {
  const out = t.testdir()
  const leftOpen = watchOpenFiles(out)
  const receiver = await startReceiver(t, { out, allowHidden: true })
  const known = new Set<string>()
  const position = fc.nat({ max: bytes.length - 1 })
  const edit = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: position, bit: fc.nat({ max: 7 }) }),
    fc.record({ kind: fc.constant('cut' as const), at: position, length: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant('repeat' as const), at: position, length: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant('insert' as const), at: position, bytes: fc.uint8Array({ minLength: 1 }) }),
  )
  const property = fc.asyncProperty(fc.array(edit, { maxLength: 2 }), async (edits) => {
    let said = bytes
    for (const change of edits) {
      const [before, after] = [said.subarray(0, change.at), said.subarray(change.at)]
      if (change.kind === 'flip') {
        said = Buffer.concat([before, after])
        if (change.at < said.length) said[change.at] = (said[change.at] as number) ^ (1 << change.bit)
      }
      if (change.kind === 'cut') said = Buffer.concat([before, after.subarray(change.length)])
      if (change.kind === 'repeat') said = Buffer.concat([before, after.subarray(0, change.length), after])
      if (change.kind === 'insert') said = Buffer.concat([before, change.bytes, after])
    }
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(said)
    await peer.closed
    const fresh = namesIn(out).filter((name) => name !== '.tcp-recv' && !known.has(name))
    for (const name of fresh) known.add(name)
    return fresh.every((name) => isDeepStrictEqual(treeOf(join(out, name)), whole))
  })
  await fc.assert(property, { numRuns: 150 })
  const good = await Peer.dial(t, receiver.port)
  good.finish(bytes)
  await good.next('S')
  await good.closed
  await receiver.stop()
  // What was cut off may be kept in the staging folder.
  const stored = namesIn(out).filter((name) => name !== '.tcp-recv')
  for (const name of stored) t.strictSame(treeOf(join(out, name)), whole, name)
  t.ok(stored.length > 1, 'what changes nothing that counts is stored')
  t.strictSame(await leftOpen(), [])
})

t.test('finds a bit that was flipped in a directory between two real ends, on both', async (t) => {
  const folder = t.testdir({ dir: { 'a.txt': 'text', b: { c: 'x'.repeat(200_000) } }, out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out') })
  // The attributes in the header, a name, the content of a small file, and that of a large one.
  const places = [150, 190, 350, 100_000]
  for (const place of places) {
    const change = (direction: string, bytes: Buffer, position: number) => {
      const index = place - position
      if (direction !== 'to-receiver' || index < 0 || index >= bytes.length) return bytes
      const changed = Buffer.from(bytes)
      changed[index] = (bytes[index] as number) ^ 1
      return changed
    }
    const port = await damagedPort(t, receiver.port, { change })
    const { error, events } = await trySend(t, port, join(folder, 'dir'))
    t.ok([5, 6, 7].includes(error?.exitCode ?? 0), `${place}: ${error?.message}`)
    t.strictSame(events.of('sent'), [], 'no file in it counts as sent')
  }
  await receiver.stop()
  t.strictSame(receiver.events.of('stored'), [])
  t.strictSame(treeOf(join(folder, 'out')), {})
})
