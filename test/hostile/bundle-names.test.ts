/** Who may join a bundle: connections that come under a name that is not theirs, too early, too late, or too many. */
import { join } from 'node:path'
import t from 'tap'
import { block, bundleName, greet, joinBundle, openBundle, openingWith } from '../fixtures/bundles.ts'
import { startReceiver, startSender } from '../fixtures/ends.ts'
import { filesIn } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { frame, receiverOpening, transferFrames } from '../fixtures/peer-frames.ts'

t.jobs = 4
const parallel = { buffered: true }

const name = bundleName()
const stranger = { entry: null, reason: 'policy', message: 'it has no transfer that this connection could join' }

/** A stream with one small file. `names` are those in its greeting. */
function streamOf(names: object = {}): Buffer {
  const [, ...rest] = transferFrames({ file: 'small' })
  return Buffer.concat([openingWith(names), ...rest])
}

t.test('takes what comes at once with the frame that begins the bundle', parallel, async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const transfer = bundleName(7)
  const peer = await greet(t, receiver.port, { bundle: name, transfer })
  await peer.write(frame('U', { connections: 1 }), block(0, streamOf({ transfer })))
  t.match(await receiver.events.until('ended'), { complete: true })
  await receiver.stop()
  t.strictSame(filesIn(out), { file: 'small' })
  t.strictSame(receiver.events.of('refused'), [])
})

t.test('lets nobody join what is not there', parallel, async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const first = await openBundle(t, receiver.port, name, block(0, openingWith({})))
  const guess = await Peer.dial(t, receiver.port)
  await guess.write(openingWith({ join: bundleName(2) }))
  t.strictSame((await guess.next('R')).fields, stranger)
  guess.finish()
  first.socket.destroy()
  await receiver.events.until('refused', 2)
  const late = await Peer.dial(t, receiver.port)
  await late.write(openingWith({ join: name }))
  t.strictSame((await late.next('R')).fields, stranger, 'the bundle has ended')
  late.finish()
  await receiver.stop()
})

for (const [what, wrong] of Object.entries({
  'that is empty': '',
  'in capital letters': 'A'.repeat(32),
  'that is too long': 'a'.repeat(33),
  'that is a number': 1,
})) {
  t.test(`takes no name ${what}`, parallel, async (t) => {
    const receiver = await startReceiver(t, { out: t.testdir() })
    for (const field of ['bundle', 'join']) {
      const peer = await Peer.dial(t, receiver.port)
      await peer.write(openingWith({ [field]: wrong }))
      t.match((await peer.next('R')).fields, { reason: 'protocol' }, field)
      peer.finish()
    }
    await receiver.stop()
  })
}

t.test('gives a name only once, so that no bundle is lost', parallel, async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const first = await greet(t, receiver.port, { bundle: name })
  const lane = await joinBundle(t, receiver.port, name)
  const second = await Peer.dial(t, receiver.port)
  await second.write(openingWith({ bundle: name }))
  const message = 'another connection has the name of its bundle'
  t.match((await second.next('R')).fields, { reason: 'policy', message })
  second.finish()
  first.socket.destroy()
  t.equal(await lane.ended, 'end', 'the bundle ends with its first connection, which has not used it')
  lane.finish()
  await receiver.stop()
})

t.test('counts the connections when they join, however many have greeted before', parallel, async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, streams: 3 })
  const first = await openBundle(t, receiver.port, name)
  const others: Peer[] = []
  for (let count = 0; count < 20; count++) others.push(await greet(t, receiver.port, { join: name }))
  for (const peer of others) await peer.write(frame('U', {}))
  const taken = await Promise.all(
    others.map((peer) =>
      peer.next('U').then(
        () => true,
        () => false,
      ),
    ),
  )
  t.equal(taken.filter(Boolean).length, 2)
  const [refused] = others.filter((_, index) => !taken[index]) as [Peer]
  t.match(refused.frames.at(-1), { type: 'R', fields: { reason: 'policy', message: /at most 3 connections/ } })
  for (const peer of others) if (!taken[others.indexOf(peer)]) peer.finish()
  await first.write(block(0, streamOf()))
  t.match(await receiver.events.until('ended'), { complete: true, connections: 3 })
  await receiver.stop()
  t.strictSame(filesIn(out), { file: 'small' })
})

t.test('joins nothing with a name of its own and of another at once', parallel, async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(openingWith({ bundle: name, join: name }))
  t.strictSame((await peer.next('R')).fields, stranger)
  peer.finish()
  await receiver.stop()
})

/** The name that a sender which listens has given the connection. */
async function named(peer: Peer): Promise<unknown> {
  return (await peer.next('G')).fields.bundle
}

t.test('a sender that listens lets no receiver join before it has asked for that', parallel, async (t) => {
  const folder = t.testdir({ file: Buffer.alloc(2 << 20) })
  const sender = await startSender(t, [join(folder, 'file')], { streams: 2 })
  const peers = [await Peer.dial(t, sender.port), await Peer.dial(t, sender.port)] as const
  const names = [await named(peers[0]), await named(peers[1])]
  // Each would be a connection of the other's bundle, or of its own, and no session would look after them.
  for (const [index, join] of [names[1], names[1]].entries()) {
    const peer = peers[index] as Peer
    await peer.write(receiverOpening.subarray(0, 8), frame('G', { version: 1, features: ['bundle'], join }))
    t.match((await peer.next('A')).fields, { reason: 'policy', message: stranger.message })
    peer.finish()
  }
  await sender.stop()
})
