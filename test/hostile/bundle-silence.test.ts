/** Peers of bundles that rest: one in which nobody speaks ends soon, and one that works itself is no stall. */
import { readdirSync } from 'node:fs'
import t from 'tap'
import { block, bundleName, openBundle } from '../fixtures/bundles.ts'
import { fakeClock, passUntil } from '../fixtures/clock.ts'
import { startReceiver } from '../fixtures/ends.ts'
import type { Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, senderOpening } from '../fixtures/peer-frames.ts'
import { settle, until } from '../fixtures/turns.ts'

t.test('closes a bundle in which nobody speaks, and keeps nothing of it', async (t) => {
  const clock = fakeClock(t)
  const receiver = await startReceiver(t, { out: t.testdir() })
  const open = readdirSync('/proc/self/fd').length
  const peers: Peer[] = []
  for (let number = 0; number < 50; number++) peers.push(await openBundle(t, receiver.port, bundleName(number)))
  // The peers are alive all the time.
  for (let second = 0; second < 14; second++) {
    for (const peer of peers) await peer.write(frame('B', {}))
    await settle(20)
    clock.advance(1_000)
  }
  await Promise.all(peers.map((peer) => peer.ended))
  for (const peer of peers) peer.finish()
  await Promise.all(peers.map((peer) => peer.closed))
  await until(() => readdirSync('/proc/self/fd').length <= open)
  t.equal(receiver.events.of('connected').length, 0)
  await receiver.stop()
})

t.test('takes no more from a peer that confirms no answer, and ends it', async (t) => {
  const clock = fakeClock(t)
  const receiver = await startReceiver(t, { out: t.testdir() })
  const many = 6_000
  const message = entryFrames('', 'x', { '!kind': 'message' })
  const whole = Buffer.concat([senderOpening, ...Array(many).fill(Buffer.concat(message))])
  const peer = await openBundle(t, receiver.port, bundleName())
  const ended = receiver.events.until('ended')
  const piece = 64 * 1024
  const sending = (async () => {
    for (let [limit, sent] = [0, 0]; sent < whole.length; sent += piece) {
      while (limit < sent + piece) limit = Number((await peer.next('K')).fields.limit)
      await peer.write(block(sent, whole.subarray(sent, sent + piece)))
    }
  })()
  sending.catch(() => {})
  await until(() => receiver.events.of('message').length > 1_000)
  await passUntil(clock, ended)
  t.match(await ended, { complete: false })
  t.match(receiver.events.of('failed'), [{ reason: 'timeout' }])
  const taken = receiver.events.of('message').length
  t.ok(taken < many / 2, `${taken} answers were on their way`)
  peer.finish()
  await passUntil(clock, receiver.stop())
})

t.test('counts no rest of one connection as a stall of the transfer', async (t) => {
  const clock = fakeClock(t)
  let go = () => {}
  const drained = new Promise<void>((resolve) => {
    go = resolve
  })
  const onEvent = ({ event }: { event: string }) => (event === 'stored' ? drained : undefined)
  const receiver = await startReceiver(t, { out: t.testdir(), stall: 2_000, onEvent })
  const files = [entryFrames('a', 'one'), entryFrames('b', 'two')].flat()
  const whole = Buffer.concat([senderOpening, ...files, frame('F', { entries: 2 })])
  const peer = await openBundle(t, receiver.port, bundleName(), block(0, whole))
  await receiver.events.until('stored')
  for (let second = 0; second < 6; second++) {
    await peer.write(frame('B', {}))
    await settle(20)
    clock.advance(1_000)
  }
  go()
  t.match(await receiver.events.until('ended'), { complete: true, files: 2 })
  peer.finish()
  await settle(20)
  clock.advance(3_000)
  await receiver.stop()
})
