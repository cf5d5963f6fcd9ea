/** What a receiver does not take: said at the header, to the sender by its code, and without hurting the other files. */
import { mkdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import type { ReceiveOptions } from '../../dist/index.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'

function* forever(): Generator<Buffer> {
  for (;;) yield bytesOf(50_000)
}

/** Sends both files of `names` in one transfer to a receiver that takes only the second. */
async function refusesFirst(
  t: Test,
  options: Omit<ReceiveOptions, 'port' | 'out'>,
  names: [string, string],
  wanted: { reason: string; message: RegExp },
  there: Record<string, string> = {},
) {
  const input = Object.fromEntries(names.map((name, index) => [`${index}`, `I am ${name}`]))
  const folder = t.testdir({ in: input, out: there })
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, { ...options, out })
  const sources = names.map((name, index) => ({ path: join(folder, 'in', `${index}`), name }))
  const sent = await trySend(t, receiver.port, sources)
  await receiver.stop()

  const { reason, message } = wanted
  t.match(sent.error, { code: 'refused', exitCode: 5, reason, message })
  t.match(sent.events.of('failed'), [{ name: names[0], code: 'refused', reason }])
  t.match(sent.events.of('sent'), [{ name: names[1] }], 'the second file went through')
  t.match(receiver.events.of('refused'), [{ name: names[0], reason, message }])
  t.match(receiver.events.of('stored'), [{ name: names[1] }])
  t.strictSame(filesIn(out), { ...there, [names[1]]: `I am ${names[1]}` })
}

t.test('takes only the types that it accepts', async (t) => {
  const wanted = { reason: 'type', message: /it takes only text\/plain, image\/\*, and this is application\/pdf/ }
  await refusesFirst(t, { accept: ['text/plain', 'image/*'] }, ['a.pdf', 'b.txt'], wanted)
  await refusesFirst(t, { accept: ['text/plain', 'image/*'] }, ['a.pdf', 'b.png'], wanted)
})

t.test('takes no file over the limit', async (t) => {
  const wanted = { reason: 'too-large', message: /the file has 9 bytes or more, and the limit is 6/ }
  await refusesFirst(t, { maxSize: 6 }, ['long', 'b'], wanted)
})

t.test('takes no hidden file unless it may', async (t) => {
  const wanted = { reason: 'name', message: /it begins with a dot/ }
  await refusesFirst(t, {}, ['.bashrc', 'b.txt'], wanted)
  const folder = t.testdir({ '.bashrc': 'x', out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 1, allowHidden: true })
  t.match((await trySend(t, receiver.port, join(folder, '.bashrc'))).summary, { files: 1 })
  await receiver.ended
  t.strictSame(filesIn(join(folder, 'out')), { '.bashrc': 'x' })
})

t.test('keeps what is there with ifExists fail', async (t) => {
  const wanted = { reason: 'exists', message: /it has "a.txt" already/ }
  await refusesFirst(t, { ifExists: 'fail' }, ['a.txt', 'b.txt'], wanted, { 'a.txt': 'old' })
})

t.test('keeps what is there with ifExists skip', async (t) => {
  const wanted = { reason: 'skipped', message: /it has "a.txt" already and skips it/ }
  await refusesFirst(t, { ifExists: 'skip' }, ['a.txt', 'b.txt'], wanted, { 'a.txt': 'old' })
})

t.test('counts a transfer whose files were skipped as a success', async (t) => {
  const folder = t.testdir({ 'a.txt': 'new', out: { 'a.txt': 'old' } })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), ifExists: 'skip', count: 1 })
  const sent = await trySend(t, receiver.port, join(folder, 'a.txt'))
  t.match(sent.error, { code: 'refused', reason: 'skipped' })
  t.match((await receiver.ended).summary, { files: 0 })
  t.strictSame(filesIn(join(folder, 'out')), { 'a.txt': 'old' })
})

t.test('replaces what is there with ifExists overwrite, and not what a link leads to', async (t) => {
  const folder = t.testdir({ 'a.txt': 'new', out: {}, 'outside.txt': 'outside' })
  const out = join(folder, 'out')
  symlinkSync('../outside.txt', join(out, 'a.txt'))
  const receiver = await startReceiver(t, { out, ifExists: 'overwrite', count: 2 })
  t.match((await trySend(t, receiver.port, join(folder, 'a.txt'))).summary, { files: 1 })
  t.throws(() => readlinkSync(join(out, 'a.txt')))
  t.match((await trySend(t, receiver.port, join(folder, 'a.txt'))).summary, { files: 1 })
  await receiver.ended
  t.strictSame(filesIn(out), { 'a.txt': 'new' })
  t.equal(readFileSync(join(folder, 'outside.txt'), 'utf8'), 'outside')
})

t.test('replaces no folder', async (t) => {
  const folder = t.testdir({ a: 'file', out: {} })
  mkdirSync(join(folder, 'out', 'a'))
  const receiver = await startReceiver(t, { out: join(folder, 'out'), ifExists: 'overwrite' })
  const sent = await trySend(t, receiver.port, join(folder, 'a'))
  await receiver.stop()
  t.match(sent.error, { code: 'refused', reason: 'exists', message: /it has a folder named "a"/ })
})

t.test('takes no more files in one transfer than the limit', async (t) => {
  const folder = t.testdir({ in: { a: 'a', b: 'b', c: 'c', d: 'd' }, out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), maxFiles: 2 })
  const sources = ['a', 'b', 'c', 'd'].map((name) => join(folder, 'in', name))
  const sent = await trySend(t, receiver.port, sources)
  await receiver.stop()
  t.match(sent.error, { code: 'refused', reason: 'files', message: /it takes at most 2 files in one transfer/ })
  t.match(sent.events.of('sent'), [{ name: 'a' }, { name: 'b' }], 'what was within the limit is confirmed')
  t.match(receiver.events.of('refused'), [{ reason: 'files' }], 'one refusal for all that is over it')
  t.strictSame(namesIn(join(folder, 'out')), ['a', 'b'])
})

t.test('stops a stream that turns out too large, and the sender stops reading it', async (t) => {
  const folder = t.testdir({ out: {}, 'good.txt': 'good' })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), maxSize: 5_000 })
  const endless = new PassThrough()
  // The producer writes on for as long as anybody reads.
  void pipeline(Readable.from(forever()), endless).catch(() => {})
  const sent = await trySend(t, receiver.port, [{ stream: endless, name: 'endless' }, join(folder, 'good.txt')])
  await receiver.stop()
  t.match(sent.error, { code: 'refused', reason: 'too-large' })
  t.match(sent.events.of('failed'), [{ name: 'endless' }])
  t.equal(sent.events.of('failed').length, 1)
  t.ok(endless.destroyed)
  t.strictSame(namesIn(join(folder, 'out')), ['good.txt'])
})
