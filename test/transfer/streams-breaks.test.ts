/** Connections of one transfer that break or stall: it goes on over the others, in the same run. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { Endless } from '../fixtures/endless.ts'
import { type Ended, type Listening, startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, folders, namesIn } from '../fixtures/folder.ts'
import { key } from '../fixtures/keys.ts'
import { digest, sha256 } from '../fixtures/peer-frames.ts'
import { Roads } from '../fixtures/roads.ts'

const STREAMS = 4

interface Way {
  isReverse?: boolean
  key?: string
  retry?: number
}

/** Both ends under way, over a proxy, with a stream that goes on until it is ended. */
async function underWay(t: Test, { isReverse = false, key, retry }: Way = {}) {
  const { out } = folders(t)
  const endless = new Endless()
  const sources = [{ stream: endless.stream, name: 'pipe' }]
  const options = { streams: STREAMS, key }
  const listener = isReverse
    ? await startSender(t, sources, options)
    : await startReceiver(t, { out, count: 1, ...options })
  const roads = await Roads.to(t, listener.port)
  const dialling = isReverse
    ? tryReceive(t, roads.port, { out, ...options })
    : trySend(t, roads.port, sources, { ...options, retry })
  await roads.loaded(STREAMS)
  return { listener, roads, dialling, endless, out }
}

/** Everything has arrived, in one run. */
async function arrives(
  t: Test,
  {
    listener,
    dialling,
    endless,
    out,
  }: { listener: Listening; dialling: Promise<Ended>; endless: Endless; out: string },
) {
  endless.end()
  const dialler = await dialling
  const ended = await listener.ended
  t.equal(dialler.error, undefined)
  t.equal(ended.error, undefined)
  for (const { events } of [dialler, listener]) {
    t.match(events.of('ended'), [{ transfer: 1, complete: true, connections: STREAMS }])
    for (const name of ['waiting', 'failed', 'refused'] as const) t.strictSame(events.of(name), [])
  }
  t.equal(sha256(readFileSync(join(out, 'pipe'))), endless.sha256())
}

for (const isReverse of [false, true])
  for (const usedKey of [undefined, key]) {
    const how = `${isReverse ? 'the receiver dials' : 'the sender dials'}, ${usedKey ? 'with' : 'without'} a key`
    t.test(`one connection breaks after the other, ${how}`, async (t) => {
      // Each one is the last in one of the runs, the first one too.
      for (const last of usedKey === undefined ? [0, 1, 2, 3] : [3]) {
        const run = await underWay(t, { isReverse, ...(usedKey ? { key: usedKey } : {}) })
        for (const [index, road] of run.roads.all.entries()) {
          if (index === last) continue
          const before = run.roads.all[last]?.carried.reduce((sum, bytes) => sum + bytes) ?? 0
          road.reset()
          await run.roads.until(
            () => (run.roads.all[last]?.carried.reduce((sum, bytes) => sum + bytes) ?? 0) > before + 100_000,
          )
        }
        await arrives(t, run)
      }
    })
  }

t.test('all connections but one break at once', async (t) => {
  const run = await underWay(t)
  for (const road of run.roads.all.slice(1)) road.reset()
  await arrives(t, run)
})

t.test('connections break while the end is on its way', async (t) => {
  const run = await underWay(t)
  run.endless.end()
  for (const road of run.roads.all.slice(0, 3)) road.reset()
  await arrives(t, run)
})

t.test('a connection that stalls holds nothing up, not even the end', async (t) => {
  for (const stalled of [0, 2]) {
    const run = await underWay(t)
    run.roads.all[stalled]?.stall()
    await arrives(t, run)
  }
})

const content = bytesOf(24 * 1024 * 1024 + 5)

t.test('connections break at any moment', async (t) => {
  const { out, path } = folders(t, { 'file.bin': content })
  const receiver = await startReceiver(t, { out, ifExists: 'overwrite', count: 1_000 })
  const breaks = fc.record({
    survivor: fc.nat(STREAMS - 1),
    after: fc.array(fc.nat(8 * 1024 * 1024), { minLength: STREAMS, maxLength: STREAMS }),
  })
  const arrives = async ({ survivor, after }: { survivor: number; after: number[] }) => {
    const roads = await Roads.to(t, receiver.port)
    for (const [index, bytes] of after.entries()) {
      const isDue = () => roads.all[survivor]?.isLoaded && Math.max(...(roads.all[index]?.carried ?? [0])) >= bytes
      if (index !== survivor) void roads.until(() => isDue() ?? false).then(() => roads.all[index]?.reset())
    }
    const sent = await trySend(t, roads.port, path('file.bin'), { streams: STREAMS })
    t.equal(sent.error, undefined)
    t.match(sent.events.of('sent'), [{ blake3: digest(content), verified: true }])
    t.strictSame(sent.events.of('waiting'), [])
    t.ok(readFileSync(join(out, 'file.bin')).equals(content))
  }
  await t.resolves(fc.assert(fc.asyncProperty(breaks, arrives), { numRuns: 12 }))
  await receiver.stop()
})

/** A file under way over four connections, all of which break then. */
async function breakAll(t: Test, port: number, file: string, options: Partial<SendOptions>): Promise<Ended> {
  const roads = await Roads.to(t, port)
  const sending = trySend(t, roads.port, file, { streams: STREAMS, ...options })
  const carried = () => roads.all.reduce((sum, road) => sum + road.carried[0], 0)
  await roads.until(() => roads.all.length === STREAMS && carried() > 4 * 1024 * 1024)
  for (const road of roads.all) road.reset()
  return await sending
}

t.test('goes on after all connections have broken, with --retry, over as many again', async (t) => {
  const { out, path } = folders(t, { 'file.bin': content })
  const receiver = await startReceiver(t, { out, count: 1 })
  const sent = await breakAll(t, receiver.port, path('file.bin'), { retry: 2 })
  t.equal(sent.error, undefined)
  t.equal((await receiver.ended).error, undefined)
  t.match(sent.events.of('waiting'), [{ for: 'receiver', seconds: 1 }])
  t.match(sent.events.of('sent'), [{ resumed: Number, blake3: digest(content) }])
  t.match(receiver.events.of('stored'), [{ resumed: Number, blake3: digest(content) }])
  t.equal(sent.events.of('ended').length, 1)
  t.ok(readFileSync(join(out, 'file.bin')).equals(content))
})

t.test('fails without --retry, and the receiver takes the next transfer', async (t) => {
  const { out, path } = folders(t, { 'file.bin': content })
  const receiver = await startReceiver(t, { out, count: 1 })
  const sent = await breakAll(t, receiver.port, path('file.bin'), { retry: 0 })
  t.match(sent.error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
  t.match(sent.events.of('ended'), [{ complete: false }])
  await receiver.events.until('ended')
  t.notOk(existsSync(join(out, 'file.bin')))
  t.match(receiver.events.of('failed'), [{ name: 'file.bin', code: 'incomplete', reason: 'broken' }])
  const again = await trySend(t, receiver.port, path('file.bin'), { streams: 2 })
  t.equal(again.error, undefined)
  t.match(again.events.of('sent'), [{ resumed: Number }])
  t.equal((await receiver.ended).error, undefined)
  t.strictSame(namesIn(out), ['file.bin'])
})

t.test('either side can be stopped in the middle', async (t) => {
  for (const isReverse of [false, true])
    for (const who of ['listener', 'dialler'] as const) {
      const { out } = folders(t)
      const endless = new Endless()
      const sources = [{ stream: endless.stream, name: 'pipe' }]
      const controller = new AbortController()
      const listener = isReverse
        ? await startSender(t, sources, { streams: STREAMS })
        : await startReceiver(t, { out, streams: STREAMS })
      const roads = await Roads.to(t, listener.port)
      const options = { streams: STREAMS, signal: controller.signal }
      const dialling = isReverse
        ? tryReceive(t, roads.port, { out, ...options })
        : trySend(t, roads.port, sources, options)
      await roads.loaded(STREAMS)
      if (who === 'dialler') controller.abort()
      else void listener.stop()
      const dialler = await dialling
      const told = { code: 'incomplete', message: /interrupted/, exitCode: 6 }
      const own = { code: 'interrupted' }
      t.match(dialler.error, who === 'dialler' ? own : told)
      const failed = await listener.events.until('failed')
      t.match(failed, who === 'listener' ? own : { code: 'incomplete' })
      await listener.stop()
      t.strictSame(
        namesIn(out).filter((name) => name !== '.tcp-recv'),
        [],
      )
    }
})
