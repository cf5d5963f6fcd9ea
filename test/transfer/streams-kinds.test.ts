/** One transfer over several connections: whatever is sent, whoever dials, with and without a key. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { Endless } from '../fixtures/endless.ts'
import { type Events, startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, folders, treeOf } from '../fixtures/folder.ts'
import { key } from '../fixtures/keys.ts'
import { sha256 } from '../fixtures/peer-frames.ts'
import { Roads } from '../fixtures/roads.ts'

const large = bytesOf(3 * 1024 * 1024 + 17)

interface Way {
  isReverse: boolean
  streams: number | 'auto'
  key?: string | undefined
}

/** Both ends with `streams`, over a proxy. Resolves when both have ended. */
async function carry(
  t: Test,
  { isReverse, streams, key }: Way,
  sources: SendOptions['sources'],
  { out, onRoads = () => {} }: { out: string; onRoads?: (roads: Roads) => void },
): Promise<{ roads: Roads; sender: Events; receiver: Events }> {
  const listener = isReverse
    ? await startSender(t, sources, { streams, key })
    : await startReceiver(t, { out, count: 1, streams, key })
  const roads = await Roads.to(t, listener.port)
  onRoads(roads)
  const dialler = isReverse
    ? await tryReceive(t, roads.port, { out, streams, key })
    : await trySend(t, roads.port, sources, { streams, key })
  const ended = await listener.ended
  t.equal(dialler.error, undefined)
  t.equal(ended.error, undefined)
  const [sender, receiver] = isReverse ? [listener, dialler] : [dialler, listener]
  t.match(sender.events.of('ended'), [{ transfer: 1, complete: true }])
  t.match(receiver.events.of('ended'), [{ transfer: 1, complete: true }])
  t.equal(listener.events.of('connected').length, 1)
  t.strictSame(listener.events.of('refused'), [])
  return { roads, sender: sender.events, receiver: receiver.events }
}

for (const isReverse of [false, true])
  for (const usedKey of [undefined, key])
    for (const streams of [1, 2, 4, 8]) {
      const who = isReverse ? 'the receiver dials' : 'the sender dials'
      t.test(`${streams} connections, ${who}, ${usedKey ? 'with' : 'without'} a key`, async (t) => {
        const folder = t.testdir({ 'one.bin': large, empty: '', tree: { a: 'a', deep: { b: large, c: '' } } })
        const out = join(folder, 'out')
        const endless = new Endless()
        const sources = [
          join(folder, 'one.bin'),
          join(folder, 'tree'),
          { stream: endless.stream, name: 'pipe' },
          join(folder, 'empty'),
          { text: 'a message' },
          { path: join(folder, 'one.bin'), name: 'two.bin' },
        ]
        const onRoads = (roads: Roads) => void roads.loaded(streams).then(() => endless.end())
        const way = { isReverse, streams, key: usedKey }
        const { roads, sender, receiver } = await carry(t, way, sources, { out, onRoads })
        t.equal(roads.all.length, streams)
        const connections = streams === 1 ? undefined : streams
        t.strictSame(sender.of('ended')[0]?.connections, connections)
        t.strictSame(receiver.of('ended')[0]?.connections, connections)
        t.equal(sha256(readFileSync(join(out, 'pipe'))), endless.sha256())
        t.ok(readFileSync(join(out, 'one.bin')).equals(large))
        t.ok(readFileSync(join(out, 'two.bin')).equals(large))
        t.equal(readFileSync(join(out, 'empty'), 'utf8'), '')
        t.strictSame(treeOf(join(out, 'tree')), treeOf(join(folder, 'tree')))
        t.match(receiver.of('message'), [{ text: 'a message' }])
      })
    }

const single: Record<string, (path: (name: string) => string) => SendOptions['sources']> = {
  'one file': (path) => [path('one.bin')],
  'three files': (path) => [path('one.bin'), path('two.bin'), path('small')],
  'a directory': (path) => [path('.')],
}

for (const [what, sources] of Object.entries(single))
  for (const isReverse of [false, true])
    t.test(`${what} alone, whose end comes at once, ${isReverse ? 'to' : 'from'} the side that dials`, async (t) => {
      const { folder, out, path } = folders(t, { 'one.bin': large, 'two.bin': large.subarray(1), small: 'small' })
      const { receiver } = await carry(t, { isReverse, streams: 4 }, sources(path), { out })
      const stored = what === 'a directory' ? join(out, 'in') : out
      const [there, sent] = [treeOf(stored), treeOf(join(folder, 'in'))]
      for (const [name, text] of Object.entries(there)) t.equal(text, sent[name], name)
      t.equal(Object.keys(there).length, what === 'one file' ? 1 : 3)
      t.match(receiver.of('ended'), [{ connections: Number }])
    })

t.test('a message or an empty file alone needs one connection', async (t) => {
  for (const source of [{ text: 'a message' }, 'empty']) {
    const { out, path } = folders(t, { empty: '' })
    const sources = [typeof source === 'string' ? path(source) : source]
    const { roads, sender, receiver } = await carry(t, { isReverse: false, streams: 'auto' }, sources, { out })
    t.equal(roads.all.length, 1)
    for (const events of [sender, receiver]) t.equal(events.of('ended')[0]?.connections, undefined)
  }
})
