/** Transfers with a limit, on either side: they take the time that they must take, and nothing else waits for them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { encode } from '../../dist/protocol/encode.js'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { key } from '../fixtures/keys.ts'
import { listenAsPeer } from '../fixtures/peer.ts'

const LIMIT = 400_000
const content = bytesOf(240_000, 1)

/** What must have passed at least, in milliseconds. The first pieces may make up for the 50 ms before them. */
const LEAST = (1000 * content.length) / LIMIT - 100

function place(t: Test): { file: string; out: (name: string) => string } {
  const root = t.testdir({ 'file.bin': content })
  return { file: join(root, 'file.bin'), out: (name) => join(root, name) }
}

const ways = [
  { title: 'a sender that dials', side: 'sender' },
  { title: 'a receiver that listens', side: 'receiver' },
  { title: 'a sender that dials, with a key', side: 'sender', key },
  { title: 'a receiver that listens, with a key', side: 'receiver', key },
  { title: 'a sender that dials, without the protocol', side: 'sender', plain: true },
  { title: 'a receiver that listens, without the protocol', side: 'receiver', plain: true },
  { title: 'a sender that listens', side: 'sender', isReverse: true },
  { title: 'a receiver that dials', side: 'receiver', isReverse: true },
  { title: 'a receiver that dials, with a key', side: 'receiver', isReverse: true, key },
] as const

t.test('keeps the limit of either side, whoever dials', async (t) => {
  const { file, out } = place(t)
  const run = async ({ title, side, ...options }: (typeof ways)[number]) => {
    const { key, plain, isReverse } = { key: undefined, plain: false, isReverse: false, ...options }
    const [ofSender, ofReceiver] = side === 'sender' ? [{ limit: LIMIT }, {}] : [{}, { limit: LIMIT }]
    const to = { out: out(title), count: 1, key, plain, ...(plain ? { name: 'file.bin' } : {}), ...ofReceiver }
    const from = { key, plain, ...ofSender }
    const listener = isReverse ? await startSender(t, [file], from) : await startReceiver(t, to)
    const start = performance.now()
    const dialler = isReverse ? await tryReceive(t, listener.port, to) : await trySend(t, listener.port, [file], from)
    const ended = await listener.ended
    const took = performance.now() - start
    t.equal(dialler.error, undefined, title)
    t.equal(ended.error, undefined, title)
    t.ok(readFileSync(join(out(title), 'file.bin')).equals(content), title)
    t.ok(took >= LEAST, `${title}: ${took} ms`)
  }
  await Promise.all(ways.map(run))
})

t.test('counts all connections together, and the files of a directory', async (t) => {
  const { out } = place(t)
  const tree = out('tree')
  mkdirSync(tree)
  for (let number = 0; number < 40; number++) writeFileSync(join(tree, `${number}`), content.subarray(0, 3_000))
  const receiver = await startReceiver(t, { out: out('out'), count: 2, limit: LIMIT })
  const start = performance.now()
  const sent = await Promise.all([trySend(t, receiver.port, [tree]), trySend(t, receiver.port, [tree])])
  await receiver.ended
  t.ok(performance.now() - start >= LEAST)
  t.strictSame(
    sent.map(({ error }) => error),
    [undefined, undefined],
  )
})

t.test('can be interrupted at the lowest limit, on either side', async (t) => {
  const { file, out } = place(t)
  for (const side of ['sender', 'receiver'] as const) {
    const [ofSender, ofReceiver] = side === 'sender' ? [{ limit: 1024 }, {}] : [{}, { limit: 1024 }]
    const receiver = await startReceiver(t, { out: out(side), ...ofReceiver })
    const controller = new AbortController()
    const sending = trySend(t, receiver.port, [file], { ...ofSender, signal: controller.signal })
    await receiver.events.until('progress')
    const stopped = side === 'sender' ? sending : receiver.stop()
    controller.abort()
    t.match((await stopped).error, { code: 'interrupted' })
    await sending
    await receiver.stop()
  }
})

t.test('sends small frames, between which others find their place', async (t) => {
  const { file } = place(t)
  let largest = 0
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write(encode.receiverOpening())
    await peer.next('E')
    largest = Math.max(...peer.frames.map(({ type, bytes }) => (type === 'D' ? bytes.length : 0)))
    peer.socket.destroy()
  })
  await trySend(t, port, [file], { limit: LIMIT })
  t.equal(largest, 9 * 1024, '25 ms of the limit, in whole chunks')
})
