/** What `receive` returns, beside the summary: where it listens, how it is closed, and a loop over what is stored. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type ReceiveOptions, type Receiving, receive, type StoredEvent, send } from '../dist/index.js'
import { MAX_LISTED, MAX_WAITING, StoredFiles } from '../dist/stored-files.js'
import { Events, startSender } from './fixtures/ends.ts'
import { filesIn, namesIn } from './fixtures/folder.ts'
import { gate } from './fixtures/gate.ts'
import { Peer } from './fixtures/peer.ts'
import { entryFrames, senderOpening } from './fixtures/peer-frames.ts'
import { unusedPlace } from './fixtures/ports.ts'
import { settle, stateOf } from './fixtures/turns.ts'

const host = '127.0.0.1'

function start(t: Test, options: Partial<ReceiveOptions> = {}): { receiving: Receiving; out: string } {
  const out = join(t.testdir(), 'out')
  const receiving = receive({ out, port: 0, host, ...options })
  t.teardown(() => receiving.close().catch(() => {}))
  return { receiving, out }
}

const bytes = (...names: string[]) => names.map((name) => ({ bytes: Buffer.from(name), name }))

async function sendTo({ address }: Receiving, ...names: string[]) {
  return await send({ host, port: (await address).port, sources: bytes(...names) })
}

t.test('tells where it listens, and sums up what it has stored', async (t) => {
  const { receiving, out } = start(t, { count: 1 })
  const { address, port } = await receiving.address
  t.equal(address, host)
  t.ok(port > 0)
  await sendTo(receiving, 'a', 'bb')
  const summary = await receiving
  t.match(summary, { files: 2, bytes: 3, seconds: Number })
  t.match(summary.stored, [
    { event: 'stored', name: 'a', path: join(out, 'a'), size: 1, blake3: /^[0-9a-f]{64}$/ },
    { name: 'bb', path: join(out, 'bb'), size: 2 },
  ])
  t.equal(await receiving.finished, summary)
  t.equal(await receiving.close(), summary, 'closing it afterwards changes nothing')
})

t.test('says why it never listens', async (t) => {
  const { receiving } = start(t, { host: '203.0.113.1' })
  await t.rejects(receiving.address, { code: 'connect' })
  await t.rejects(receiving, { code: 'connect' })
  const wrong = start(t, { count: 0 }).receiving
  await t.rejects(wrong.address, { code: 'usage', message: /^count must be/ })
  const closed = start(t).receiving
  t.match(await closed.close(), { files: 0, stored: [] })
  await t.resolves(closed.address, 'it did, for a moment')
})

t.test('close lets nobody else in, and ends without an error', async (t) => {
  const { receiving, out } = start(t)
  await sendTo(receiving, 'a')
  const { port } = await receiving.address
  t.match(await receiving.close(), { files: 1, stored: [{ name: 'a' }] })
  await t.rejects(send({ host, port, sources: bytes('b') }), { code: 'connect' })
  t.strictSame(filesIn(out), { a: 'a' })
})

/** A sender whose second piece waits. */
function slowSender(port: number) {
  const more = gate()
  async function* pieces() {
    yield Buffer.alloc(10_000, 'a')
    await more.opened
    yield 'end'
  }
  const controller = new AbortController()
  const sources = [{ stream: pieces(), name: 'slow' }]
  const sent = send({ host, port, sources, retry: 0, signal: controller.signal })
  sent.catch(() => {})
  return { sent, more, controller }
}

t.test('close lets what runs finish, and refuses what has not begun', async (t) => {
  const events = new Events()
  const { receiving, out } = start(t, { onEvent: events.add, count: 5 })
  const { port } = await receiving.address
  const slow = slowSender(port)
  await events.until('progress')
  const late = await Peer.dial(t, port)
  await late.write(senderOpening)
  await late.next('G')
  const closing = receiving.close()
  t.equal(await stateOf(closing), 'pending')
  await late.write(...entryFrames('late', 'x'))
  t.match((await late.next('R')).fields, { reason: 'busy' })
  await t.rejects(send({ host, port, sources: bytes('later') }), { code: 'connect' })
  slow.more.open()
  t.match(await slow.sent, { files: 1 })
  t.match(await closing, { files: 1, stored: [{ name: 'slow', size: 10_003 }] })
  t.strictSame(namesIn(out), ['slow'])
})

t.test('close does not wait for a sender that has gone to come back, nor for one that failed before', async (t) => {
  for (const isEarlier of [true, false]) {
    const events = new Events()
    const out = join(t.testdir(), 'out')
    const receiving = receive({ out, port: 0, host, onEvent: events.add, count: 2, wait: 600_000, keepPartial: 0 })
    const slow = slowSender((await receiving.address).port)
    await events.until('progress')
    if (!isEarlier) void receiving.close()
    slow.controller.abort()
    await events.until('ended')
    if (isEarlier) await events.until('waiting')
    t.match(await receiving.close(), { files: 0, stored: [] })
    t.equal(events.of('waiting').length, isEarlier ? 1 : 0)
    t.match(events.all.at(-1), { event: 'done', exitCode: 0 })
  }
})

t.test('close waits for afterStored, whose error counts', async (t) => {
  const opened = gate()
  const { receiving } = start(t, {
    afterStored: async () => {
      await opened.opened
      throw new Error('too bad')
    },
  })
  await sendTo(receiving, 'a')
  const closing = receiving.close()
  t.equal(await stateOf(closing), 'pending')
  opened.open()
  await t.rejects(closing, { code: 'hook', message: 'afterStored failed: too bad' })
})

t.test('an error that close has nothing to do with is not lost', async (t) => {
  const events = new Events()
  const { receiving } = start(t, { onEvent: events.add, oneAttempt: true })
  const slow = slowSender((await receiving.address).port)
  await events.until('progress')
  const closing = receiving.close()
  slow.controller.abort()
  await t.rejects(closing, { code: 'incomplete' })
})

t.test('close ends a receiver that connects, if there is no transfer yet', async (t) => {
  const events = new Events()
  const { host: nowhere, port } = await unusedPlace()
  const to = { host: nowhere, port: Number(port), connect: true }
  const { receiving } = start(t, { ...to, wait: 600_000, onEvent: events.add })
  await events.until('waiting')
  t.match(await receiving.close(), { files: 0, stored: [] })
  await t.rejects(receiving.address, {
    code: 'usage',
    message: 'it never listened: it connected, or was closed before',
  })
  const early = receive({ out: join(t.testdir(), 'out'), ...to })
  t.match(await early.close(), { files: 0 })
  const controller = new AbortController()
  const stopped = receive({ out: join(t.testdir(), 'out'), ...to, signal: controller.signal })
  controller.abort()
  await t.rejects(stopped.close(), { code: 'interrupted' })
})

t.test('close lets a receiver that has connected finish', async (t) => {
  const events = new Events()
  const more = gate()
  async function* pieces() {
    yield Buffer.alloc(10_000, 'a')
    await more.opened
  }
  const sender = await startSender(t, [{ stream: pieces(), name: 'slow' }])
  const { receiving } = start(t, { port: sender.port, connect: true, onEvent: events.add })
  await events.until('progress')
  const closing = receiving.close()
  t.equal(await stateOf(closing), 'pending')
  more.open()
  t.match(await closing, { files: 1 })
  t.match((await sender.ended).summary, { files: 1 })
})

t.test('a loop takes every file from the first one on, and ends with the receiver', async (t) => {
  const { receiving } = start(t, { count: 2 })
  await sendTo(receiving, 'a', 'b')
  const names: string[] = []
  const sent = { last: undefined as Promise<unknown> | undefined }
  for await (const { name, event } of receiving) {
    t.equal(event, 'stored')
    names.push(name)
    if (name === 'b') sent.last = sendTo(receiving, 'c', 'd')
  }
  t.strictSame(names, ['a', 'b', 'c', 'd'])
  t.match(await sent.last, { files: 2 })
  t.match(await receiving, { files: 4 })
  const again: string[] = []
  for await (const { name } of receiving) again.push(name)
  t.strictSame(again, names, 'another loop begins anew')
})

t.test('a loop that is left closes the receiver', async (t) => {
  const events = new Events()
  const { receiving } = start(t, { onEvent: events.add })
  await sendTo(receiving, 'a', 'b')
  for await (const { name } of receiving) {
    t.equal(name, 'a')
    break
  }
  t.match(events.all.at(-1), { event: 'done', exitCode: 0 }, 'it has ended')
  t.match(await receiving, { files: 2 })
})

t.test('a loop throws what the receiver fails with, after all files', async (t) => {
  const controller = new AbortController()
  const { receiving } = start(t, { signal: controller.signal })
  await sendTo(receiving, 'a')
  const names: string[] = []
  const loop = async () => {
    for await (const { name } of receiving) {
      names.push(name)
      controller.abort()
    }
  }
  await t.rejects(loop(), { code: 'interrupted' })
  t.strictSame(names, ['a'])
})

t.test('a loop has each directory once, and no message', async (t) => {
  const folder = t.testdir({ tree: { a: 'a', b: 'b' }, out: {} })
  const receiving = receive({ out: join(folder, 'out'), port: 0, host, count: 1 })
  const { port } = await receiving.address
  const sources = [join(folder, 'tree'), { text: 'hello' }, ...bytes('c')]
  t.match(await send({ host, port, sources }), { files: 4 })
  const stored: StoredEvent[] = []
  for await (const file of receiving) stored.push(file)
  t.match(stored, [
    { name: 'tree', files: 2 },
    { name: 'c', size: 1 },
  ])
  t.strictSame((await receiving).stored, stored)
})

t.test('senders wait for a slow loop, each with one file at most', async (t) => {
  const events = new Events()
  const { receiving } = start(t, { onEvent: events.add })
  const { port } = await receiving.address
  const loop = receiving[Symbol.asyncIterator]()
  const first = loop.next()
  const names = Array.from({ length: 2 * MAX_WAITING }, (_, index) => `f${index}`)
  const many = send({ host, port, sources: bytes(...names) })
  t.match(await first, { value: { name: 'f0' } })
  await events.until('stored', MAX_WAITING + 1)
  // Those with a single file are held up, too: else there would be no end of them.
  const single = ['x', 'y', 'z'].map((name) => send({ host, port, sources: bytes(name) }))
  const taken = ['f0']
  while (taken.length < 2 * MAX_WAITING + 3) {
    taken.push((await loop.next()).value?.name ?? '')
    await settle()
    const waiting = events.of('stored').length - taken.length
    if (waiting > MAX_WAITING + single.length) t.fail(`${waiting} files wait`)
  }
  t.match(await many, { files: 2 * MAX_WAITING })
  t.match(await Promise.all(single), [{ files: 1 }, { files: 1 }, { files: 1 }])
  t.strictSame(taken.sort(), [...names, 'x', 'y', 'z'].sort())
  t.same(await loop.return?.(), { value: undefined, done: true })
})

t.test('lists the first files of an endless receiver, and begins no loop without the others', async (t) => {
  const files = new StoredFiles()
  const all = Array.from({ length: MAX_LISTED + 1 }, (_, index) => ({ name: `f${index}` }) as StoredEvent)
  for (const file of all.slice(0, -1)) files.add(file)
  const read = files.read(Promise.resolve(), async () => {})
  t.same(await read.next(), { value: all[0], done: false }, 'a loop of all that are listed')
  await read.return()
  files.add(all.at(-1) as StoredEvent)
  t.strictSame(files.listed, all.slice(0, -1))
  const message = `the loop has begun too late: ${MAX_LISTED + 1} files were stored before, and only ${MAX_LISTED} are kept`
  await t.rejects(files.read(Promise.resolve(), async () => {}).next(), { code: 'usage', message })
})

/** What a program says that uses the library, and its exit status. */
function runProgram(t: Test, use: string) {
  const code = `
    import { receive } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}
    const receiving = receive({ out: ${JSON.stringify(t.testdir())}, host: '203.0.113.1', port: 0 })
    ${use}
    process.on('exit', (status) => console.log('exit', status))`
  const { NODE_OPTIONS: _, ...env } = process.env
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    env,
    encoding: 'utf8',
  })
  return { stdout, stderr, status }
}

const caught = {
  address: `receiving.address.catch(({ code }) => console.log(code))`,
  finished: `receiving.finished.catch(({ code }) => console.log(code))`,
  close: `receiving.close().catch(({ code }) => console.log(code))`,
  'a loop': `;(async () => { for await (const _ of receiving); })().catch(({ code }) => console.log(code))`,
}

for (const [what, use] of Object.entries(caught)) {
  t.test(`whoever uses only ${what} hears of a failure there, and there is no unhandled rejection`, async (t) => {
    t.strictSame(runProgram(t, use), { stdout: 'connect\nexit 0\n', stderr: '', status: 0 })
  })
}

t.test('a failure of which nobody wants to hear is an unhandled rejection', async (t) => {
  const { stderr, status } = runProgram(t, '')
  t.match(stderr, /TransferError: cannot listen/)
  t.equal(status, 1)
  t.strictSame(runProgram(t, 'receiving.close()'), { stdout: 'exit 0\n', stderr: '', status: 0 })
})
