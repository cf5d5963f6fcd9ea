/** Several connections of one transfer at a listener that limits who may connect, and how often. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ReceiveOptions, SendOptions } from '../../dist/index.js'
import { bundleName, greet, openBundle } from '../fixtures/bundles.ts'
import { Endless } from '../fixtures/endless.ts'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { folders, namesIn } from '../fixtures/folder.ts'
import { key, otherKey } from '../fixtures/keys.ts'
import { frame, sha256 } from '../fixtures/peer-frames.ts'
import { Roads } from '../fixtures/roads.ts'

/** A pipe through a proxy, with four connections if the listener takes so many, until so many carry it. */
async function carry(t: Test, limits: Partial<ReceiveOptions & SendOptions>, connections: number, isReverse = false) {
  const { out } = folders(t)
  const endless = new Endless()
  const sources = [{ stream: endless.stream, name: 'pipe' }]
  const options = { streams: 4, ...limits }
  const listener = isReverse
    ? await startSender(t, sources, options)
    : await startReceiver(t, { out, count: 1, ...options })
  const roads = await Roads.to(t, listener.port)
  const refused = Array.from({ length: 4 - connections }, (_, index) =>
    listener.events.until(isReverse ? 'failed' : 'refused', index + 1),
  )
  void Promise.all([roads.loaded(connections), ...refused]).then(() => endless.end())
  const dialler = isReverse
    ? await tryReceive(t, roads.port, { out, streams: 4 })
    : await trySend(t, roads.port, sources, { streams: 4 })
  t.equal(dialler.error, undefined)
  t.equal((await listener.ended).error, undefined)
  t.equal(sha256(readFileSync(join(out, 'pipe'))), endless.sha256())
  const used = connections > 1 ? connections : undefined
  for (const { events } of [dialler, listener]) t.equal(events.of('ended')[0]?.connections, used)
  return [...listener.events.of('refused'), ...listener.events.of('failed')]
}

const limits = { maxConnections: '--max-connections', maxPerPeer: '--max-per-peer' } as const

for (const [limit, option] of Object.entries(limits))
  for (const most of [1, 2, 3])
    t.test(`uses the connections that it gets with ${option} ${most}, and says of the others why not`, async (t) => {
      for (const isReverse of [false, true]) {
        const refused = await carry(t, { [limit]: most }, most, isReverse)
        t.equal(refused.length, 4 - most)
        for (const event of refused)
          t.match(event, { code: 'refused', reason: 'busy', message: new RegExp(`it has ${most} .*\\(${option}\\)$`) })
      }
    })

t.test('takes all of its connections from an address that may connect', async (t) => {
  for (const isReverse of [false, true]) t.strictSame(await carry(t, { allowFrom: ['127.0.0.1'] }, 4, isReverse), [])
})

t.test('takes none from another address, and tries no other', async (t) => {
  const { out } = folders(t)
  const receiver = await startReceiver(t, { out, allowFrom: ['192.0.2.1'], streams: 4 })
  const { error } = await trySend(t, receiver.port, [{ text: 'hello' }], { streams: 4, retry: 0 })
  t.ok(error)
  await receiver.stop()
  t.equal(receiver.events.of('refused').length, 1)
  t.strictSame(receiver.events.of('connected'), [])
})

t.test('keeps the bundles of two keys apart, each with the folder of its key', async (t) => {
  const { out } = folders(t)
  const named = [
    { name: 'alice', key },
    { name: 'bob', key: otherKey },
  ]
  const receiver = await startReceiver(t, { out, count: 2, key: named, perKeyFolder: true, streams: 4 })
  const send = async (own: string) => {
    const endless = new Endless()
    const roads = await Roads.to(t, receiver.port)
    void roads.loaded(3).then(() => endless.end())
    const sources = [{ stream: endless.stream, name: 'pipe' }]
    const { error, events } = await trySend(t, roads.port, sources, { key: own, streams: 3 })
    t.equal(error, undefined)
    t.match(events.of('ended'), [{ connections: 3 }])
    return endless.sha256()
  }
  const sent = await Promise.all([send(key), send(otherKey)])
  t.equal((await receiver.ended).error, undefined)
  t.strictSame(namesIn(out), ['alice', 'bob'])
  const stored = ['alice', 'bob'].map((name) => sha256(readFileSync(join(out, name, 'pipe'))))
  t.strictSame(stored, sent)
  t.strictSame(new Set(receiver.events.of('stored').map((event) => event.key)), new Set(['alice', 'bob']))
  t.strictSame(receiver.events.of('refused'), [])
})

t.test('counts the connections of bundles that never say anything like all others', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir(), maxPerPeer: 2 })
  const first = await openBundle(t, receiver.port, bundleName(1))
  const lane = await greet(t, receiver.port, { join: bundleName(1) })
  await lane.write(frame('U', {}))
  await lane.next('U')
  const { error } = await trySend(t, receiver.port, [{ text: 'hello' }])
  t.match(error, { code: 'refused', reason: 'busy' })
  first.socket.destroy()
  lane.socket.destroy()
  await receiver.stop()
})
