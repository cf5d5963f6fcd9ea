import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { Blocking } from '../../dist/disk/blocking.js'
import { replaceDuring } from '../fixtures/disk.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { digest } from '../fixtures/peer-frames.ts'
import { replaceProperty } from '../fixtures/replace-property.ts'
import { settle } from '../fixtures/turns.ts'

t.test('serves a hundred senders at once', async (t) => {
  const names = Array.from({ length: 100 }, (_, index) => `file-${index}.txt`)
  const folder = t.testdir({ in: Object.fromEntries(names.map((name) => [name, `I am ${name}`])), out: {} })
  const leftOpen = watchOpenFiles(folder)
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 100 })
  const sent = await Promise.all(names.map((name) => trySend(t, receiver.port, join(folder, 'in', name))))
  t.match((await receiver.ended).summary, { files: 100 })
  t.ok(sent.every(({ summary }) => summary?.files === 1))
  t.strictSame(filesIn(join(folder, 'out')), filesIn(join(folder, 'in')))
  const transfers = receiver.events.of('stored').map(({ transfer }) => transfer)
  t.equal(new Set(transfers).size, 100, 'each has a number of its own')
  t.strictSame(await leftOpen(), [])
})

t.test('mixes up nothing of many large files while the disk is slow', async (t) => {
  replaceProperty(t, Blocking.prototype, 'isQuick', { get: () => false })
  replaceDuring(t, 'write', (write) => async (...args) => {
    await settle(2)
    return await write(...args)
  })
  const files = Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`${index}`, bytesOf(3_000_000, index + 1)]))
  const folder = t.testdir({ in: files, out: {} })
  for (const plain of [false, true]) {
    const out = join(folder, 'out', String(plain))
    mkdirSync(out)
    const receiver = await startReceiver(t, { out, count: 6, plain })
    const send = (name: string) => trySend(t, receiver.port, [{ path: join(folder, 'in', name), name }], { plain })
    await Promise.all(Object.keys(files).map(send))
    t.match((await receiver.ended).summary, { files: 6 })
    const stored = readdirSync(out).map((name) => digest(readFileSync(join(out, name))))
    t.strictSame(new Set(stored), new Set(Object.values(files).map((bytes) => digest(bytes))))
  }
})

t.test('stores everyone who comes with the same name at the same time', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, count: 20 })
  const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`)
  const sent = await Promise.all(
    texts.map((text) => {
      const stream = new PassThrough()
      stream.end(text)
      return trySend(t, receiver.port, [{ stream, name: 'same.txt' }])
    }),
  )
  await receiver.ended
  const files = filesIn(out)
  t.strictSame(Object.values(files).sort(), [...texts].sort(), 'each is there once')
  // Every sender was told the name that holds its own bytes.
  const told = sent.map(({ events }) => events.of('sent')[0])
  t.strictSame(
    told.map((event) => event?.blake3),
    texts.map((text) => digest(text)),
  )
  t.strictSame(
    told.map((event) => files[event?.storedAs ?? '']),
    texts,
  )
})

t.test('stores one of those who come with the same name at the same time, where it keeps no copies', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out, ifExists: 'fail' })
  const streams = Array.from({ length: 5 }, () => new PassThrough())
  const sending = streams.map((stream) => trySend(t, receiver.port, [{ stream, name: 'same.txt' }]))
  // All of them pass the early look at the name before the first is stored.
  await receiver.events.until('progress', streams.length)
  for (const [index, stream] of streams.entries()) stream.end(`text ${index}`)
  const sent = await Promise.all(sending)
  await receiver.stop()
  const winners = sent.flatMap(({ summary }, index) => (summary ? [index] : []))
  t.equal(winners.length, 1)
  t.strictSame(filesIn(out), { 'same.txt': `text ${winners[0]}` })
  const losers = sent.flatMap(({ error }) => (error ? [error.reason] : []))
  t.strictSame(losers, ['exists', 'exists', 'exists', 'exists'])
})

t.test('finishes a large transfer while others fail beside it', async (t) => {
  const folder = t.testdir({ 'large.bin': bytesOf(8 * 1024 * 1024), out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out') })
  const large = trySend(t, receiver.port, join(folder, 'large.bin'))
  const failing = Array.from({ length: 10 }, (_, index) => {
    const stream = new PassThrough()
    stream.write(bytesOf(100_000))
    const controller = new AbortController()
    return trySend(t, receiver.port, [{ stream, name: `part-${index}` }], {
      signal: controller.signal,
      onEvent: ({ event }) => {
        if (event === 'progress') controller.abort()
      },
    })
  })
  for (const { error } of await Promise.all(failing)) t.match(error, { code: 'interrupted' })
  t.match((await large).summary, { files: 1, bytes: 8 * 1024 * 1024 })
  await receiver.stop()
  t.strictSame(Object.keys(filesIn(join(folder, 'out'))), ['large.bin'])
})
