import fc from 'fast-check'
import t, { type Test } from 'tap'
import { DatagramPeers, datagramLimits } from '../../dist/chat/datagram-peers.js'
import { fakeClock } from '../fixtures/clock.ts'

function peersOf(t: Test) {
  const clock = fakeClock(t)
  const forgotten: string[] = []
  const peers = new DatagramPeers(({ name }) => forgotten.push(name))
  t.teardown(() => peers.end())
  const hear = (port: number) => peers.hear('127.0.0.1', port)?.peer.name
  return { clock, forgotten, peers, hear, names: () => peers.all.map(({ name }) => name) }
}

t.test('knows a peer by its address and port, and who was heard last', async (t) => {
  const { peers, hear, names } = peersOf(t)
  t.equal(hear(1), 'peer-1')
  t.equal(hear(2), 'peer-2')
  t.equal(peers.hear('127.0.0.2', 1)?.peer.name, 'peer-3')
  t.equal(hear(1), 'peer-1')
  t.same(names(), ['peer-2', 'peer-3', 'peer-1'])
  t.notOk(peers.hear('127.0.0.1', 2)?.isNew)
  t.ok(peers.hear('127.0.0.1', 3)?.isNew)
})

t.test('forgets who has been silent for two minutes, and nobody else', async (t) => {
  const { clock, forgotten, hear, names } = peersOf(t)
  hear(1)
  clock.advance(1_000)
  hear(2)
  clock.advance(60_000)
  hear(1)
  clock.advance(59_999)
  t.same(forgotten, [])
  clock.advance(1)
  t.same(forgotten, ['peer-2'])
  t.same(names(), ['peer-1'])
  clock.advance(60_000)
  t.same(forgotten, ['peer-2', 'peer-1'])
  t.equal(clock.timers, 0)
  t.equal(hear(1), 'peer-3', 'and one that comes back is another')
  clock.advance(120_000)
  t.same(forgotten.at(-1), 'peer-3')
})

t.test('hears no more than a thousand', async (t) => {
  const { clock, hear } = peersOf(t)
  for (let port = 1; port <= 1_000; port++) hear(port)
  t.equal(hear(1_001), undefined)
  t.equal(hear(1_000), 'peer-1000')
  clock.advance(119_999)
  hear(1_000)
  clock.advance(1)
  t.equal(hear(1_001), 'peer-1001')
})

t.test('waits for nobody when it has ended', async (t) => {
  const { clock, peers, hear } = peersOf(t)
  hear(1)
  peers.end()
  t.equal(clock.timers, 0)
  t.same(peers.all, [])
})

t.test('a peer may write a hundred lines at once, and then twenty a second', async (t) => {
  const { clock, peers } = peersOf(t)
  const write = (count: number) => {
    const peer = peers.hear('127.0.0.1', 1)?.peer
    return Array.from({ length: count }, () => peer?.mayWrite()).filter(Boolean).length
  }
  t.equal(write(150), 100)
  clock.advance(1_000)
  t.equal(write(150), 20)
  clock.advance(50)
  t.equal(write(2), 1)
  clock.advance(100_000)
  t.equal(write(150), 100)
})

t.test('holds its limits, whoever writes whenever', async (t) => {
  const clock = fakeClock(t)
  const step = fc.record({
    port: fc.integer({ min: 1, max: 6 }),
    lines: fc.nat({ max: 130 }),
    after: fc.nat({ max: 70_000 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const forgotten: string[] = []
      const peers = new DatagramPeers(({ name }) => forgotten.push(name))
      const begun = performance.now()
      const taken = new Map<string, number>()
      const heard = new Map<string, number>()
      for (const { port, lines, after } of steps) {
        clock.advance(after)
        const { peer, isNew } = peers.hear('::1', port) as NonNullable<ReturnType<typeof peers.hear>>
        if (isNew !== !heard.has(peer.name)) return false
        heard.set(peer.name, performance.now())
        for (let line = 0; line < lines; line++) {
          if (peer.mayWrite()) taken.set(peer.name, (taken.get(peer.name) ?? 0) + 1)
        }
      }
      const now = performance.now()
      const most = datagramLimits.burst + ((now - begun) / 1_000) * datagramLimits.rate
      const isForgotten = (name: string) => now - (heard.get(name) ?? 0) >= datagramLimits.silence
      return (
        [...taken.values()].every((count) => count <= most) &&
        [...heard.keys()].every((name) => isForgotten(name) === forgotten.includes(name)) &&
        peers.all.every(({ name }) => !forgotten.includes(name))
      )
    }),
  )
})
