/** What a program can send beside files: bytes, streams of every kind, and URLs of files. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { list, type SendOptions, type TransferEvent } from '../../dist/index.js'
import { startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, folders } from '../fixtures/folder.ts'

type Sources = SendOptions['sources']

/** Sends the sources to a folder. Returns what is there then. */
async function received(t: Parameters<typeof folders>[0], sources: Sources, out: string) {
  const receiver = await startReceiver(t, { out, count: 1 })
  const { summary, error, events } = await trySend(t, receiver.port, sources)
  t.equal(error, undefined)
  t.match((await receiver.ended).summary, { files: sources.length })
  return { files: filesIn(out), summary, events }
}

t.test('sends bytes, with their size and digest, and as often as it is asked', async (t) => {
  const { out } = folders(t, {})
  const large = bytesOf(3_000_000)
  const whole = Buffer.from('the middle of it')
  const middle = new Uint8Array(whole.buffer, whole.byteOffset + 4, 6)
  const sources = [
    { bytes: large, name: 'large' },
    { bytes: new Uint8Array(0), name: 'empty' },
    { bytes: middle, name: 'part.txt' },
  ]
  const { files, events } = await received(t, sources, out)
  t.strictSame({ ...files, large: '' }, { large: '', empty: '', 'part.txt': 'middle' })
  t.ok(readFileSync(join(out, 'large')).equals(large))
  t.match(events.of('progress'), [{ name: 'large', size: 3_000_000 }])
  t.match(events.of('sent')[2], { path: '-', name: 'part.txt', size: 6, type: 'text/plain', verified: true })
  // A receiver after the other gets all of it: it is not read only once.
  const sender = await startSender(t, sources, { count: 2 })
  for (const name of ['one', 'two']) {
    const { summary } = await tryReceive(t, sender.port, { out: join(out, name) })
    t.match(summary, { files: 3, bytes: 3_000_006 })
  }
  t.match((await sender.ended).summary, { files: 6 })
})

t.test('sends what a stream gives, of Node.js, of the web, or any other', async (t) => {
  const { out } = folders(t, {})
  const large = bytesOf(3_000_000)
  async function* pieces() {
    yield 'é'
    yield ''
    yield new Uint8Array([0x21])
    yield Buffer.from('?')
  }
  const sources: Sources = [
    { stream: new Blob([large]).stream(), name: 'web' },
    { stream: pieces(), name: 'generator' },
    { stream: Readable.from([new Uint8Array([1, 2]), 'x', Buffer.from('y')]), name: 'objects' },
    { stream: (async function* () {})(), name: 'nothing' },
  ]
  const { files } = await received(t, sources, out)
  t.strictSame({ ...files, web: '' }, { web: '', generator: 'é!?', objects: '\u0001\u0002xy', nothing: '' })
  t.ok(readFileSync(join(out, 'web')).equals(large))
})

t.test('sends a message from any stream', async (t) => {
  const { out } = folders(t, {})
  const receiver = await startReceiver(t, { out, count: 2 })
  for (const text of [new Blob(['from the web\n']).stream(), Readable.from(['from Node.js'])])
    t.match((await trySend(t, receiver.port, [{ text }])).summary, { files: 1 })
  t.match(receiver.events.of('message'), [{ text: 'from the web' }, { text: 'from Node.js' }])
  await receiver.ended
})

t.test('sends what a file: URL leads to, also a directory, and under another name', async (t) => {
  const folder = t.testdir({ 'a b.txt': 'a', tree: { 'c.txt': 'c' }, out: {} })
  const out = join(folder, 'out')
  const [file, tree] = [pathToFileURL(join(folder, 'a b.txt')), pathToFileURL(join(folder, 'tree'))]
  const { files } = await received(t, [file, { path: file, name: 'renamed' }], out)
  t.strictSame(files, { 'a b.txt': 'a', renamed: 'a' })
  const listed: TransferEvent[] = []
  await list({ sources: [tree, { bytes: Buffer.from('xy'), name: 'n' }], onEvent: (event) => listed.push(event) })
  t.match(listed, [
    { event: 'listed', name: 'tree', kind: 'directory', path: join(folder, 'tree') },
    { event: 'listed', name: 'tree/c.txt' },
    { event: 'listed', name: 'n', kind: 'file', path: '-', size: 2 },
    { event: 'done' },
  ])
})

t.test('a stream that fails, or gives something else, fails alone', async (t) => {
  const { out } = folders(t, {})
  const receiver = await startReceiver(t, { out })
  async function* failing() {
    yield 'begun'
    throw new Error('no more')
  }
  const sources = [
    { stream: failing(), name: 'failing' },
    { stream: Readable.from([{}]), name: 'objects' },
    {
      stream: (async function* () {
        yield 5
      })() as unknown as AsyncIterable<string>,
      name: 'numbers',
      label: 'my numbers',
    },
    { bytes: Buffer.from('x'), name: 'good' },
  ]
  const { error, events } = await trySend(t, receiver.port, sources)
  await receiver.stop()
  t.match(error, { code: 'local-file', message: /^cannot read failing: .*no more/ })
  t.match(events.of('failed'), [
    { name: 'failing' },
    { name: 'objects', message: /^cannot read objects: .*it gave neither bytes nor text but this: object/ },
    { name: 'numbers', message: /^cannot read my numbers: / },
  ])
  t.strictSame(filesIn(out), { good: 'x' })
})

t.test('closes an iterable that is not read to its end', async (t) => {
  const { out } = folders(t, {})
  const ended: string[] = []
  async function* endless() {
    try {
      for (;;) yield Buffer.alloc(100_000)
    } finally {
      ended.push('generator')
    }
  }
  const web = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(100_000)),
    cancel: () => void ended.push('web'),
  })
  const receiver = await startReceiver(t, { out, maxSize: 1_000_000 })
  const { error } = await trySend(t, receiver.port, [
    { stream: endless(), name: 'generator' },
    { stream: web, name: 'web' },
  ])
  await receiver.stop()
  t.match(error, { code: 'refused', reason: 'too-large' })
  t.strictSame(ended, ['generator', 'web'])
  t.strictSame(filesIn(out), {})
})
