import { chmodSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.ts'
import { digest } from '../fixtures/peer-frames.ts'

const FRAME = 1024 * 1024

const sizes = [0, 1, 1023, 1024, 1025, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 5 * FRAME + 12_345]

for (const size of sizes) {
  t.test(`carries a file of ${size} bytes`, async (t) => {
    const folder = t.testdir({ in: {}, out: {} })
    const content = bytesOf(size, size + 1)
    const path = join(folder, 'in', 'file.bin')
    writeFileSync(path, content)
    const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 1 })
    const sent = await trySend(t, receiver.port, path)
    const { summary } = await receiver.ended

    t.match(sent.summary, { files: 1, bytes: size })
    t.match(summary, { files: 1, bytes: size })
    t.ok(readFileSync(join(folder, 'out', 'file.bin')).equals(content))
    const facts = { name: 'file.bin', size, blake3: digest(content) }
    t.match(sent.events.of('sent'), [{ ...facts, path, storedAs: 'file.bin' }])
    t.match(receiver.events.of('stored'), [{ ...facts, path: join(folder, 'out', 'file.bin') }])
  })
}

t.test('stores names of every script as they are', async (t) => {
  const names = [
    '文件.txt',
    'ملف.txt',
    'файл.txt',
    '👩‍👩‍👧‍👦.txt',
    '\u200fשלום.txt',
    'e\u0301.txt',
    '\u00e9.txt',
    ' name',
    'name.',
    'a...',
    'a:b.log',
    'aux.c',
    '-rf',
    '~',
    '$(id)',
    '`id`',
    '; rm x',
    '%2e%2e%2f',
    '．．／x',
    'README',
    'readme',
    '__proto__',
    'constructor',
    'x'.repeat(255),
    `${'é'.repeat(127)}y`,
  ]
  const folder = t.testdir({ out: {} })
  writeFileSync(join(folder, 'in'), 'x')
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 1 })
  const sources = names.map((name) => ({ path: join(folder, 'in'), name }))
  const sent = await trySend(t, receiver.port, sources)
  await receiver.ended
  t.match(sent.summary, { files: names.length })
  t.strictSame(namesIn(join(folder, 'out')), [...names].sort())
  t.strictSame(
    sent.events.of('sent').map(({ storedAs }) => storedAs),
    names,
  )
})

t.test('carries many files over one connection, in their order', async (t) => {
  const names = Array.from({ length: 300 }, (_, index) => `file-${index}.txt`)
  const folder = t.testdir({ in: Object.fromEntries(names.map((name) => [name, `I am ${name}`])), out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 1 })
  const sent = await trySend(
    t,
    receiver.port,
    names.map((name) => join(folder, 'in', name)),
  )
  const { summary } = await receiver.ended
  t.match(sent.summary, { files: 300 })
  t.match(summary, { files: 300, bytes: sent.summary?.bytes })
  t.strictSame(filesIn(join(folder, 'out')), Object.fromEntries(names.map((name) => [name, `I am ${name}`])))
  t.strictSame(
    receiver.events.of('stored').map(({ name }) => name),
    names,
  )
  t.equal(receiver.events.of('connected').length, 1)
})

t.test('keeps what is there already, and stores the same name as a copy', async (t) => {
  const folder = t.testdir({ in: { 'file.txt': 'new' }, out: { 'file.txt': 'old' } })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 2 })
  const path = join(folder, 'in', 'file.txt')
  // The same name twice in one transfer, and once more in another.
  const first = await trySend(t, receiver.port, [path, { path, name: 'file.txt' }])
  const second = await trySend(t, receiver.port, path)
  await receiver.ended
  const storedAs = [first, second].flatMap(({ events }) => events.of('sent').map((event) => event.storedAs))
  t.strictSame(storedAs, ['file_bak.txt', 'file_bak2.txt', 'file_bak3.txt'])
  t.strictSame(filesIn(join(folder, 'out')), {
    'file.txt': 'old',
    'file_bak.txt': 'new',
    'file_bak2.txt': 'new',
    'file_bak3.txt': 'new',
  })
})

t.test('keeps the time and the permission bits, without the dangerous ones', async (t) => {
  const folder = t.testdir({ in: { 'script.sh': '#!/bin/sh' }, out: {} })
  const path = join(folder, 'in', 'script.sh')
  utimesSync(path, 1_000_000_000, 1_234_567_890)
  chmodSync(path, 0o6755)
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 1 })
  await trySend(t, receiver.port, path)
  await receiver.ended
  const { mode, mtimeMs } = statSync(join(folder, 'out', 'script.sh'))
  t.equal(mode & 0o7777, 0o755 & ~process.umask())
  t.equal(mtimeMs, 1_234_567_890_000)
})

t.test('makes the folder if it is missing', async (t) => {
  const folder = t.testdir({ 'file.txt': 'text' })
  const out = join(folder, 'a', 'b')
  const receiver = await startReceiver(t, { out, count: 1 })
  await trySend(t, receiver.port, join(folder, 'file.txt'))
  await receiver.ended
  t.strictSame(filesIn(out), { 'file.txt': 'text' })
})
