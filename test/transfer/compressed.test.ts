/** Transfers that are compressed on the way: what is stored is the same, and both sides tell what was on the wire. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { pauses } from '../../dist/transfer/retry.js'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, folders, treeOf } from '../fixtures/folder.ts'
import { key } from '../fixtures/keys.ts'
import { listenAsPeer } from '../fixtures/peer.ts'
import { digest, frame, receiverOpening } from '../fixtures/peer-frames.ts'
import { damagedPort } from '../fixtures/proxy.ts'

pauses.first = 5

const MIB = 1024 * 1024
const lines = (count: number) => Buffer.from('all work and no play makes jack a dull boy\n'.repeat(count))
const text = lines(100_000)
const always = { compress: 'always' } as const

/** A proxy that counts what passes to the receiver. */
async function meteredPort(t: Test, port: number, cut?: number) {
  const meter = { port: 0, passed: 0 }
  meter.port = await damagedPort(t, port, {
    change: (direction, bytes) => {
      if (direction === 'to-receiver') meter.passed += bytes.length
      return bytes
    },
    cut: (connection) =>
      cut !== undefined && connection === 0 ? { direction: 'to-receiver', after: cut, how: 'end' } : undefined,
  })
  return meter
}

t.test('stores what was sent, and both sides tell what it was on the wire', async (t) => {
  const { path, out } = folders(t, {
    'a.txt': text,
    'zip.zip': text,
    'noise.bin': bytesOf(3 * MIB),
    empty: '',
    'b.txt': 'b',
  })
  const receiver = await startReceiver(t, { out, count: 1 })
  const proxy = await meteredPort(t, receiver.port)
  const names = ['a.txt', 'zip.zip', 'noise.bin', 'empty', 'b.txt']
  const sent = await trySend(t, proxy.port, names.map(path), always)
  t.equal(sent.error, undefined)
  await receiver.ended
  t.strictSame(treeOf(out), treeOf(join(out, '..', 'in')))
  for (const events of [sent.events.of('sent'), receiver.events.of('stored')]) {
    t.match(
      events,
      names.map((name) => ({ name, size: readFileSync(path(name)).length, verified: true })),
    )
    const wires = Object.fromEntries(events.map(({ name, wire }) => [name, wire]))
    t.ok((wires['a.txt'] as number) < text.length / 20)
    t.equal(wires['zip.zip'], wires['a.txt'], 'whatever its name says')
    for (const name of ['noise.bin', 'empty', 'b.txt']) t.equal(wires[name], undefined, `${name} went as it is`)
  }
  t.ok(proxy.passed < 3.2 * MIB, 'and that is what went over the wire')
  t.strictSame(sent.events.of('warning'), [])
})

t.test('compresses a pipe, a directory and a message, over a connection with a key, too', async (t) => {
  const root = t.testdir({ tree: { 'a.txt': text, sub: { 'b.txt': 'b', 'c.bin': bytesOf(70_000) } }, out: {} })
  const out = join(root, 'out')
  const receiver = await startReceiver(t, { out, count: 1, key })
  const stream = Readable.from([text.subarray(0, 100_000), text.subarray(100_000)])
  const sources = [{ stream, name: 'piped' }, join(root, 'tree'), { text: 'hello '.repeat(1000) }]
  const sent = await trySend(t, receiver.port, sources, { ...always, key })
  t.equal(sent.error, undefined)
  await receiver.ended
  t.ok(readFileSync(join(out, 'piped')).equals(text))
  t.strictSame(treeOf(join(out, 'tree')), treeOf(join(root, 'tree')))
  t.match(receiver.events.of('message'), [{ text: 'hello '.repeat(1000) }])
  const whole = ({ directory }: { directory?: string }) => directory === undefined
  for (const name of ['piped', 'tree']) {
    const both = [sent.events.of('sent'), receiver.events.of('stored')]
    const [wire, other] = both.map((events) => events.filter(whole).find((event) => event.name === name)?.wire)
    t.ok((wire as number) < 300_000, name)
    t.equal(other, wire, name)
  }
  t.match(sent.events.of('sent').at(-1), { wire: Number })
})

t.test('compresses from a sender that listens', async (t) => {
  const { path, out } = folders(t, { 'a.txt': text })
  const sender = await startSender(t, [path('a.txt')], always)
  const { events } = await tryReceive(t, sender.port, { out })
  t.match(events.of('stored'), [{ size: text.length, wire: Number }])
  await sender.ended
})

t.test('goes on after a break, and compresses only what is missing', async (t) => {
  const content = Buffer.concat([bytesOf(2 * MIB), lines(40_000)])
  const { path, out } = folders(t, { 'a.txt': content })
  const receiver = await startReceiver(t, { out, count: 1 })
  const proxy = await meteredPort(t, receiver.port, 2 * MIB)
  const sent = await trySend(t, proxy.port, path('a.txt'), always)
  t.equal(sent.error, undefined)
  await receiver.ended
  t.ok(readFileSync(join(out, 'a.txt')).equals(content))
  const [event] = sent.events.of('sent')
  t.ok((event?.resumed as number) >= MIB)
  t.ok((event?.wire as number) < content.length - (event?.resumed as number))
  t.match(receiver.events.of('stored'), [{ resumed: event?.resumed, wire: event?.wire }])
})

t.test('keeps the limit of the content', async (t) => {
  const content = lines(5_000)
  const { path, out } = folders(t, { 'a.txt': content })
  const receiver = await startReceiver(t, { out, count: 1 })
  const start = performance.now()
  const sent = await trySend(t, receiver.port, path('a.txt'), { ...always, limit: 2 * content.length })
  t.equal(sent.error, undefined)
  t.ok(performance.now() - start > 400, 'not that of the wire')
  t.match(sent.events.of('sent'), [{ wire: Number }])
  await receiver.ended
  for (const end of [sent, receiver]) t.ok(end.events.of('progress').some(({ wire }) => wire !== undefined))
})

t.test('sends as it is what the receiver does not want to inflate, and says so once', async (t) => {
  const { path, out } = folders(t, { 'a.txt': text, 'b.txt': text })
  for (const [compress, warnings] of [
    ['always', [{ reason: 'uncompressed', message: /cannot inflate/ }]],
    ['auto', []],
    ['never', []],
  ] as const) {
    const receiver = await startReceiver(t, { out: join(out, compress), count: 1, compress: 'never' })
    const proxy = await meteredPort(t, receiver.port, MIB + 500_000)
    const sent = await trySend(t, proxy.port, [path('a.txt'), path('b.txt')], { compress })
    t.equal(sent.error, undefined)
    await receiver.ended
    t.strictSame(
      sent.events.of('sent').map(({ wire }) => wire),
      [undefined, undefined],
    )
    t.match(sent.events.of('warning'), warnings)
    t.equal(sent.events.of('warning').length, warnings.length)
    t.ok(readFileSync(join(out, compress, 'b.txt')).equals(text))
  }
})

t.test('waits with always for the greeting, which may come late', async (t) => {
  const { path } = folders(t, { 'a.txt': text })
  let hasGreeted = false
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.next('G')
    await peer.bytes(100)
    await new Promise((resolve) => setImmediate(resolve))
    t.notOk(
      peer.frames.some(({ type }) => type === 'H'),
      'nothing has come yet',
    )
    hasGreeted = true
    await peer.write(receiverOpening)
    await peer.next('F')
    peer.finish(frame('S', { entry: 0, name: 'a.txt', bytes: text.length, blake3: digest(text) }))
  })
  const sent = await trySend(t, port, path('a.txt'), always)
  t.equal(sent.error, undefined)
  t.ok(hasGreeted)
})

t.test('removes what a receiver has of a file whose sender breaks off', async (t) => {
  const { out } = folders(t, {})
  const receiver = await startReceiver(t, { out, count: 1 })
  const broken = new Readable({ read() {} })
  broken.push(text)
  const sending = trySend(t, receiver.port, [{ stream: broken, name: 'broken' }], always)
  await receiver.events.until('progress')
  broken.destroy(new Error('it broke'))
  t.match((await sending).error, { code: 'local-file' })
  t.notOk(existsSync(join(out, 'broken')))
  await receiver.stop()
})
